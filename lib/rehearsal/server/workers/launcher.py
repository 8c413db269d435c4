"""Becomes the worker, after making sure that it cannot outlive the server, however that ends.

`python -I -S launcher.py SERVER_PID LEASE_FD COMMAND...`; standard library only, because it runs in the worker's
interpreter without site-packages. On Linux the kernel kills the worker with its parent. Elsewhere a forked watcher
waits for the end of a pipe that only the server holds, and kills the worker then. Both survive the exec below.
"""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int) -> bool:
    """Asks the Linux kernel to kill this process when its parent ends; False where that cannot be had."""
    import ctypes

    try:
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            return False
    except (OSError, AttributeError):
        return False
    if os.getppid() != parent:  # it ended before the kernel knew
        os._exit(1)
    return True


def watch(lease: int) -> None:
    """Forks a watcher that kills this process when the lease pipe ends."""
    worker = os.getpid()
    if os.fork() != 0:
        return
    import select

    for stream in (0, 1, 2):  # else the server would wait for our copy of the worker's output
        os.close(stream)
    while os.getppid() == worker:
        if select.select([lease], [], [], 0.5)[0]:
            if os.getppid() == worker:
                os.kill(worker, signal.SIGKILL)
            break
    os._exit(0)


def main(argv: list[str]) -> None:
    """Ties this process to the server's life and turns into the command."""
    parent, lease, command = int(argv[0]), int(argv[1]), argv[2:]
    if not (sys.platform == "linux" and die_with_parent(parent)):
        watch(lease)
    os.close(lease)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
