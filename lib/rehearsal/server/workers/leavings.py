"""What a worker leaves behind: processes in a session of their own, which the end of its group does not reach.

They are found by a variable in their environment, on Linux only; one that was started with another environment is not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

MARK = "REHEARSAL_WORKER"  # in a worker's environment, and so in that of all it starts: its socket
PROC = "/proc"  # not a Path: each of its parts is a string that Python keeps, and a server reads thousands of processes


def end_leavings(mark: str) -> bool:
    """Kills the processes with this mark; whether there were any, which may have started others meanwhile.

    A folder of sockets stands for all of them.
    """
    wanted = os.fsencode(f"{MARK}={mark}")
    pids = [int(name) for name in os.listdir(PROC) if name.isdigit()] if sys.platform == "linux" else []
    return sum(_end(pid, wanted) for pid in pids) > 0


def _end(pid: int, wanted: bytes) -> bool:
    with contextlib.suppress(OSError, AttributeError):  # another user's, or has just ended; or no pidfd in this Python
        process = os.pidfd_open(pid)  # before its environment is read: a number may come to mean another process
        try:
            with open(f"{PROC}/{pid}/environ", "rb", buffering=0) as file:
                pairs = b"\0%b\0" % file.readall()
            if b"\0%b\0" % wanted in pairs or b"\0%b/" % wanted in pairs:
                signal.pidfd_send_signal(process, signal.SIGKILL)
                return True
        finally:
            os.close(process)
    return False
