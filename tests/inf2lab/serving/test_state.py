"""inf2lab.serving's state files: a server is found again, and never a process that only has its number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

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
