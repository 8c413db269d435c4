"""What asyncio calls when a worker prints, ends, answers or hangs up."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from rehearsal.server.errors import CodecError
from rehearsal.server.workers.codec import BLOCK, Frame, Reply, ReplyReader

STARTED = "Python engine started."  # on stdout: the worker listens on its socket
LINE_LIMIT = 65536  # bytes of one line of output
# Where Java's Scanner ends a line: a progress bar that goes back by CR is a line each time. What follows a CR decides.
LINE_END = re.compile(b"\r\n|\n|\r(?!\\Z)|\xc2\x85|\xe2\x80[\xa8\xa9]")


class Owner(Protocol):
    """The worker that is told."""

    pid: int

    def heard(self, stream: str, line: str) -> None:
        """One line of "stdout" or "stderr"."""

    def closed(self) -> None:
        """Its socket closed."""

    def ended(self) -> None:
        """The process ended."""


class Output(asyncio.SubprocessProtocol):
    """Follows the two output pipes and the end of the process."""

    def __init__(self, worker: Owner) -> None:
        self._worker = worker
        self.started, self.exited, self.drained = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._partial = {1: b"", 2: b""}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport
        self._worker.pid = transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, rest = LINE_END.split(self._partial[fd] + data)
        if len(rest) > LINE_LIMIT:
            lines, rest = [*lines, rest], b""
        self._partial[fd] = rest
        for line in lines:
            self._line(fd, line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if self._partial.get(fd):
            self._line(fd, self._partial[fd])
            self._partial[fd] = b""

    def process_exited(self) -> None:
        self.exited.set()
        self._worker.ended()

    def connection_lost(self, exc: Exception | None) -> None:
        self.drained.set()

    def exit_code(self) -> int:
        """Java's: 128 and the number of the signal that ended it, such as 137 where the kernel had no memory left."""
        code = self._transport.get_returncode() or 0
        return code if code >= 0 else 128 - code

    def close(self) -> None:
        self._transport.close()

    def _line(self, fd: int, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        self._worker.heard("stdout" if fd == 1 else "stderr", text)
        if fd == 1 and STARTED in text:
            self.started.set()


class Link(asyncio.Protocol):
    """The server's end of the worker's socket: completed messages, and one waiter for them."""

    def __init__(self, worker: Owner) -> None:
        self._worker, self._reader = worker, ReplyReader()
        self._messages: deque[Reply | Frame] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._closed = self._full = False
        self.unread = False  # the worker went away before it had read all that was sent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=BLOCK, low=BLOCK)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake()

    def data_received(self, data: bytes) -> None:
        try:
            self._messages.extend(self._reader.feed(data))
        except CodecError:
            self._transport.abort()
        if self._messages:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        # A Unix socket tells: an orderly end after everything was read, these two when something was not.
        self.unread = isinstance(exc, (ConnectionResetError, BrokenPipeError))
        self._worker.closed()
        self._wake()

    async def send(self, message: Iterable[bytes], timeout_s: float) -> float:
        """Writes a message as fast as the worker reads, and returns what is left of the time. Raises TimeoutError."""
        self._messages.clear()
        for block in message:
            while self._full and not self._closed:
                timeout_s = await self._wait(timeout_s) or 0
            if self._closed:
                self.unread = True
                break
            self._transport.write(block)
        return timeout_s

    def close(self) -> None:
        self._transport.abort()

    async def receive(self, timeout_s: float | None) -> Reply | Frame | None:
        """The next message, or None when the connection is gone. Raises TimeoutError."""
        while not self._messages and not self._closed:
            timeout_s = await self._wait(timeout_s)
        return self._messages.popleft() if self._messages else None

    async def _wait(self, timeout_s: float | None) -> float | None:
        """Waits until something happens, and returns what is left of the time. Raises TimeoutError."""
        if timeout_s is not None and timeout_s <= 0:  # the worker may be quicker than a timer
            raise TimeoutError
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._waiter = loop.create_future()
        # A plain timer: asyncio.timeout costs several times as much, on every request.
        timer = loop.call_later(timeout_s, self._expire, self._waiter) if timeout_s is not None else None
        try:
            await self._waiter
        finally:
            if timer is not None:
                timer.cancel()
            self._waiter = None
        return None if timeout_s is None else timeout_s - (loop.time() - began)

    @staticmethod
    def _expire(waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
