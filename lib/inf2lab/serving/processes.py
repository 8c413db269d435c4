"""Processes of the rehearsal: found by a mark in their environment, and stopped by their own ids."""

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil

from inf2lab import files, paths

MARK = "INF2LAB_OWNER"
SCRATCH_PREFIX = "inf2lab-"
_NOTE = ".scratch-of"


def birth(pid: int) -> str:
    """Return what no later process of this id shares: this boot and the ticks since it; empty where none are told.

    The time of day would not do: it is set while processes run.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"
    except (OSError, IndexError):
        return ""


def owner() -> str:
    """Return the mark's value: the log folder, so that two clones never stop each other's servers."""
    return str(paths.logs())


def is_ours(process: psutil.Process) -> bool:
    """Return whether a server of this clone, or one of its workers, runs as `process`."""
    if process.pid == os.getpid():
        return False
    try:
        return process.environ().get(MARK) == owner() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:  # another user's process, or one that has just ended
        return False


def ours() -> list[psutil.Process]:
    """Return every process of this clone's servers, also of those whose state file is lost."""
    return [process for process in psutil.process_iter() if is_ours(process)]


def end_orphans(known: Iterable[psutil.Process], patience_s: float) -> Sequence[psutil.Process]:
    """End our processes that belong to none of the `known` servers, with their scratch folders; returns them."""
    kept = {member.pid for process in known for member in family(process)}
    orphans = [process for process in ours() if process.pid not in kept]
    scratch = {folder for process in orphans if (folder := _scratch(process))}
    ended = end(orphans, patience_s)
    for folder in scratch:
        remove_scratch(folder)
    return ended


def make_scratch() -> str:
    """Return a new temporary folder for a server, with a note of whose it is."""
    folder = tempfile.mkdtemp(prefix=SCRATCH_PREFIX)
    (Path(folder) / _NOTE).write_text(owner(), encoding="utf-8")
    return folder


def remove_scratch(folder: str) -> None:
    """Remove a server's temporary folder; nothing else, whatever a state file or an environment names."""
    if _is_scratch(Path(folder)):
        shutil.rmtree(folder, ignore_errors=True)


def remove_old_scratch() -> None:
    """Remove the temporary folders of this clone's servers that were killed: a day old, and used by no process."""
    found = [folder for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH_PREFIX}*") if _is_abandoned(folder)]
    used = {_scratch(process) for process in psutil.process_iter()} if found else set()
    for folder in found:
        if str(folder) not in used:
            remove_scratch(str(folder))


def _is_scratch(folder: Path) -> bool:
    """Whether a folder is one that `make_scratch` makes: by name and place, this user's and nobody else's to enter."""
    try:
        seen = folder.lstat()
    except (OSError, ValueError):
        return False
    places = {os.path.realpath(place) for place in (tempfile.gettempdir(), "/tmp", "/var/tmp")}
    own = stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid() and not seen.st_mode & 0o077
    return own and folder.name.startswith(SCRATCH_PREFIX) and os.path.realpath(folder.parent) in places


def _is_abandoned(folder: Path) -> bool:
    try:
        old = time.time() - folder.stat().st_mtime > files.OLD_S
        return old and _is_scratch(folder) and (folder / _NOTE).read_text(encoding="utf-8") == owner()
    except (OSError, ValueError):
        return False


def _scratch(process: psutil.Process) -> str | None:
    """Return the temporary folder that a server was started with."""
    with contextlib.suppress(psutil.Error):
        return process.environ().get("TMPDIR")
    return None


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all below it."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return [process]


def start_apart(command: Sequence[str], **arguments: Any) -> int:
    """Start a process that outlives this one, in a session of its own, and return its id; arguments as for Popen."""
    # Jupyter ends its kernel's own process group, and would take the server with it.
    process = subprocess.Popen(command, start_new_session=True, **arguments)
    pid = process.pid
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Popen warns of what is meant here
        del process  # the next Popen takes it away once it has ended
    return pid


def end(processes: Iterable[psutil.Process], patience_s: float) -> Sequence[psutil.Process]:
    """Ask processes to end, kill those that do not within `patience_s`, and return the ones that were running.

    Those below others come after them: a server that sees its worker die would start another.
    """
    running = [process for process in processes if not has_ended(process)]
    ids = {process.pid for process in running}
    _end_all([process for process in running if _parent(process) not in ids], patience_s)
    _end_all([process for process in running if not has_ended(process)], patience_s)
    return running


def _parent(process: psutil.Process) -> int | None:
    with contextlib.suppress(psutil.Error):
        return process.ppid()
    return None


def _end_all(running: list[psutil.Process], patience_s: float) -> None:
    for process in running:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
            process.resume()  # one that is held would hear it no sooner than it goes on
    for process in _outlasting(running, patience_s):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _outlasting(running, patience_s)


def _outlasting(processes: Iterable[psutil.Process], patience_s: float) -> list[psutil.Process]:
    """Wait for processes to end, at most `patience_s`, and return those that did not."""
    deadline = time.monotonic() + patience_s
    while left := [process for process in processes if not has_ended(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left


def has_ended(process: psutil.Process) -> bool:
    """Return whether a process has ended; a zombie has, and only its parent can take it away."""
    try:
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(0)  # takes it away if the parent is this process
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def is_held(process: psutil.Process) -> bool:
    """Whether somebody has stopped the process, to be continued (SIGSTOP, Ctrl-Z, a debugger)."""
    with contextlib.suppress(psutil.Error):
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    return False


def may_listen(process: psutil.Process, port: int) -> bool:
    """Whether the process or one below it listens on `port`; true too where the system does not tell."""
    try:
        return any(_listens(member, port) for member in family(process))
    except psutil.AccessDenied:
        return True


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        found = process.net_connections("tcp")
    except psutil.NoSuchProcess:
        return False
    return any(c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in found)


def listener(port: int) -> str:
    """Return a few words on who listens on `port`; "another process" where the system does not tell."""
    for process in psutil.process_iter():
        try:
            if _listens(process, port):
                return f"{process.name()} (process {process.pid})"
        except psutil.Error:
            continue
    return "another process"
