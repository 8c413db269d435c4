"""One process of DJL's Python worker: start it, load the model in it, ask it, end it.

Its stdout and stderr become log lines; the line `Python engine started.` is the sign that it listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal.server.errors import DISCONNECTED, TIMED_OUT, CodecError, ModelLoadError, WorkerLost, WorkerTimeout
from rehearsal.server.logs import ServerLog
from rehearsal.server.workers.channel import Link, Output
from rehearsal.server.workers.codec import Frame, Reply, encode_request, whole
from rehearsal.server.workers.leavings import end_leavings
from rehearsal.server.workers.traceback_text import handler_traceback

START_TIMEOUT_S = 120
EXIT_WAIT_S = 5
LAST_WORDS_S = 0.5  # for what a worker that has ended wrote
GENERATIONS = 20  # of processes that a worker left and that start others while they are ended
NAME_SHOWN = 15  # characters of a model's name in its worker's lines
KEPT_LINES = 400  # of a worker's output, for the report of a failed load
LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True)
class WorkerCommand:
    """All that is needed to start one worker."""

    python: str
    package: Path
    model: str  # its name, for log lines
    folder: Path
    entry_point: str
    device_id: int
    socket: Path
    environ: Mapping[str, str]

    def argv(self) -> list[str]:
        """The command line as DJLServing 0.25 builds it."""
        return [
            self.python,
            str(self.package / "djl_python_engine.py"),
            "--sock-type",
            "unix",
            "--sock-name",
            str(self.socket),
            "--model-dir",
            str(self.folder),
            "--entry-point",
            self.entry_point,
            "--device-id",
            str(self.device_id),
        ]


class WorkerProcess:
    """A worker and the one connection to it; never more than one message under way."""

    def __init__(self, command: WorkerCommand, log: ServerLog, lease: int) -> None:
        self.command, self._log, self._lease = command, log, lease
        self.pid = 0
        self.lines: deque[tuple[str, str]] = deque(maxlen=KEPT_LINES)  # ("stdout" or "stderr", text)
        self.lost = False  # the process ended or its socket closed
        self.on_lost: Callable[[], None] = lambda: None
        self._output: Output | None = None
        self._link: Link | None = None

    async def load(self, properties: Mapping[str, str], timeout_s: float) -> None:
        """Starts the process and runs the init call. Raises ModelLoadError, and leaves no process then."""
        try:
            await self._start()
            reply = await self._initialize(properties, timeout_s)
            if reply.code == 507:  # a MemoryError of the handler
                raise ModelLoadError("EngineException", "OOM", report=_content_text(reply), status=507)
            if reply.code >= 300:
                text = f"Failed to initialize model: {reply.message}"
                causes = (f"ai.djl.engine.EngineException: {text}",)
                raise ModelLoadError("EngineException", text, causes, _content_text(reply))
        except BaseException as error:
            if self._link is not None:
                self._log.info("PyProcess", f"Stop process: -1:{self.pid}, failure=false")
            self._log.info("PyProcess", f"Stop process: -1:{self.pid}, failure=true")
            await self.kill()
            if isinstance(error, ModelLoadError):
                error.report = handler_traceback(self.lines) or error.report
            raise
        self._log.info("PyProcess", f"Model [{self.command.model}] initialized.")

    async def ask(self, message: Iterable[bytes], timeout_s: float) -> Reply:
        """The worker's answer. Raises WorkerLost: it died, spoke nonsense, or took longer than `timeout_s`."""
        if self._link is None or self.lost:
            raise WorkerLost(unread=True)
        try:
            timeout_s = await self._link.send(message, timeout_s)
        except TimeoutError:
            raise WorkerTimeout from None
        reply = await self._receive(timeout_s)
        if not isinstance(reply, Reply):
            raise WorkerLost
        return reply

    async def frames(self) -> AsyncIterator[Frame]:
        """The frames of a stream; raises WorkerLost when the worker goes away in between."""
        while True:
            frame = await self._receive(None)
            if not isinstance(frame, Frame):
                raise WorkerLost
            yield frame
            if frame.last:
                return

    async def retire(self, grace_s: float) -> None:
        """Ends an idle worker as the original does, by closing its socket; kills what has not ended by then."""
        if self._link is not None and self._output is not None and grace_s > 0:
            self._link.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._output.exited.wait(), grace_s)
        await self.kill()

    async def kill(self) -> None:
        """Kills the worker and what it started, waits until it is gone, and removes its socket."""
        if self._output is not None:
            if not self._output.exited.is_set():
                # Its own process group, so that what a handler started goes too. Before the socket
                # closes, or the worker would have the time to log that as an error.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._output.exited.wait(), EXIT_WAIT_S)
            with contextlib.suppress(OSError, RuntimeError):  # no thread is to be had: the worker goes all the same
                for _ in range(GENERATIONS):  # in a thread: it looks at all processes of this machine
                    if not await asyncio.to_thread(end_leavings, str(self.command.socket)):
                        break
            # The last lines may still be in the pipes; they hold the reason of a failure.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._output.drained.wait(), 0.5)
            self._output.close()
        if self._link is not None:
            self._link.close()
        self.closed()
        for path in (self.command.socket, Path(f"{self.command.socket}.pid")):
            path.unlink(missing_ok=True)

    async def _start(self) -> None:
        argv = self.command.argv()
        loop = asyncio.get_running_loop()
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(self._lease)]
        # The server must fork on this thread: Linux sends the death signal when the forking thread ends.
        try:
            transport, output = await loop.subprocess_exec(
                lambda: Output(self),
                *launcher,
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                cwd=self.command.folder,
                env=dict(self.command.environ),
                pass_fds=(self._lease,),
                process_group=0,
            )
        except (OSError, ValueError) as error:  # no memory, no process left, a folder that is gone, a zero in a text
            number = getattr(error, "errno", None) or errno.EINVAL
            raise not_started(self.command.python, self.command.folder, number) from error
        self.pid, self._output = transport.get_pid(), output
        waits = [asyncio.create_task(event.wait()) for event in (output.started, output.exited)]
        try:
            await asyncio.wait(waits, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if output.started.is_set():
            _, self._link = await self._connect(loop)
            return
        self._log.warn("PyProcess", "Process not started, waiting for process end ...")
        if not output.exited.is_set():
            cause = "Python process startup time out."
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(output.drained.wait(), 0.5)
            cause = f"Python stream closed unexpectedly, exit code: {output.exit_code()}"
        engine = "ai.djl.engine.EngineException: Failed to loaded model."
        raise ModelLoadError("EngineException", cause, (engine, f"java.lang.IllegalThreadStateException: {cause}"))

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> tuple[asyncio.Transport, Link]:
        try:
            return await loop.create_unix_connection(lambda: Link(self), str(self.command.socket))
        except OSError as error:
            cause = f"Failed connect to Python worker process. ({error})"
            raise ModelLoadError("EngineException", cause, (f"ai.djl.engine.EngineException: {cause}",)) from error

    async def _initialize(self, properties: Mapping[str, str], timeout_s: float) -> Reply:
        engine = "ai.djl.engine.EngineException: "
        try:
            return await self.ask(encode_request(properties), timeout_s)
        except WorkerTimeout as error:
            raise ModelLoadError("EngineException", None, (engine + TIMED_OUT, TIMED_OUT)) from error
        except WorkerLost as error:
            cause = "Python worker disconnected."
            causes = (engine + DISCONNECTED, f"java.io.IOException: {cause}")
            raise ModelLoadError("EngineException", cause, causes) from error
        except CodecError as error:
            raise ModelLoadError("EngineException", str(error), (engine + str(error),)) from error

    async def _receive(self, timeout_s: float | None) -> Reply | Frame:
        assert self._link is not None
        try:
            message = await self._link.receive(timeout_s)
        except TimeoutError:
            raise WorkerTimeout from None
        if message is None:
            raise WorkerLost(unread=self._link.unread)
        return message

    def heard(self, stream: str, line: str) -> None:
        """Logs one line of the worker's output, as the original does."""
        self.lines.append((stream, line))
        text = f"W-{self.pid}-{self.command.model[:NAME_SHOWN]}-{stream}: {line}"
        _, is_metric, metric = line.partition("[METRICS]")
        if is_metric:  # on either stream, and in no other log
            self._log.model_metric(metric)
        elif stream == "stdout":
            self._log.info("PyProcess", text)
        else:
            self._log.warn("PyProcess", text)

    def ended(self) -> None:
        """Called when the process ended: also ends what a handler started and left behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._link is not None:  # what it left may hold the socket; first comes what is still in there
            asyncio.get_running_loop().call_later(LAST_WORDS_S, self._link.close)
        self.closed()

    def closed(self) -> None:
        """Called when the process ended or its socket closed; tells who waits for that, once."""
        if not self.lost:
            self.lost = True
            self.on_lost()


def find_python(options: Mapping[str, str], environ: Mapping[str, str], folder: Path) -> str:
    """The interpreter for a worker in that folder: `option.pythonExecutable`, PYTHON_EXECUTABLE, else this one."""
    name = options.get("pythonExecutable", environ.get("PYTHON_EXECUTABLE"))
    if name is None:
        return sys.executable
    wanted = str(folder / name) if "/" in name else name
    if found := shutil.which(wanted) if name else None:
        return found
    raise not_started(name, folder, errno.EACCES if name and Path(wanted).exists() else errno.ENOENT)


def not_started(program: str, folder: Path, number: int) -> ModelLoadError:
    """The failure of a process that the system did not start, in Java's words."""
    cause = f"error={number}, {os.strerror(number)}"
    engine = "ai.djl.engine.EngineException: Failed connect to Python worker process."
    java = f'java.io.IOException: Cannot run program "{program}" (in directory "{folder}"): {cause}'
    return ModelLoadError("EngineException", cause, (engine, java, f"java.io.IOException: {cause}"))


def worker_pythonpath(
    environ: Mapping[str, str], package: Path, folder: Path, stated: Mapping[str, str] | None = None
) -> str:
    """PYTHONPATH for a worker: inherited, DJL's worker, the emulated chip, its rules, the model folder.

    One that `option.env` has `stated` takes the place of all but the emulated chip, which is none of the original's.
    """
    library = Path(__file__).resolve().parents[3]
    chip: Sequence[Path] = (library / "rehearsal" / "neuron", library)
    if stated and "PYTHONPATH" in stated:
        return os.pathsep.join([stated["PYTHONPATH"], *map(str, chip)])
    inherited = environ.get("PYTHONPATH")
    return os.pathsep.join(([inherited] if inherited else []) + [str(path) for path in (package, *chip, folder)])


def _content_text(reply: Reply) -> str:
    return "\n".join(whole(data).decode("utf-8", "replace") for _, data in reply.contents)
