"""inf2lab.doctor's reading of neuron-ls: documents in every shape that its releases print."""

from __future__ import annotations

from pathlib import Path

import pytest

from inf2lab.doctor.neuron_ls import NeuronDevice, NeuronProcess, parse_neuron_ls
from inf2lab.errors import LabError
from neuron_rules import GIB

DOCUMENTS = Path(__file__).parent / "neuron_ls"


def read(name: str) -> tuple[NeuronDevice, ...]:
    """What the parser makes of a document."""
    return parse_neuron_ls((DOCUMENTS / f"{name}.json").read_text())


def test_twelve_devices_are_a_ring() -> None:
    devices = read("inf2.48xlarge")
    assert [device.number for device in devices] == list(range(12))
    assert {device.cores for device in devices} == {2}
    assert sum(device.memory for device in devices) == 384 * GIB
    assert set(devices[0].connected_to) == {11, 1}


def test_a_single_device_is_joined_to_nothing() -> None:
    assert read("inf2.xlarge") == (NeuronDevice(0, 2, 32 * GIB, (), ()),)


def test_an_older_tool_without_core_ids_is_read() -> None:
    assert [device.number for device in read("old_tools")] == list(range(6))


def test_logical_cores_of_a_later_chip_are_counted_as_printed() -> None:
    assert read("logical_cores")[0].cores == 4


def test_processes_are_named() -> None:
    (device,) = read("busy")
    assert device.processes == (NeuronProcess(4242, "python3 djl_python_engine.py"),)


@pytest.mark.parametrize(
    "text", ["", "no", "[1]", "{}x", '{"a": 1}', '[{"neuron_device": 0}]', '[{"neuron_device": "x"}]', "null"]
)
def test_anything_else_is_one_sentence(text: str) -> None:
    with pytest.raises(LabError, match="neuron-ls printed no list of devices") as caught:
        parse_neuron_ls(text)
    assert "\n" not in str(caught.value)
