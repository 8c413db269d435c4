"""inf2lab.catalog's table of troubles: each row has all its parts, and a pattern that finds the row's own words."""

from __future__ import annotations

import re

import pytest

from inf2lab import catalog
from inf2lab.catalog.facts import Trouble
from inf2lab.errors import SettingsError


def refusal(runtime: int, driver: str) -> str:
    """What nrt_init says of a runtime's id and a driver's range, as aws-neuron-sdk's issue 655 quotes it."""
    return (
        f"ERROR NRT:nrt_init This Neuron Runtime (compatibility id: {runtime}) is not compatible with the installed "
        "aws-neuron-dkms package.\n2023-Apr-21 11:17:54.0589 8816:8816 ERROR NRT:nrt_init "
        f"Installed aws-neuron-dkms supports Runtime compatibility id range: {driver}.\n"
    )


ROWS = list(catalog.troubles().values())
# What the row's pattern must find, as the sources quote it; nothing where no line tells.
LINES = {
    "no-device-file": 'error gathering device information while adding custom device "/dev/neuron0": no such file',
    "devices-not-mapped": "RuntimeError: No neuron device available",
    "devices-not-contiguous": "ERROR NRT:nrt_init Could not open the nd1",
    "cores-taken": "ERROR TDRV NeuronCore(s) not available - Requested:nc2 Available:0",
    "driver-too-old": "This runtime requires Neuron Driver version 2.10 or greater.",
    "driver-too-new": refusal(6, "7 - 9"),
    "devices-below-degree": "EngineException: Neuron devices are not enough to run 8 partitions. Please refer to",
    "host-memory": "neuronx-cc failed with -9",
    "graph-too-large": "Too many instructions after unroll for function sg0000",
    "device-memory": "ERROR TDRV:log_dev_mem neuron:mc_alloc: device mempool [0:0] total occupied 12 GB, available",
    "load-timeout": "ERROR ModelServer Failed register workflow\n"
    "Caused by: ai.djl.engine.EngineException: java.util.concurrent.TimeoutException",
    "predict-timeout": "WARN  PyProcess predict[init=false] exception: java.util.concurrent.TimeoutException",
    "log-folder": "FileNotFoundException: logs/serving.log (Permission denied)",
    "docker-socket": "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
    "disk-full": "OSError: [Errno 28] No space left on device",
    "entry-point": "ModuleNotFoundError: No module named 'djl_python.transformers-neuronx'",
    "metadata-out-of-reach": '"workerGroups": [{"device": {"deviceType": "cpu", "deviceId": -1}}]',
    "model-name-in-url": '"message": "Model or workflow not found: opt-13b"',
    "sagemaker-ping": "The primary container for production variant AllTraffic did not pass the ping health check.",
    "no-quota-or-capacity": "An error occurred (VcpuLimitExceeded) when calling the RunInstances operation",
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_says_symptom_cause_fix_and_source(row: Trouble) -> None:
    assert all(len(text) > 8 for text in (row.symptom, row.cause, row.fix, row.source))
    assert re.fullmatch(r"[a-z-]+", row.id)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_pattern_finds_the_line_and_no_other_rows_line(row: Trouble) -> None:
    pattern = re.compile(row.pattern, re.MULTILINE)
    assert bool(pattern.search(LINES.get(row.id, ""))) == (row.id in LINES)
    assert [name for name, line in LINES.items() if name != row.id and pattern.search(line)] == []


def test_a_log_leads_to_its_row_and_a_clean_one_to_none() -> None:
    found = catalog.recognise("INFO  one line\nOSError: [Errno 28] No space left on device\n")
    assert found == catalog.trouble("disk-full")
    assert catalog.recognise("INFO  PyProcess Model [opt13b] initialized.") is None


@pytest.mark.parametrize(
    ("driver", "row"), [("2 - 4", "driver-too-old"), ("7 - 9", "driver-too-new"), ("10 - 12", "driver-too-new")]
)
def test_the_runtimes_own_words_tell_a_driver_too_old_from_one_too_new(driver: str, row: str) -> None:
    """The pattern missed the real message, and updating a driver that is too new makes it worse."""
    found = catalog.recognise(refusal(6, driver))
    assert found == catalog.trouble(row)


def test_no_advice_on_a_driver_asks_for_the_newest_there_is() -> None:
    for row in (catalog.trouble("driver-too-old"), catalog.trouble("driver-too-new")):
        assert not re.search(r"Update the driver|to the latest|upgrade to", row.fix)
    assert "makes it worse" in catalog.trouble("driver-too-new").fix


def test_there_are_twenty_one_rows_and_an_unknown_one_is_refused_with_the_names() -> None:
    assert len(ROWS) == 21
    assert catalog.trouble("disk-full").symptom.startswith("no space left")
    with pytest.raises(SettingsError, match="not in the catalog; use one of no-device-file"):
        catalog.trouble("nothing")
