"""inf2lab.serving.Server: the lane's server for a folder, found by its state or not at all; nothing is started here."""

from __future__ import annotations

import json
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from inf2lab import Server, Settings
from inf2lab.errors import LoadFailed, ServerError
from inf2lab.serving import all_servers, stop_everything
from inf2lab.serving.container import ContainerServer
from inf2lab.serving.local import LocalServer
from inf2lab.serving.processes import MARK, owner
from inf2lab.serving.rehearsal import RehearsalServer
from inf2lab.serving.state import ServerState

if TYPE_CHECKING:
    from conftest import Listen, StartProcess


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


class Described(BaseHTTPRequestHandler):
    """A server that describes a ready model, as another clone's does on the same port."""

    def do_GET(self) -> None:
        device = {"deviceType": "nc", "deviceId": 0}
        groups = [{"device": device, "workers": [{"id": 1, "status": "READY"}]}]
        body = json.dumps([{"models": [{"workerGroups": groups}]}]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_ready_is_only_who_listens_himself(
    state: ServerState, start_process: StartProcess, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clones on one port: the slower one was called ready while the other's server answered."""
    port = listen(Described).server_address[1]
    process = start_process(environment={MARK: owner()})
    replace(state, pid=process.pid, created=process.create_time(), port=port).write()
    server = Server.of(Settings(port=port), state.folder)
    status = server.status()
    assert (status.state, f"(process {psutil.Process().pid}), not by this one" in status.detail) == ("loading", True)
    monkeypatch.setattr("inf2lab.serving.local.ServerState.process", lambda self: psutil.Process())
    assert server.status().state == "ready"


def test_a_start_that_another_one_took_the_port_from_has_failed(
    state: ServerState, start_process: StartProcess
) -> None:
    """Five at once of one clone all said that they were ready, by the one server that was left."""
    process = start_process(environment={MARK: owner()})
    first = replace(state, pid=process.pid, created=process.create_time())
    first.write()
    server = Server.of(Settings(port=state.port), state.folder)
    assert isinstance(server, LocalServer)
    server._own = first
    assert server.status().state == "loading"
    replace(first, started="2026-11-28T20:00:00+00:00").write()
    assert (server.status().state, "given to another start" in server.status().detail) == ("failed", True)
    with pytest.raises(LoadFailed, match="another start"):
        server.wait_ready(report=lambda line: None)
    stop_everything(patience_s=5)


def test_a_start_empties_the_logs_of_a_server_and_no_other_folder(state: ServerState, clone: Path) -> None:
    server = Server.of(Settings(port=state.port), state.folder)
    server.clear_logs()
    server.log_folder.mkdir(parents=True)
    mine = server.log_folder / "thesis.tex"
    mine.write_text("")
    with pytest.raises(ServerError, match="a start would empty it"):
        server.clear_logs()
    assert mine.exists()
    (server.log_folder / "console.log").write_text("")
    server.clear_logs()
    assert not server.log_folder.exists()


def test_one_state_that_cannot_be_removed_keeps_no_other_server_running(
    state: ServerState, start_process: StartProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start_process(environment={MARK: owner()})
    state.write()
    replace(state, pid=process.pid, created=process.create_time(), port=state.port + 1).write()

    def refuse(self: ServerState) -> None:
        raise ServerError("read-only")

    monkeypatch.setattr(ServerState, "remove", refuse)
    with pytest.raises(ServerError, match="read-only"):
        stop_everything(patience_s=5)
    assert not process.is_running()
