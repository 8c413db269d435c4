"""inf2lab.serving's processes: found by this clone's mark and no other, ended by their own numbers."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from inf2lab.serving import left_over, processes, stop_everything

if TYPE_CHECKING:
    from conftest import StartProcess

IGNORES_TERM = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
# Waits for the child's own line: until it runs its program, the system shows no environment of it.
CHILD = """\
program = "import time; print('up', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
child.stdout.readline()
"""


@pytest.fixture
def mark() -> dict[str, str]:
    """The environment of a process of this test's clone."""
    return {processes.MARK: processes.owner()}


def test_the_mark_is_the_log_folder(logs: Path) -> None:
    assert processes.owner() == str(logs)


def test_a_marked_process_is_found_and_ended(start_process: StartProcess, mark: dict[str, str]) -> None:
    process = start_process(environment=mark)
    assert processes.ours() == [process]
    assert left_over() == [f"process {process.pid}: {process.name()}"]
    assert stop_everything() == 1
    assert not process.is_running()
    assert left_over() == []


def test_an_unmarked_process_and_one_of_another_clone_are_left_alone(start_process: StartProcess, logs: Path) -> None:
    unmarked = start_process()
    other = start_process(environment={processes.MARK: str(logs.parent / "other")})
    assert processes.ours() == []
    assert stop_everything() == 0
    assert unmarked.is_running()
    assert other.is_running()


def test_children_inherit_the_mark(start_process: StartProcess, mark: dict[str, str]) -> None:
    process = start_process(CHILD, environment=mark)
    (child,) = process.children()
    assert set(processes.ours()) == {process, child}
    assert stop_everything() == 2
    assert processes.has_ended(child)


WATCHES = """
import os
def ends(*_):
    time.sleep(0.3)  # long enough for a child that was asked in the same moment
    with open(os.environ["SAID"], "w") as said:
        print("the child was there:", child.poll() is None, file=said)
    os._exit(0)
signal.signal(signal.SIGTERM, ends)
"""


def test_a_server_is_asked_to_end_before_its_workers(start_process: StartProcess, tmp_path: Path) -> None:
    """Else it takes the worker for one that crashed, and loads the model again."""
    said = tmp_path / "said"
    process = start_process(CHILD + WATCHES, environment={"SAID": str(said)})
    (child,) = process.children()
    processes.end([child, process], 20)
    assert said.read_text() == "the child was there: True\n"
    assert processes.has_ended(child)


def test_a_child_whose_parent_was_killed_is_still_found(start_process: StartProcess, mark: dict[str, str]) -> None:
    process = start_process(CHILD, environment=mark)
    (child,) = process.children()
    process.kill()
    process.wait()
    assert processes.ours() == [child]
    assert stop_everything() == 1
    assert not processes.is_ours(child)


def test_the_caller_is_never_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil.Process, "environ", lambda self: {processes.MARK: processes.owner()})
    assert not processes.is_ours(psutil.Process())


def test_a_zombie_is_not_ours(start_process: StartProcess, mark: dict[str, str]) -> None:
    process = start_process(environment=mark)
    process.send_signal(9)
    while process.status() != psutil.STATUS_ZOMBIE:
        pass
    assert not processes.is_ours(process)


def test_a_process_that_ignores_the_request_is_killed(start_process: StartProcess, mark: dict[str, str]) -> None:
    stubborn = start_process(IGNORES_TERM, environment=mark)
    assert processes.end([stubborn], patience_s=0.2) == [stubborn]
    assert not stubborn.is_running()


def test_ending_what_has_ended_is_nothing(start_process: StartProcess) -> None:
    process = start_process()
    process.kill()
    process.wait()
    assert processes.end([process], patience_s=1) == []
    assert processes.family(process) == [process]


def test_a_family_is_the_process_and_all_below_it(start_process: StartProcess) -> None:
    process = start_process(CHILD)
    assert processes.family(process) == [process, *process.children()]
    processes.end(process.children(), patience_s=1)


def test_who_listens_is_named_with_the_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        said = processes.listener(listening.getsockname()[1])
    assert f"(process {psutil.Process().pid})" in said


def test_an_unknown_listener_is_another_process(free_port: int) -> None:
    assert processes.listener(free_port) == "another process"
