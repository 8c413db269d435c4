"""What a start takes away: the folder of a server that was killed, and nothing else of that temporary folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from rehearsal.server.errors import SetupError
from rehearsal.server.workers import folder
from rehearsal.server.workers.folder import MARK, PREFIX, SocketFolder
from rehearsal.server.workers.leavings import MARK as MARKED


@pytest.fixture(autouse=True)
def temporary(monkeypatch, tmp_path):
    monkeypatch.setattr(folder, "socket_root", lambda: tmp_path)
    return tmp_path


def left_by_a_killed_server():
    """The folder of a server that ended without a word."""
    child = os.fork()
    if child == 0:
        SocketFolder()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_killed_server_s_folder_goes_with_the_next_start(temporary):
    left_by_a_killed_server()
    (left,) = temporary.iterdir()
    (left / "djl_sock.19000").touch()
    made = SocketFolder()
    assert list(temporary.iterdir()) == [made.path]
    made.close()
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="not found elsewhere")
def test_what_the_handlers_of_a_killed_server_left_goes_too(temporary):
    left_by_a_killed_server()
    (left,) = temporary.iterdir()
    running = SocketFolder()
    left_by_a_killed_server()
    (other,) = [path for path in temporary.iterdir() if path != running.path]

    def process(folder):
        environ = os.environ | {MARKED: f"{folder}/djl_sock.19000"}
        return subprocess.Popen([sys.executable, "-c", "input()"], env=environ, stdin=subprocess.PIPE)

    with process(other) as theirs, process(running.path) as ours, process(f"{other}-2") as another:
        SocketFolder()
        assert theirs.wait(60) == -signal.SIGKILL
        assert [ours.poll(), another.poll()] == [None, None]
        ours.kill()
        another.kill()
    assert not left.exists()


def test_a_running_server_s_folder_stays(temporary):
    first, second = SocketFolder(), SocketFolder()
    assert sorted(temporary.iterdir()) == sorted([first.path, second.path])


@pytest.mark.parametrize(
    "name",
    ["djl-20231104-results", "djl-99999999999999999999-x", "djl-²-x", f"{PREFIX}99999-results", f"{PREFIX}²-x", PREFIX],
)
def test_a_person_s_folder_stays_whatever_its_name(temporary, name):
    mine = temporary / name
    mine.mkdir(mode=0o700)
    (mine / "results").write_text("a year's work")
    SocketFolder().close()
    assert (mine / "results").read_text() == "a year's work"


def test_what_only_looks_like_a_server_s_folder_stays(temporary, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    elsewhere.chmod(0o700)
    (elsewhere / MARK).write_text("7\n")
    (temporary / f"{PREFIX}1-link").symlink_to(elsewhere)
    (temporary / f"{PREFIX}2-file").write_text("x")
    shared = temporary / f"{PREFIX}3-shared"
    shared.mkdir()
    shared.chmod(0o755)
    (shared / MARK).write_text("7\n")
    linked = temporary / f"{PREFIX}4-linked"
    linked.mkdir(mode=0o700)
    (linked / MARK).symlink_to(elsewhere / MARK)
    queue = temporary / f"{PREFIX}5-queue"
    queue.mkdir(mode=0o700)
    os.mkfifo(queue / MARK)
    before = sorted(temporary.rglob("*"))
    SocketFolder().close()
    assert sorted(temporary.rglob("*")) == before
    assert (elsewhere / MARK).exists()


def test_no_place_for_the_sockets_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(folder, "socket_root", lambda: tmp_path / "gone")
    with pytest.raises(SetupError, match="TMPDIR"):
        SocketFolder()
