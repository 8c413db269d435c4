"""Processes of the rehearsal: found by a mark in their environment, and stopped by their own ids."""

import contextlib
import os
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import psutil

from inf2lab import paths

MARK = "INF2LAB_OWNER"
SCRATCH_PREFIX = "inf2lab-"


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
        shutil.rmtree(folder, ignore_errors=True)
    return ended


def _scratch(process: psutil.Process) -> str | None:
    """Return the temporary folder that a server was started with, if it is one that we make."""
    with contextlib.suppress(psutil.Error):
        folder = process.environ().get("TMPDIR", "")
        return folder if os.path.basename(folder).startswith(SCRATCH_PREFIX) else None
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


def listener(port: int) -> str:
    """Return a few words on who listens on `port`; "another process" where the system does not tell."""
    for process in psutil.process_iter():
        try:
            found = any(
                c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN
                for c in process.net_connections("tcp")
            )
            if found:
                return f"{process.name()} (process {process.pid})"
        except psutil.Error:
            continue
    return "another process"
