"""inf2lab.serving's state files: a server is found again, and never a process that only has its number."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from inf2lab import Server, Settings
from inf2lab.serving import all_servers, processes, stop_everything
from inf2lab.serving.state import ServerState, all_states, read_state, state_path

if TYPE_CHECKING:
    from conftest import StartProcess


def state_of(process: psutil.Process, port: int = 8080) -> ServerState:
    """The state of a server that `process` plays."""
    return ServerState(
        pid=process.pid,
        created=process.create_time(),
        port=port,
        lane="rehearsal",
        profile="djl-0.25",
        instance="inf2.48xlarge",
        folder="/models/opt13b",
        scratch="/nowhere",
        started="2026-11-23T05:11:04+00:00",
    )


@pytest.fixture
def state() -> ServerState:
    """A state whose process is this one."""
    return state_of(psutil.Process())


def test_what_is_written_is_read_back(state: ServerState, logs: Path) -> None:
    state.write()
    assert state.path == logs / "state" / "server-8080.json"
    assert read_state(state_path(8080)) == state
    assert [path.name for path in state.path.parent.iterdir()] == ["server-8080.json"]


def test_the_same_process_is_found(state: ServerState) -> None:
    found = state.process()
    assert found is not None
    assert found.pid == state.pid


def test_a_later_process_with_the_same_number_is_not_the_server(state: ServerState) -> None:
    assert replace(state, created=state.created - 100).process() is None


def test_a_process_that_ended_is_not_found(start_process: StartProcess) -> None:
    process = start_process()
    state = state_of(process)
    assert state.process() is not None
    process.kill()
    process.wait()
    assert state.process() is None


def test_a_zombie_is_not_found(start_process: StartProcess) -> None:
    process = start_process()
    state = state_of(process)
    process.send_signal(9)
    while process.status() != psutil.STATUS_ZOMBIE:
        pass
    assert state.process() is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"pid": 1}', '{"unknown": 1}', "\x00\xff"],
    ids=["empty", "cut off", "list", "null", "incomplete", "another version's", "rubbish"],
)
def test_a_file_that_nobody_can_read_is_no_state_and_is_removed(text: str, state: ServerState) -> None:
    state.write()
    path = state_path(8081)
    path.write_bytes(text.encode("latin-1"))
    assert read_state(path) is None
    assert all_states() == [state]
    assert not path.exists()


def test_states_come_by_port_and_are_none_before_the_first_start(state: ServerState) -> None:
    assert all_states() == []
    for port in (10000, 8080, 9000):
        replace(state, port=port).write()
    assert [found.port for found in all_states()] == [8080, 9000, 10000]


def test_removing_takes_only_the_file_that_is_still_this_servers(state: ServerState) -> None:
    later = replace(state, started="2026-11-23T06:00:00+00:00")
    later.write()
    state.remove()
    assert read_state(later.path) == later
    later.remove()
    assert not later.path.exists()
    later.remove()


@pytest.mark.parametrize(
    "change",
    [
        *({"pid": value} for value in ("1", -1, 0, 1.5, True, [], 2**70)),
        *({"created": value} for value in ("now", [], True, 10**400, 1e300)),
        *({"port": value} for value in ("8080", None, 0, -1, 2**40, 8081)),
        *({"folder": value} for value in (5, None, [], "\0")),
        *({"scratch": value} for value in (5, None, ["/"])),
        *({name: {}} for name in ("lane", "profile", "instance", "started", "server", "container", "copies", "birth")),
        {"copies": 0},
        {"server": "another"},
        {"folder": "n" * 5000},
        {"first_device": -1},
    ],
    ids=lambda change: repr(change)[:40],
)
def test_an_odd_state_stops_neither_status_nor_stop(
    change: dict[str, object], state: ServerState, start_process: StartProcess
) -> None:
    """One such file ended both in a traceback, so that nothing else was stopped either."""
    other = start_process(environment={processes.MARK: processes.owner()})
    state_of(other, 8090).write()
    state.write()
    state.path.write_text(json.dumps(asdict(state_of(other)) | change))
    assert [server.settings.port for server in all_servers() if server.status()][-1] == 8090
    assert stop_everything(patience_s=5) == 1
    assert processes.has_ended(other)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"pid": ' + "9" * 5000 + "}"], ids=["deep", "huge"])
def test_a_state_that_nothing_can_read_is_none(text: str) -> None:
    path = state_path(8080)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    state_path(8081).mkdir()
    assert all_states() == []


def scratch(*, prefix: str = "inf2lab-", place: Path | None = None, mode: int = 0o700) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    folder.chmod(mode)
    (folder / "file").write_text("")
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Folders that a state may name: only the first is a server's."""
    link = Path(tempfile.mktemp(prefix="inf2lab-"))
    made = {
        "ours": scratch(),
        "another name": scratch(prefix="mine-"),
        "elsewhere": scratch(place=tmp_path),
        "everybody's": scratch(mode=0o755),
        "a link": link,
        "the temporary folder": Path(tempfile.gettempdir()),
    }
    link.symlink_to(made["elsewhere"])
    yield made
    link.unlink()
    for name in ("another name", "everybody's"):
        (made[name] / "file").unlink()
        made[name].rmdir()


@pytest.mark.parametrize("name", ["ours", "another name", "elsewhere", "everybody's", "a link", "the temporary folder"])
def test_stopping_removes_a_servers_own_folder_and_no_other(
    name: str, state: ServerState, folders: dict[str, Path]
) -> None:
    """It removed whatever folder the state named."""
    replace(state, pid=2**22 + 1, scratch=str(folders[name])).write()
    stop_everything(patience_s=1)
    assert folders["ours"].exists() == (name != "ours")
    assert all(folder.exists() for other, folder in folders.items() if other != "ours")
    assert all_states() == []
    processes.remove_scratch(str(folders["ours"]))


def test_a_clock_that_was_set_loses_no_server(start_process: StartProcess) -> None:
    """A step of three seconds, as after sleep, was taken for the process's end."""
    process = start_process(environment={processes.MARK: processes.owner()})
    stepped = replace(state_of(process), created=process.create_time() - 3)
    assert replace(stepped, birth=processes.birth(process.pid)).process() == process
    assert stepped.process() == process, "where the system names no birth, by the mark"
    assert replace(stepped, birth="another boot 1").process() is None


def test_births_differ_and_are_told_again(start_process: StartProcess) -> None:
    first, second = start_process(), start_process()
    assert processes.birth(first.pid) == processes.birth(first.pid) != processes.birth(second.pid)
    assert processes.birth(2**22 + 1) == ""


def test_a_server_that_is_held_is_neither_loading_nor_slow_to_stop(start_process: StartProcess) -> None:
    process = start_process(environment={processes.MARK: processes.owner()})
    state_of(process).write()
    process.send_signal(signal.SIGSTOP)
    while process.status() != psutil.STATUS_STOPPED:
        pass
    status = Server.of(Settings()).status()
    assert (status.state, f"kill -CONT {process.pid}" in status.detail) == ("failed", True)
    assert stop_everything(patience_s=600) == 1, "a kill would come after the test's own time"
    assert processes.has_ended(process)


def test_what_killed_servers_left_goes_after_a_day_and_nothing_else_does(
    start_process: StartProcess, tmp_path: Path
) -> None:
    used, abandoned, recent = (Path(processes.make_scratch()) for _ in range(3))
    unnoted = scratch()
    start_process(environment={"TMPDIR": str(used)})
    half = state_path(8080).with_name(".server-8080.json.0123abcd")
    half.parent.mkdir(parents=True)
    half.write_text("")
    new = half.with_name(".server-8081.json.0123abcd")
    new.write_text("")
    for path in (used, abandoned, unnoted, half):
        os.utime(path, (0, 0))
    stop_everything(patience_s=1)
    left = {path: path.exists() for path in (used, abandoned, recent, unnoted, half, new)}
    assert left == {used: True, abandoned: False, recent: True, unnoted: True, half: False, new: True}
    for folder in (used, recent, unnoted):
        processes.remove_scratch(str(folder))
