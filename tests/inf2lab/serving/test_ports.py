"""Ports that nobody uses."""

import socket
import threading
from pathlib import Path

import pytest

from inf2lab.errors import ServerError
from inf2lab.serving import ports


def test_a_free_port_is_another_one_each_time_and_below_those_of_clients() -> None:
    found = [ports.free_port() for _ in range(20)]
    assert len(set(found)) == 20
    assert all(20000 <= port < 30000 for port in found)


def test_a_port_that_somebody_bound_is_passed_over() -> None:
    next_one = ports.free_port() + 1
    with socket.create_server(("127.0.0.1", next_one)):
        assert ports.free_port() != next_one


def test_of_two_starts_on_a_port_one_waits_for_the_other(free_port: int) -> None:
    """Two at once each ended the other's server, or took the other's for their own."""
    said: list[str] = []
    waits, order = threading.Event(), []

    def tell(line: str) -> None:
        said.append(line)
        waits.set()

    def second() -> None:
        with ports.held(free_port, tell):
            order.append("second")

    thread = threading.Thread(target=second)
    with ports.held(free_port, said.append):
        thread.start()
        assert waits.wait(600)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert said == [f"another start on port {free_port} is under way: waiting for it"]


def test_a_port_of_another_number_is_not_held(free_port: int) -> None:
    said: list[str] = []
    with ports.held(free_port, said.append), ports.held(free_port + 1, said.append):
        assert said == []


def test_a_lock_that_somebody_laid_as_a_link_is_refused(
    free_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with ports.held(free_port, print):
        (lock,) = tmp_path.iterdir()
    assert not lock.exists(), "it leaves nothing"
    lock.symlink_to(tmp_path / "mine")
    with pytest.raises(ServerError, match="remove it"), ports.held(free_port, print):
        pass
    assert not (tmp_path / "mine").exists()
