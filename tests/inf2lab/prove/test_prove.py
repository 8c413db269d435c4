"""A proof from the launch to the sweep: what it asks, where it stops, what it writes, and that nothing bills after."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from inf2lab import aws
from inf2lab.errors import SettingsError
from inf2lab.prove import Outcome, read_evidence
from inf2lab.serving.registry import Published
from tests.support.played_instance import NEW_DRIVER

if TYPE_CHECKING:
    from conftest import Proving

STEPS = ["launch", "image", "driver", "cores", "nrt_init", "load", "caches", "answers", "pace", "clean-up"]


def test_on_an_instance_in_order_every_step_passes_and_nothing_is_left(proving: Proving) -> None:
    evidence = proving()
    assert [(one.step, one.outcome, one.said) for one in evidence.steps] == [(name, "passed", "") for name in STEPS]
    assert evidence.complete
    assert (proving.left(), aws.open_runs()) == ([], [])
    assert 10 < evidence.minutes < 60
    assert evidence.usd == pytest.approx(0.78 * evidence.minutes / 60, abs=0.05)
    shown = {one.step: one for one in evidence.steps}
    assert shown["driver"].predicted == {"drivers": "2.14.5.0 or later, below 2.29"}
    assert shown["answers"].found["texts"] == [
        "Hello, my name is and so on",
        "The largest city of Germany is and so on",
    ]
    assert shown["caches"].found["files_in_the_container"] == 0
    low, _, high = shown["pace"].predicted["ms_per_token"]
    assert 0 < low < high
    assert shown["pace"].found["ms_per_token"] == pytest.approx(12.0, rel=0.01)
    assert shown["pace"].found["device_gib"] == pytest.approx(3.73, abs=0.01)
    (path,) = proving.evidence.iterdir()
    assert path.name == "2026-11-28-djl-0.25-inf2.xlarge.json"
    for word in ("123456789012", "testing", " i-0", " vol-"):
        assert word not in path.read_text()
    assert '"driver": "2.25.4.0"' in path.read_text()


# What is wrong with the machine, the step that says so, and its words.
FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "the image is gone": ({"gone": True}, "image", "manifest unknown"),
    "no driver is loaded": ({"driver": ""}, "driver", "neuron/version: No such file"),
    "the driver is too new": ({"driver": NEW_DRIVER}, "nrt_init", "compatibility id: 6"),
    "a device is missing": ({"devices": 0}, "cores", "0 NeuronCores"),
    "the host is too small": ({"host_gib": 8}, "load", "the kernel killed it for memory"),
    "loading takes longer than the folder allows": (
        {"compile_s": 60},
        "load",
        "model_loading_timeout|longer than the timeout",
    ),
    "downloads go into the container": ({"forgets": True}, "caches", "1 files in the container"),
    "a request is answered with an error": ({"fails_from_tokens": 64}, "answers", "but 424: .*nrt_execute"),
    "a long request is answered with an error": (
        {"fails_from_tokens": 448},
        "pace",
        "448 tokens was answered with 424",
    ),
}


# The steps whose failing a quick test shows; those after a whole load are thorough, but for the first of them.
QUICK = ("image", "driver", "nrt_init", "cores", "load", "caches")


@pytest.mark.parametrize(
    "fault",
    [name if row[1] in QUICK else pytest.param(name, marks=pytest.mark.thorough) for name, row in FAULTS.items()],
)
def test_it_stops_at_the_first_step_that_fails_with_what_was_seen_and_sweeps(fault: str, proving: Proving) -> None:
    choices, step, words = FAULTS[fault]
    proving.exchange(**choices)
    evidence = proving(max_minutes=120, max_usd=3)
    at = STEPS.index(step)
    assert [shown.outcome for shown in evidence.steps[:at]] == ["passed"] * at
    assert evidence.stopped_at.step == step
    assert evidence.stopped_at.outcome is Outcome.FAILED
    assert re.search(words, evidence.stopped_at.said), evidence.stopped_at.said
    assert {shown.outcome for shown in evidence.steps[at + 1 : -1]} <= {"not reached"}
    assert evidence.steps[-1].outcome == "passed"
    assert proving.left() == []


@pytest.mark.thorough
def test_the_runtimes_own_words_are_kept(proving: Proving) -> None:
    proving.exchange(driver=NEW_DRIVER)
    proving()
    (path,) = proving.evidence.iterdir()
    (row,) = [row for row in json.loads(path.read_text())["steps"] if row["step"] == "nrt_init"]
    assert any("This Neuron Runtime (compatibility id: 6) is not compatible" in line for line in row["seen"])
    assert not read_evidence(path).complete


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"max_usd": 0.5}, "max_usd=0.5: it may cost 0.8"),
        ({"max_minutes": 20}, "max_minutes=20: the steps are planned to take"),
        ({"max_minutes": 0}, "must be above 0"),
        ({"instance": "inf2.48xlarge"}, "it may cost 13"),
    ],
)
def test_a_plan_beyond_a_cap_is_refused_before_anything_is_rented(
    choices: dict[str, Any], said: str, proving: Proving
) -> None:
    with pytest.raises(SettingsError, match=said):
        proving.plan(**choices)
    assert proving.left() == []


def test_an_image_that_the_registry_has_no_more_is_said_before_anything_is_rented(
    proving: Proving, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Published("image", False, "registry-1.docker.io has no such image")
    monkeypatch.setattr("inf2lab.serving.registry.ask_registry", lambda image: gone)
    with pytest.raises(SettingsError, match=r"has no such image.*0\.25\.0-neuronx-sdk2\.15\.0; see docs/image\.md"):
        proving.plan()
    assert proving.left() == []


def test_the_cheapest_instance_that_serves_the_model_is_taken(proving: Proving) -> None:
    assert proving.plan().request.instance == "inf2.xlarge"


@pytest.mark.thorough
def test_when_the_minutes_are_over_it_stops_without_a_verdict_and_sweeps(proving: Proving) -> None:
    proving.exchange(compile_s=50)
    evidence = proving(max_minutes=55)
    assert (evidence.stopped_at.step, evidence.stopped_at.outcome) == ("load", Outcome.STOPPED)
    assert "55 minutes that were allowed are over" in evidence.stopped_at.said
    assert evidence.steps[-1].outcome == "passed"
    assert proving.left() == []


def refuse(proving: Proving, operation: str, code: str) -> None:
    """Have AWS refuse one of its calls."""

    def answer(request: object, **event: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "not today"}}, operation)

    proving.session.events.register(f"before-send.ec2.{operation}", answer)


def test_without_an_instance_free_it_stops_at_the_launch_and_nothing_is_left(proving: Proving) -> None:
    refuse(proving, "RunInstances", "InsufficientInstanceCapacity")
    evidence = proving()
    assert (evidence.stopped_at.step, evidence.stopped_at.outcome) == ("launch", Outcome.STOPPED)
    assert "InsufficientInstanceCapacity" in evidence.stopped_at.said
    assert evidence.steps[-1].outcome == "passed"
    assert proving.left() == []


def test_what_a_sweep_cannot_remove_is_the_last_step_s_failure(proving: Proving) -> None:
    proving.exchange(gone=True)
    refuse(proving, "DeleteSecurityGroup", "DependencyViolation")
    evidence = proving()
    assert (evidence.steps[-1].step, evidence.steps[-1].outcome) == ("clean-up", Outcome.FAILED)
    assert "1 left" in evidence.steps[-1].said


def test_ctrl_c_sweeps_writes_what_was_seen_and_goes_on(proving: Proving) -> None:
    def interrupt(request: object, **event: object) -> None:
        if len(proving.machine.scripts) == 3:
            raise KeyboardInterrupt

    proving.session.events.register("before-send.ssm.GetCommandInvocation", interrupt)
    with pytest.raises(KeyboardInterrupt):
        proving()
    (path,) = proving.evidence.iterdir()
    evidence = read_evidence(path)
    assert (evidence.stopped_at.step, evidence.stopped_at.outcome) == ("cores", Outcome.STOPPED)
    assert evidence.stopped_at.said == "interrupted (KeyboardInterrupt)"
    assert evidence.steps[-1].outcome == "passed"
    assert proving.left() == []


def test_a_launch_that_fails_leaves_nothing_and_says_so(proving: Proving) -> None:
    def refuse(request: object, **event: object) -> None:
        raise KeyboardInterrupt

    proving.session.events.register("before-send.ec2.RunInstances", refuse)
    with pytest.raises(KeyboardInterrupt):
        proving()
    assert proving.left() == []
