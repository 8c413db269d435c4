"""The server beside a replica, without Ray: started with the replica's cores, watched, stopped, or only attached to."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest
import requests

from inf2lab import Settings
from inf2lab.errors import LoadFailed, ServerError
from inf2lab.scale.ray import server
from inf2lab.scale.ray.bench.light_folder import light_folder
from inf2lab.scale.ray.environment import hold_port
from inf2lab.scale.ray.spec import RaySpec
from inf2lab.serving.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import WriteFolder


@pytest.fixture
def spec(tmp_path: Path) -> RaySpec:
    import sys

    return RaySpec.of(Settings(), light_folder(at=tmp_path / "light"), python=sys.executable, scratch=str(tmp_path))


@pytest.fixture
def beside(spec: RaySpec) -> Iterator[server.Beside]:
    started = server.begin(spec)
    yield started
    started.stop()


def test_the_server_emulates_the_replicas_cores_and_no_more(spec: RaySpec) -> None:
    command, environment, log = server.command_of(spec, 9000)
    assert command[:3] == [spec.python, "-m", "rehearsal.server"]
    assert command[command.index("--neuron-cores") + 1] == "8"
    assert command[command.index("--port") + 1] == "9000"
    assert environment["PREDICT_TIMEOUT"] == "360"
    assert log.name == "console.log"


def test_it_answers_and_stops_with_all_that_it_started(beside: server.Beside) -> None:
    assert beside.answers()
    answer = requests.post(f"{beside.url}/predictions/light", json={"text": ["a"]}, timeout=30)
    assert answer.json() == {"outputs": ["a"]}
    family = psutil.Process(beside.process.pid).children(recursive=True)
    assert family
    beside.stop()
    assert psutil.wait_procs(family, timeout=60)[1] == []
    assert not beside.answers()
    assert not beside.scratch.exists()


def test_the_watcher_notices_a_killed_server_at_once(beside: server.Beside) -> None:
    ended = threading.Event()
    beside.watch(ended.set)
    assert not ended.wait(0.2)
    beside.process.kill()
    assert ended.wait(60)


@pytest.mark.thorough
def test_the_watcher_says_nothing_of_a_stop_on_purpose(beside: server.Beside) -> None:
    ended = threading.Event()
    beside.watch(ended.set)
    beside.stop()
    assert not ended.wait(1)


def test_a_server_of_somebody_else_is_attached_to_and_left_alone(beside: server.Beside, spec: RaySpec) -> None:
    ended = threading.Event()
    attached = server.begin(replace(spec, url=beside.url + "/"))
    assert attached.process is None
    attached.watch(ended.set)
    attached.stop()
    assert beside.answers()
    assert not ended.wait(0.8)


def test_the_end_of_somebody_elses_server_is_noticed(beside: server.Beside, spec: RaySpec) -> None:
    ended = threading.Event()
    server.begin(replace(spec, url=beside.url)).watch(ended.set)
    beside.stop()
    assert ended.wait(60)


def test_a_folder_that_does_not_load_says_why(write_folder: WriteFolder, spec: RaySpec) -> None:
    folder = write_folder("bad", {"engine": "Python"}, handler="raise KeyError('fp16')\n")
    with pytest.raises(LoadFailed, match="bad did not load"):
        server.begin(replace(spec, folder=str(folder.path), model="bad"))


@pytest.mark.thorough
def test_a_port_that_a_neighbour_was_given_is_asked_for_again(spec: RaySpec, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        ports = iter([neighbour.getsockname()[1], free_port()])
        monkeypatch.setattr(server, "free_port", lambda: next(ports))
        started = server.begin(spec)
        try:
            assert started.answers()
        finally:
            started.stop()
    assert next(ports, None) is None


def test_a_held_port_is_nobodys_but_the_proxys() -> None:
    with hold_port() as held:
        address = held.getsockname()
        with pytest.raises(OSError, match="in use"), socket.create_server(address):
            pass
        with socket.create_server(address, reuse_port=True) as proxy, socket.create_connection(address):
            proxy.accept()[0].close()


@pytest.mark.parametrize("visible", ["", "1,2,3,4", "0,1,2", "0,1,4,5"])
def test_cores_that_are_no_whole_devices_side_by_side_are_refused(visible: str) -> None:
    with pytest.raises(ServerError, match=r"NEURON_RT_VISIBLE_CORES=.*whole devices of 2 NeuronCores"):
        server.first_device(visible, 2)
