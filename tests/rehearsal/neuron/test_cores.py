"""A NeuronCore belongs to one process until that ends: real processes on one emulated instance."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from emulated_neuron import cores
from emulated_neuron.environment import RehearsalSettingError, read_environment
from transformers import PreTrainedModel

ROOT = Path(__file__).resolve().parents[3]
PROCESS = """
import sys
from emulated_neuron import cores
from emulated_neuron.environment import RehearsalSettingError, read_environment
from emulated_neuron.environment import read_environment
cores.PATIENCE_S = 0
try:
    owned = cores.own_cores(read_environment())
    print("owns", owned.start, owned.stop - 1, flush=True)
except RuntimeError as error:
    print(error, flush=True)
sys.stdin.readline()
"""

Claim = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def claim(tmp_path: Path) -> Iterator[Claim]:
    """Starts a process that asks for cores of this test's instance, and returns it with what it said."""
    started: list[subprocess.Popen[str]] = []

    def start(**variables: str) -> tuple[subprocess.Popen[str], str]:
        path = os.pathsep.join(str(ROOT / folder) for folder in ("lib/rehearsal/neuron", "lib"))
        own = {"REHEARSAL_INSTANCE": str(tmp_path / "instance"), "PYTHONPATH": path}
        process = subprocess.Popen(
            [sys.executable, "-c", PROCESS],
            env=os.environ | own | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_cores_that_nobody_owns_are_had_side_by_side(claim: Claim) -> None:
    assert claim(NEURON_RT_VISIBLE_CORES="0-1")[1] == "owns 0 1"
    assert claim(NEURON_RT_VISIBLE_CORES="2-3")[1] == "owns 2 3"


@pytest.mark.parametrize(("asked", "words"), [("0-1", "nc0-nc1 Available:0"), ("1-2", "nc1-nc2 Available:1")])
def test_overlapping_cores_are_refused_in_the_runtimes_words(claim: Claim, asked: str, words: str) -> None:
    first, _ = claim(NEURON_RT_VISIBLE_CORES="0-1")
    said = claim(NEURON_RT_VISIBLE_CORES=asked)[1]
    assert said.startswith("The PyTorch Neuron Runtime could not be initialized.")
    assert f"NeuronCore(s) not available - Requested:{words}: they belong to process {first.pid}." in said
    assert claim(NEURON_RT_VISIBLE_CORES="2")[1] == "owns 2 2", "who was refused holds nothing"


def test_a_killed_process_gives_its_cores_back(claim: Claim) -> None:
    first, _ = claim(NEURON_RT_VISIBLE_CORES="0-1")
    first.kill()
    first.wait()
    assert claim(NEURON_RT_VISIBLE_CORES="0-1")[1] == "owns 0 1"


def test_who_names_no_cores_takes_all(claim: Claim) -> None:
    assert claim(REHEARSAL_NEURON_CORES="4")[1] == "owns 0 3"
    assert "Requested:4 Available:0" in claim(REHEARSAL_NEURON_CORES="4")[1]


def test_a_number_of_cores_is_found_among_the_free_ones(claim: Claim) -> None:
    claim(NEURON_RT_VISIBLE_CORES="1")
    assert claim(NEURON_RT_NUM_CORES="2", REHEARSAL_NEURON_CORES="4")[1] == "owns 2 3"
    assert "Requested:2 Available:1" in claim(NEURON_RT_NUM_CORES="2", REHEARSAL_NEURON_CORES="4")[1]


def test_a_container_counts_its_cores_from_nought(claim: Claim) -> None:
    """Two containers on devices of their own both call their cores 0-1; on the same device the second is refused."""
    second_device = {"NEURON_RT_VISIBLE_CORES": "0-1", "REHEARSAL_NEURON_FIRST_CORE": "2"}
    assert claim(NEURON_RT_VISIBLE_CORES="0-1")[1] == "owns 0 1"
    assert claim(**second_device)[1] == "owns 0 1"
    assert "Requested:nc0-nc1 Available:0" in claim(**second_device)[1]


def test_another_instance_has_cores_of_its_own(claim: Claim, tmp_path: Path) -> None:
    assert claim(NEURON_RT_VISIBLE_CORES="0-1")[1] == "owns 0 1"
    assert claim(NEURON_RT_VISIBLE_CORES="0-1", REHEARSAL_INSTANCE=str(tmp_path / "other"))[1] == "owns 0 1"


def test_a_model_is_refused_the_cores_of_another_process_and_may_share_its_own(
    claim: Claim,
    opt_reference: PreTrainedModel,
    load: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    owner, _ = claim(NEURON_RT_VISIBLE_CORES="4-5")
    monkeypatch.setattr(cores, "PATIENCE_S", 0)
    monkeypatch.setenv("REHEARSAL_INSTANCE", str(tmp_path / "instance"))
    monkeypatch.setenv("NEURON_RT_VISIBLE_CORES", "4-5")
    with pytest.raises(RuntimeError, match=f"belong to process {owner.pid}"):
        load(opt_reference)
    assert "NRT:nrt_allocate_neuron_cores" in caplog.text
    monkeypatch.setenv("NEURON_RT_VISIBLE_CORES", "6-7")
    assert [load(opt_reference).rehearsal_report().cores for _ in range(2)] == [(6, 7), (6, 7)]
    assert "Available:0" in claim(NEURON_RT_VISIBLE_CORES="6-7")[1]


def test_an_instance_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(RehearsalSettingError, match=r"REHEARSAL_INSTANCE=.*nowhere.*name a file"):
        cores.own_cores(read_environment({"REHEARSAL_INSTANCE": str(tmp_path / "nowhere" / "x")}))
