"""A reader's cells, run in a process of their own: bounded in time and memory, with no network and no programs, and
with one folder to write in. It guards an instructor's machine against mistakes, not against an attacker.
"""

import fcntl
import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

FORK = multiprocessing.get_context("fork")  # what judges import is loaded once, and every child has it
_GIB = 2**30
_MEMORY, _FILE, _SAID = 4 * _GIB, 64 * 2**20, 200_000  # bytes: that it may take, of a file it writes, of its answer
_WRITEFILE = re.compile(r"%%writefile +(-a +)?(\S+) *\n?")
_MAGIC = re.compile(r"^[%!].*$", re.MULTILINE)
# What changes a file: where in the event's arguments each path stands, and the open folder that it is relative to.
_CHANGES: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.link": ((0, 2), (1, 3)),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.rmdir": ((0, 1),),
    "os.symlink": ((0, None), (1, 2)),
    "os.truncate": ((0, None),),
}
_NEVER = (
    "subprocess.",
    "socket.",
    "os.exec",
    "os.fork",
    "os.kill",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "ctypes.",
)


@dataclass(frozen=True)
class Task:
    """Cells to run, one after the other, and the function that then makes values for JSON of the names they left."""

    cells: Sequence[str]
    judge: Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Outcome:
    """What a judge answered, or why it was not asked."""

    value: Any = None
    fault: str = ""


class Forbidden(PermissionError):
    """What a graded cell must not do."""


@dataclass
class _Running:
    number: int
    process: BaseProcess
    connection: Connection
    ends: float
    box: Path


def run_all(tasks: Iterable[Task], *, seconds: float, at_once: int) -> Iterator[tuple[int, Outcome]]:
    """Run tasks, some at a time; yield each one's number and outcome as it ends. None takes more than `seconds`."""
    waiting, running = enumerate(tasks), list[_Running]()
    try:
        while True:
            while len(running) < at_once and (following := next(waiting, None)) is not None:
                running.append(_start(*following, seconds))
            if not running:
                return
            wait([one.connection for one in running], max(0.0, min(one.ends for one in running) - time.monotonic()))
            for one in [one for one in running if one.connection.poll() or time.monotonic() >= one.ends]:
                running.remove(one)
                yield one.number, _end(one, seconds)
    finally:
        for one in running:
            _end(one, seconds)


def _start(number: int, task: Task, seconds: float) -> _Running:
    ours, theirs = FORK.Pipe(duplex=False)
    box = Path(tempfile.mkdtemp(prefix="inf2lab-graded-"))
    process = FORK.Process(target=_child, args=(task, box, theirs, seconds), daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of who calls: the child uses none of their locks
        process.start()
    theirs.close()  # so that the child's end is seen
    return _Running(number, process, ours, time.monotonic() + seconds, box)


def _end(one: _Running, seconds: float) -> Outcome:
    """Return what a child said, and leave nothing of it."""
    outcome = Outcome(fault=f"it did not end within {seconds:g} seconds: is there a loop without an end?")
    with suppress(EOFError, OSError, TypeError, ValueError):  # it said nothing, too much, or what is no JSON
        if one.connection.poll():
            outcome = Outcome(fault="its process ended before it answered: too much memory, or a crash?")
            outcome = Outcome(**json.loads(one.connection.recv_bytes(_SAID)))
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(one.process.pid or 0, signal.SIGKILL)
    one.process.kill()
    one.process.join()
    one.connection.close()
    shutil.rmtree(one.box, ignore_errors=True)
    return outcome


def _child(task: Task, box: Path, answer: Connection, seconds: float) -> None:
    os.setsid()
    said: dict[str, Any] = {}
    try:
        _enclose(box, seconds)
        said["value"] = task.judge(_names(task.cells))
    except BaseException as error:  # a reader's cell may raise anything, SystemExit too
        said["fault"] = f"a cell raised {_words(error)[:300]}"
    with suppress(OSError, TypeError, ValueError):
        answer.send_bytes(json.dumps(said).encode())
    os._exit(0)  # what the parent would do at its end is not the child's


def _words(error: BaseException) -> str:
    try:
        return " ".join(f"{type(error).__name__}: {error}".split())
    except BaseException:  # its own text raises
        return type(error).__name__


def _enclose(box: Path, seconds: float) -> None:
    """Make `box` the place, silence the process, and take from it what a graded cell must not have."""
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silent, stream)
    for limit, most in (
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_FSIZE, _FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    with suppress(ValueError, OSError):  # macOS has no such limit
        most = _mapped() + _MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    place = box.resolve()
    (place / "models").mkdir()
    os.environ |= {
        "INF2LAB_ROOT": str(place),
        "INF2LAB_LOGS": str(place / "logs"),
        "INF2LAB_CACHE": str(place / "cache"),
    }
    os.environ |= {"HOME": str(place), "TMPDIR": str(place)}
    tempfile.tempdir = str(place)
    sys.dont_write_bytecode = True
    os.chdir(place)
    sys.addaudithook(lambda event, arguments: _watch(event, arguments, place))


def _mapped() -> int:
    """Return the bytes of address space that this process has from who forked it: a cell's own come on top."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _watch(event: str, arguments: tuple[Any, ...], place: Path) -> None:
    """Refuse programs and the network, and every change outside of `place`."""
    if event.startswith(_NEVER):
        raise Forbidden(f"{event} is not for a graded cell: tag a cell that needs it `server`")
    if event == "open":
        path, mode, flags = arguments
        if set(str(mode or "")) & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            _permit(path, None, place)
    for at, folder in _CHANGES.get(event, ()):
        _permit(arguments[at], None if folder is None else arguments[folder], place)


def _permit(path: Any, folder: int | None, place: Path) -> None:
    """Refuse a change of what lies outside of `place`; what is open already was permitted before."""
    if isinstance(path, int):
        return
    whole = os.path.realpath(os.path.join(_opened(folder), os.fsdecode(path)))
    if whole != os.devnull and not Path(whole).is_relative_to(place):
        raise Forbidden(f"{whole} is outside of the folder that a graded cell may change")


def _opened(folder: int | None) -> str:
    """Return the path of an open folder; without one, of the current folder."""
    if folder is None or folder < 0:
        return ""
    if named := getattr(fcntl, "F_GETPATH", None):  # macOS
        return os.fsdecode(fcntl.fcntl(folder, named, bytes(1024)).rstrip(b"\0"))
    return os.readlink(f"/proc/self/fd/{folder}")


def _names(cells: Sequence[str]) -> dict[str, Any]:
    """Run cells as a notebook would, and return the names they left; `%%writefile` writes, other magic is left out."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells, 1):
        if found := _WRITEFILE.match(cell):
            path = Path(found[2])
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a" if found[1] else "w", encoding="utf-8") as file:
                file.write(f"{cell[found.end() :]}\n")
        else:
            exec(compile(_MAGIC.sub("", cell), f"cell {number}", "exec"), names)
    return names
