"""Two servers of one clone share the played instance: each NeuronCore belongs to one process, as on a real one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inf2lab import ModelFolder, Server, Settings, drills
from inf2lab.errors import LoadFailed, ServerError
from inf2lab.serving import stop_everything

if TYPE_CHECKING:
    from conftest import WriteFolder

# Owns what it was given, as a model does when it is put on the chip.
OWNER = """\
from djl_python import Input, Output
from emulated_neuron.cores import own_cores
from emulated_neuron.environment import read_environment


def handle(inputs: Input):
    if inputs.is_empty():
        own_cores(read_environment())
        return None
    return Output().add("mine")
"""


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    stop_everything(patience_s=5)


@pytest.fixture
def owner(write_folder: WriteFolder) -> ModelFolder:
    """A model folder whose worker owns its two cores."""
    return write_folder("owner", {"engine": "Python", "option.tensor_parallel_degree": 2}, handler=OWNER)


def start(settings: Settings, folder: ModelFolder) -> str:
    """Start without printing, wait, and return the model's answer."""
    return Server.start(settings, folder.path, report=lambda _: None).endpoint.send({}).text


def test_a_second_server_on_the_same_cores_does_not_load_until_the_first_ends(
    owner: ModelFolder, free_port: int
) -> None:
    first, second = Settings(port=free_port), Settings(port=free_port + 1)
    assert start(first, owner) == "mine"
    with pytest.raises(LoadFailed, match=r"NeuronCore\(s\) not available - Requested:nc0-nc1 Available:0"):
        start(second, owner)
    (found, *_) = drills.explain(Server.of(second).log_path.read_text())
    assert found.name == "cores-taken"
    process = Server.of(first).process()
    assert process is not None
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert start(second, owner) == "mine"


@pytest.mark.thorough
def test_a_server_beside_another_has_the_next_device(owner: ModelFolder, free_port: int) -> None:
    first = Settings(port=free_port)
    assert [start(settings, owner) for settings in (first, first.beside())] == ["mine", "mine"]
    assert any("Set NEURON_RT_VISIBLE_CORES=0-1" in line for line in Server.of(first.beside()).logs(100))


@pytest.mark.thorough
def test_another_machine_has_cores_of_its_own(owner: ModelFolder, free_port: int) -> None:
    first = Settings(port=free_port)
    other = replace(first, port=free_port + 1, machine="elsewhere")
    assert [start(settings, owner) for settings in (first, other)] == ["mine", "mine"]


def test_what_is_beside_is_the_next_port_and_the_next_free_device() -> None:
    settings = Settings(port=9000, tensor_parallel_degree=8)
    assert settings.beside() == replace(settings, port=9001, first_device=4)
    assert settings.beside().beside() == replace(settings, port=9002, first_device=8)
    assert settings.beside().beside().beside() == replace(settings, port=9003, machine="beside")
    large = replace(settings, copies=2)  # eight devices of twelve: four are left
    assert large.beside() == replace(large, port=9001, machine="beside")
    small = Settings(instance="inf2.xlarge")
    assert small.beside() == replace(small, port=8081, machine="beside")


@pytest.mark.parametrize(
    ("degree", "place"), [(2, {"first_device": 1}), (8, {"first_device": 4}), (24, {"machine": "beside"})]
)
def test_what_is_beside_a_server_leaves_it_the_devices_that_its_folder_takes(
    write_folder: WriteFolder, degree: int, place: dict[str, Any]
) -> None:
    """Notebooks 06 and 07 know the server that runs, and not the degree of its folder."""
    folder = write_folder("wide", {"engine": "Python", "option.tensor_parallel_degree": degree}, handler=OWNER)
    settings = Settings(port=9000)
    assert Server.of(settings, folder.path).beside() == replace(settings, port=9001, **place)


def test_the_server_is_told_of_the_cores_from_its_first_device_on(owner: ModelFolder, logs: Path) -> None:
    server = Server.of(Settings(first_device=10), owner.path)
    environment, words = server.environment(), server.command()
    assert environment["REHEARSAL_INSTANCE"] == str(logs / "state" / "inf2.48xlarge.cores")
    assert environment["REHEARSAL_NEURON_FIRST_CORE"] == "20"
    assert words[words.index("--neuron-cores") + 1] == "4"
    with pytest.raises(ServerError, match=r"needs 6 NeuronCores, and .* has 4 from device 10 on"):
        Server.of(Settings(first_device=10, copies=3), owner.path).needs.check()


def test_on_the_chip_a_container_beside_another_has_its_devices(owner: ModelFolder) -> None:
    server = Server.of(Settings(lane="inf2").beside(), owner.path)
    words = server.command()
    assert words[words.index("--device") + 1].endswith("/neuron1:/dev/neuron0")
    assert words[words.index("--name") + 1] == "inf2lab-owner-neuron1"
