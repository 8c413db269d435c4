"""inf2lab.serving.Server: the lane's server for a folder, found by its state or not at all; nothing is started here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from inf2lab import Server, Settings
from inf2lab.errors import ServerError
from inf2lab.serving import all_servers, stop_everything
from inf2lab.serving.container import ContainerServer
from inf2lab.serving.processes import MARK, owner
from inf2lab.serving.rehearsal import RehearsalServer
from inf2lab.serving.state import ServerState

if TYPE_CHECKING:
    from conftest import StartProcess


@pytest.fixture
def state(tmp_path: Path, free_port: int) -> ServerState:
    """The state of a server that has ended."""
    return ServerState(
        pid=2**22 + 1,  # above what Linux hands out
        created=0,
        port=free_port,
        lane="rehearsal",
        profile="djl-0.25",
        instance="inf2.48xlarge",
        folder=str(tmp_path / "opt13b"),
        scratch=str(tmp_path / "scratch"),
        started="2026-11-23T05:11:04+00:00",
    )


def test_the_lane_chooses_the_kind_and_the_name_the_folder(clone: Path) -> None:
    rehearsal = Server.of(Settings())
    assert isinstance(rehearsal, RehearsalServer)
    assert isinstance(Server.of(Settings(lane="inf2")), ContainerServer)
    assert rehearsal.folder.path == clone / "models" / "opt13b"
    assert rehearsal.endpoint.url == "http://127.0.0.1:8080/predictions/opt13b"


def test_a_folder_of_ones_own_is_taken_from_where_one_stands(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone / "models")
    assert Server.of(Settings(), "mine").folder.path == clone / "models" / "mine"


def test_the_rehearsal_emulates_the_instance_and_writes_its_own_log(clone: Path, logs: Path) -> None:
    server = Server.of(Settings(port=8081, instance="inf2.24xlarge"))
    words = server.command()
    assert words[1:3] == ["-m", "rehearsal.server"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options["--neuron-cores"] == "12"
    assert options["--djl-version"] == "0.25.0"
    assert (options["--host"], options["--port"]) == ("127.0.0.1", "8081")
    assert options["--model-store"] == str(clone / "models" / "opt13b")
    assert server.log_path == logs / "server-8081" / "console.log"
    assert server.logs() == []


def test_the_last_lines_of_a_log_are_given(logs: Path) -> None:
    server = Server.of(Settings())
    server.log_path.parent.mkdir(parents=True)
    server.log_path.write_text("".join(f"line {number}\n" for number in range(30)))
    assert len(server.logs()) == 20
    assert server.logs(2) == ["line 28", "line 29"]


def test_a_server_that_has_ended_is_on_record_and_not_running(state: ServerState) -> None:
    state.write()
    (server,) = all_servers()
    assert not server.exists()
    status = server.status()
    assert (status.state, status.detail) == ("failed", "it left no log")
    with pytest.raises(ServerError, match="inf2lab serve models/opt13b"):
        Server.running(Settings(port=state.port))
    assert server.stop() is False
    assert all_servers() == []


def test_what_was_never_started_is_stopped(free_port: int) -> None:
    server = Server.of(Settings(port=free_port))
    assert server.status().state == "stopped"
    assert str(free_port) in server.status().detail
    assert not server.exists()
    assert server.stop() is False


def test_the_rehearsal_does_not_forget_a_container_on_its_port(state: ServerState) -> None:
    replace(state, lane="inf2", container="51f0").write()
    assert Server.of(Settings(port=state.port)).stop() is False
    assert state.path.exists()
    state.path.unlink()


def test_in_the_chips_lane_a_container_must_run_as_well(clone: Path, free_port: int) -> None:
    with pytest.raises(ServerError, match=f"no server of this lab runs on port {free_port}"):
        Server.running(Settings(lane="inf2", port=free_port))


def test_stopping_never_ends_a_process_that_got_the_servers_number(
    state: ServerState, start_process: StartProcess
) -> None:
    stranger = start_process()
    replace(state, pid=stranger.pid, created=stranger.create_time() - 100).write()
    assert stop_everything() == 0
    assert stranger.is_running()
    assert stranger.status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("change", [{"profile": "djl-9.9"}, {"instance": "inf9"}, {"lane": "moon"}])
def test_a_state_of_another_version_of_the_lab_does_not_stop_the_stopping(
    state: ServerState, start_process: StartProcess, change: dict[str, str]
) -> None:
    process = start_process(environment={MARK: owner()})
    replace(state, pid=process.pid, created=process.create_time(), **change).write()
    assert stop_everything() == 1
    assert not process.is_running()
    assert not state.path.exists()
