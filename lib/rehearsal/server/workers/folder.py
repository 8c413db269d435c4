"""The folder of a server's sockets: made at its start, and removed at its end or, if it was killed, at another's start.

Removed is only what is a server's for certain: its name, owner and mode, and a mark in it that nobody holds locked.
A lock ends with its holder, also in a container that shares the folder and where process ids mean something else.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

from rehearsal.server.errors import SetupError
from rehearsal.server.workers.leavings import end_leavings

PREFIX, MARK = "inf2lab-djl-", "server"
PATH_LIMIT = 100  # bytes; macOS allows 104 in a Unix socket's path, with the final zero


class SocketFolder:
    """A private folder with a path short enough for sockets."""

    def __init__(self) -> None:
        """Makes it, after clearing what killed servers left. Raises SetupError."""
        try:
            root = socket_root()
            _clear(root)
            self.path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=root))
            self._lock = _mark(self.path)
        except OSError as error:
            text = f"no folder for the workers' sockets can be made: {error}; make room, or name another with TMPDIR"
            raise SetupError(text) from error

    def close(self) -> None:
        """Removes it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def socket_root() -> Path:
    """The folder for temporary files, or one whose name is shorter."""
    root = Path(tempfile.gettempdir())
    longest = f"/{PREFIX}1234567-12345678/djl_sock.1234567"
    return root if len(os.fsencode(root)) + len(longest) <= PATH_LIMIT else Path("/tmp")


def _mark(folder: Path) -> int:
    """Locks a file before it has the mark's name, so that nobody can come between."""
    new = folder / f"{MARK}.new"
    lock = os.open(new, os.O_RDWR | os.O_CREAT, 0o600)
    with contextlib.suppress(OSError):  # where there are no locks, a killed server's folder stays
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(new, folder / MARK)
        os.write(lock, f"{os.getpid()}\n".encode())  # for people
    return lock


def _clear(root: Path) -> None:
    for folder in root.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            _remove_if_left(folder)


def _remove_if_left(folder: Path) -> None:
    """Removes a folder whose server is gone, and ends what its workers left; OSError for one that is another's."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or stat.S_IMODE(found.st_mode) != 0o700 or found.st_uid != os.getuid():
        return
    lock = os.open(folder / MARK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if stat.S_ISREG(os.fstat(lock).st_mode):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            end_leavings(str(folder))
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
