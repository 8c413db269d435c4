"""Ports of 127.0.0.1: whether one can be listened on, and one that can."""

import fcntl
import itertools
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from inf2lab.errors import PortInUse, ServerError
from inf2lab.serving import processes

# Below those that the system hands to clients: one that asks a closed port may otherwise be given that very port.
_FIRST, _COUNT = 20000, 10000
# Processes that start together begin far apart, and none asks for the same port twice in a row.
_offsets = itertools.count(os.getpid() * 37)


def free_port() -> int:
    """Return a port on which nothing listens now, another one each time; raises ServerError if all are taken."""
    for offset in itertools.islice(_offsets, _COUNT):
        port = _FIRST + offset % _COUNT
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise ServerError(f"all ports from {_FIRST} to {_FIRST + _COUNT - 1} are taken: end some programs")


def is_free(port: int) -> bool:
    """Return whether nobody listens on the port; raises ServerError if this user may not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise ServerError(f"port {port} may not be opened by this user: use 1024 or more, such as 8080") from None
        except OSError:
            return False
    return True


@contextmanager
def held(port: int, report: Callable[[str], object]) -> Iterator[None]:
    """Keep every other start of this user off the port meanwhile, in whichever clone; wait for one under way.

    Raises ServerError where the lock cannot be kept. It ends with its process, however that ends.
    """
    path = Path(tempfile.gettempdir()) / f"inf2lab-{os.geteuid()}-port-{port}.lock"
    lock = _open(path)
    while not _is_taken(path, lock, wait=False):
        report(f"another start on port {port} is under way: waiting for it")
        _is_taken(path, lock, wait=True)
        os.close(lock)  # who had it has removed it
        lock = _open(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServerError(f"{path} cannot be opened ({error.strerror}): remove it, or set TMPDIR") from error


def _is_taken(path: Path, lock: int, *, wait: bool) -> bool:
    """Take the lock, and return whether it is still the one that the path leads to."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return path.stat().st_ino == os.fstat(lock).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def claim(port: int) -> None:
    """Raise PortInUse, with who listens there, unless the port is free."""
    if not is_free(port):
        raise PortInUse(port, processes.listener(port))
