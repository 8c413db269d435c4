"""inf2lab launch, extend, sweep: what they print, and their exit codes, with AWS played in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws
from typer.testing import CliRunner, Result

from inf2lab import aws
from inf2lab.cli import app
from inf2lab.serving.registry import Published
from tests.support import played_aws


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS played by moto; waiting takes no time."""
    for name, value in played_aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(played_aws.PROGRAMS), prepend=os.pathsep)
    monkeypatch.setattr("inf2lab.aws.connection.time.sleep", lambda seconds: None)
    monkeypatch.setattr("inf2lab.aws.connection.LAUNCHED_HERE", Path("/nowhere"))
    there = Published("image", True, "the registry has it")
    monkeypatch.setattr("inf2lab.serving.registry.ask_registry", lambda image: there)
    with mock_aws():
        played_aws.put_in(["us-east-2"])
        yield


def run(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, list(words))


LAUNCH = ("launch", "--lane", "inf2", "--instance", "inf2.xlarge", "--hours", "1")


def test_the_rehearsal_shows_the_request_and_asks_nobody() -> None:
    result = run("launch", "--hours", "2")
    assert result.exit_code == 0, result.output
    for said in ("ec2.run_instances(", "ami-of-neuron-sdk-2.27.1", "together", "nothing was sent"):
        assert said in result.stdout


def test_the_default_is_the_smallest_that_loads_opt_13b_and_a_first_try_for_less_is_offered_first() -> None:
    """The article's size costs 13 dollars an hour, and this lane's container uses one of its twelve chips."""
    shown = run("launch", "--repository", "https://example.com/x.git").stdout
    assert "InstanceType='inf2.8xlarge'" in shown
    assert "a first try: facebook/opt-1.3b on inf2.xlarge, 0.76 USD an hour" in shown
    typed = " ".join(shown.replace("\\\n", " ").split())  # a line that ends so goes on, for a shell
    command = "inf2lab launch --lane inf2 --instance inf2.xlarge --hours 2 --region us-east-2"
    assert f"{command} --repository https://example.com/x.git --confirm" in typed
    there = "-p lane inf2 -p instance inf2.xlarge -p model_id facebook/opt-1.3b -p model_name opt1b3"
    assert f'make run P="{there}"' in typed
    assert shown.index("a first try") < shown.index("nothing was sent")


def test_an_image_that_is_gone_stops_a_launch_before_anything_is_rented(
    played: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Published("image", False, "registry-1.docker.io has no such image")
    monkeypatch.setattr("inf2lab.serving.registry.ask_registry", lambda image: gone)
    result = run(*LAUNCH, "--confirm")
    assert result.exit_code == 2
    assert "djl-inference:0.25.0-neuronx-sdk2.15.0; see docs/image.md" in result.output
    assert aws.open_runs() == []


def test_json_holds_every_parameter_of_every_call() -> None:
    result = run("launch", "--json")
    calls = json.loads(result.stdout)
    assert [call["operation"] for call in calls][8] == "run_instances"
    assert calls[8]["parameters"]["UserData"].startswith("#!/bin/bash")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("launch", "--confirm"), "lane='inf2'"),
        (("launch", "--hours", "100"), "hours=100"),
        (("launch", "--region", "us-west-1"), "not offered"),
        (("launch", "--instance", "trn1.2xlarge"), "trn1.2xlarge in us-east-2: not offered"),
        (("extend", "--hours", "1"), "open runs: none"),
        (("sweep", "--run", "x"), "--region"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_one_sentence_and_code_2(words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_without_credentials_the_inf2_lane_says_who_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in played_aws.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    result = run(*LAUNCH)
    assert result.exit_code == 2
    assert "no credentials" in result.stderr
    assert "Traceback" not in result.output


def test_a_sweep_is_code_1_while_something_is_left_and_0_when_nothing_is(
    played: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("sweep").exit_code == 0
    assert "dry run" in run(*LAUNCH).stdout
    launched = run(*LAUNCH, "--confirm")
    assert launched.exit_code == 0, launched.output
    assert "AWS-StartPortForwardingSession" in launched.stdout
    (open_run,) = aws.open_runs()
    import boto3

    ec2 = boto3.client("ec2", region_name="us-east-2")
    ec2.modify_instance_attribute(InstanceId=open_run.instance_id, DisableApiTermination={"Value": True})
    left = run("sweep")
    assert left.exit_code == 1
    assert f"left: instance {open_run.instance_id}" in left.stdout
    assert "USD/h: sweep again" in left.stdout
    ec2.modify_instance_attribute(InstanceId=open_run.instance_id, DisableApiTermination={"Value": False})
    swept = run("sweep")
    assert (swept.exit_code, swept.stdout.splitlines()[-1]) == (0, "nothing is left, nothing bills: 0 USD/h")


def test_a_sweep_is_code_1_while_a_record_cannot_be_read(played: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inf2lab.aws.sweeper.known_regions", lambda: ("us-east-2",))
    path = aws.Run("20261128-1", "us-east-2").write().path
    path.write_text("{")
    swept = run("sweep")
    assert swept.exit_code == 1, swept.output
    assert "20261128-1.json cannot be read" in swept.stdout
    extended = run("extend", "--hours", "1")
    assert (extended.exit_code, extended.stderr.count("\n")) == (2, 1)
    path.unlink()
    assert run("sweep").exit_code == 0


def test_extend_names_the_new_end(played: None) -> None:
    run(*LAUNCH, "--confirm")
    (before,) = aws.open_runs()
    result = run("extend", "--hours", "2", "--run", before.id)
    assert result.exit_code == 0, result.output
    (after,) = aws.open_runs()
    assert f"run {after.id} ends at {after.deadline}" in result.stdout
    assert after.deadline > before.deadline
    assert run("sweep").exit_code == 0
