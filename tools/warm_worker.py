"""Workers that have PyTorch and transformers from their first moment: a test waits for the model, not for imports.

A pytest plugin, and what `make run` has beside its first notebooks. One process, the warm one, imports both when the
first worker wants to start, or at once; every worker is then a fork of it: the same interpreter and packages, with the
worker's own environment, arguments, files and folder. It comes in where DJLServing lets anybody name a worker's Python,
`PYTHON_EXECUTABLE`: a script that hands on its arguments and files, waits, and ends as the worker ends. A worker is
killed when its script is.

What libraries read while they are imported (HF_*, OMP_* ...) must be as in the warm process, and the packages the same.
A worker of which that is not so starts as it would without all this; with COLD_WORKERS=1 all do. Linux only: elsewhere
PyTorch does not bear a fork. A warm worker computes on one thread: a second one gains a tenth on the small models of
the tests, costs as much again, and waits for a core that another test has.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import io
import json
import os
import runpy
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

NAME = "PYTHON_EXECUTABLE"
READ_AT_IMPORT = (
    "HF_",
    "HUGGINGFACE",
    "TRANSFORMERS_",
    "OMP_",
    "MKL_",
    "KMP_",
    "TORCH",
    "PYTORCH",
    "LD_",
    "PYTHONHASH",
)
ONE_THREAD = ("OMP_NUM_THREADS", "1")  # as every warm worker computes
LARGEST = 2**18  # bytes of a request: arguments and environment
MOST_FILES = 250
CHIP = Path(__file__).resolve().parents[1] / "lib" / "rehearsal" / "neuron"

SCRIPT = """\
import array, json, os, socket, sys
files = []
for name in os.listdir("/proc/self/fd"):
    try:
        os.fstat(int(name))
    except OSError:  # the listing itself
        continue
    files.append(int(name))
warm = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
answer = b""
try:
    warm.connect({place!r})
    words = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd(), files])
    warm.sendmsg([words.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))])
    answer = warm.recv(64)
except OSError:
    pass
if answer != b"warm":
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
for file in files:
    os.close(file)
status = int(warm.recv(64) or 9)
if os.WIFSIGNALED(status):
    os.kill(os.getpid(), os.WTERMSIG(status))
os._exit(os.waitstatus_to_exitcode(status) & 255)
"""


class Job(NamedTuple):
    """What a worker is to be. A file has its number there, and its number in this process."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str
    files: dict[int, int]

    @classmethod
    def received(cls, asked: socket.socket) -> Job | None:
        """Read a request; None from a script that was killed before it had spoken."""
        message, rights, _, _ = asked.recvmsg(LARGEST, socket.CMSG_SPACE(4 * MOST_FILES))
        if not message:
            return None
        arguments, environment, folder, numbers = json.loads(message)
        here = [file for _, _, data in rights for file in memoryview(data).cast("i")]
        return cls(arguments, environment, folder, dict(zip(numbers, here, strict=True)))

    def fits(self) -> bool:
        """Say whether what this process has imported is what the worker would import."""
        path = self.environment.get("PYTHONPATH", "").split(os.pathsep)
        other = any(Path(entry, name).is_dir() for entry in path for name in ("torch", "transformers"))
        return not other and read_at_import(self.environment) == read_at_import(os.environ)

    def close(self) -> None:
        """Close the worker's files in this process."""
        for file in self.files.values():
            os.close(file)


def read_at_import(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that must be the same in both processes."""
    told = {name: value for name, value in environment.items() if name.startswith(READ_AT_IMPORT)}
    return dict(told.items() - {ONE_THREAD})


class Warm:
    """The warm process: forks a worker for each script that connects, and tells it how the worker ended."""

    def __init__(self, listener: socket.socket, load: Callable[[], None]) -> None:
        self.listener, self.load = listener, load
        self.workers: dict[int, socket.socket] = {}
        self.woken, self.wake = socket.socketpair()
        self.wake.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wake.fileno(), warn_on_full_buffer=False)
        self.selector = selectors.DefaultSelector()
        for source in (self.listener, self.woken, sys.stdin):
            self.selector.register(source, selectors.EVENT_READ)

    def run(self) -> Job | None:
        """Serve until standard input ends, then return None. A forked worker returns with what it is to be."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    asked, _ = self.listener.accept()
                    job = self.start(asked)
                    if job is not None:
                        return job
                elif key.fileobj is self.woken:
                    self.woken.recv(4096)
                    self.reap()
                elif key.fileobj is sys.stdin:
                    for pid in self.workers:
                        kill(pid)
                    return None
                else:
                    self.lose(key.fileobj)

    def start(self, asked: socket.socket) -> Job | None:
        """Fork a worker; None in this process."""
        job = Job.received(asked)
        if job is None or not job.fits():
            asked.close()
        else:
            self.load()
            asked.send(b"warm")
            pid = os.fork()
            if pid == 0:
                asked.close()
                self.leave()
                return job
            self.workers[pid] = asked
            self.selector.register(asked, selectors.EVENT_READ)
        if job is not None:
            job.close()
        return None

    def lose(self, asked: object) -> None:
        """Kill the worker of a script that was killed, with all that it started."""
        for pid, other in self.workers.items():
            if other is asked:
                self.selector.unregister(other)
                other.close()
                kill(pid)
                return

    def reap(self) -> None:
        """Tell the scripts of workers that ended, how."""
        while self.workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            asked = self.workers.pop(pid)
            if asked.fileno() != -1:
                self.selector.unregister(asked)
                with contextlib.suppress(OSError):  # the script was killed in the same moment
                    asked.send(str(status).encode())
                asked.close()

    def leave(self) -> None:
        """In a fork: keep nothing of the warm process, and end when it does."""
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for held in (self.listener, self.woken, self.wake, *self.workers.values()):
            held.close()


def kill(worker: int) -> None:
    """Kill a worker's group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker, signal.SIGKILL)


def import_what_workers_import() -> None:
    """Import it as a worker does, sitecustomize first."""
    if "torch" in sys.modules:
        return
    runpy.run_path(str(CHIP / "sitecustomize.py"))
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel  # noqa: F401

    gc.collect()
    gc.freeze()


def become(job: Job, base: list[str]) -> None:
    """Do what `python ARGUMENTS` does, in this process. `base` is the path of an interpreter without PYTHONPATH."""
    apart = {number: fcntl.fcntl(file, fcntl.F_DUPFD, 500) for number, file in job.files.items()}
    job.close()
    for number, file in apart.items():
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(job.environment)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    os.chdir(job.folder)
    sys.dont_write_bytecode = bool(job.environment.get("PYTHONDONTWRITEBYTECODE"))
    unbuffered = bool(job.environment.get("PYTHONUNBUFFERED"))
    for name, number, errors in (("stdout", 1, "strict"), ("stderr", 2, "backslashreplace")):
        raw = open(number, "wb", 0 if unbuffered else -1, closefd=False)  # noqa: SIM115
        lines = number == 2 and not unbuffered
        stream = io.TextIOWrapper(raw, "utf-8", errors, line_buffering=lines, write_through=unbuffered)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    path = job.environment.get("PYTHONPATH", "").split(os.pathsep)
    first, *others = job.arguments
    sys.path[:] = ["" if first == "-c" else str(Path(first).parent), *filter(None, path), *base]
    if first == "-c":
        sys.argv[:] = ["-c", *others[1:]]
        exec(compile(others[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv[:] = job.arguments
        runpy.run_path(first, run_name="__main__")


def python() -> str:
    """Return an interpreter for a test's own script or `-c`, warm where there is a warm process."""
    return os.environ.get(NAME, sys.executable)


def write_program(path: Path, code: str, *options: str) -> Path:
    """Write a program that this interpreter runs, wherever it lies: a line of `#!` takes no blank in a path."""
    of_code = path.with_name(f"{path.name}.py")
    of_code.write_text(code, encoding="utf-8")
    words = shlex.join([sys.executable, *options, str(of_code)])
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


class Plugin:
    """Starts the warm process with the first pytest process of a run, and ends it with that."""

    name, source = NAME, __file__

    def __init__(self, *words: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="warm-"))
        place = str(self.folder / "socket")
        script = write_program(self.folder / "python3", SCRIPT.format(python=sys.executable, place=place), "-IS")
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | self.told()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(place)  # here, so that a script finds it however soon it asks
            listener.listen(64)
            number = listener.fileno()
            command = [sys.executable, self.source, str(number), *words]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, pass_fds=[number])
        os.environ[self.name] = str(script)

    def told(self) -> dict[str, str]:
        """Return what the process is told beside this one's environment."""
        from inf2lab.weights import standins

        return standins.worker_environment()

    def pytest_unconfigure(self) -> None:
        """End it and remove its folder."""
        self.process.communicate()
        os.environ.pop(self.name, None)
        shutil.rmtree(self.folder)


def can_be_had(name: str = NAME) -> bool:
    """Say whether a warm process is possible, wanted and not there yet."""
    return sys.platform == "linux" and name not in os.environ and not os.environ.get("COLD_WORKERS")


def pytest_configure(config: Any) -> None:
    """Take part where this can be had, and not again in the processes of pytest-xdist."""
    if can_be_had():
        config.pluginmanager.register(Plugin())


@contextlib.contextmanager
def importing_at_once() -> Iterator[None]:
    """Around what starts servers, and stops them all: a warm process that does not wait for the first worker."""
    warm = Plugin("at once") if can_be_had() else None
    try:
        yield
    finally:
        if warm is not None:
            warm.pytest_unconfigure()


def serve(load: Callable[[], None]) -> None:
    """Be the warm process, and in a fork of it the worker."""
    own = sys.path[1:]
    if sys.argv[2:]:
        load()
    work = Warm(socket.socket(fileno=int(sys.argv[1])), load).run()
    if work is not None:
        become(work, own)


if __name__ == "__main__":
    serve(import_what_workers_import)
