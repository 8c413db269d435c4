"""HTTP/1.1 on the wire as DJLServing's Netty stack speaks it.

This is not uvicorn, on purpose: what the contract fixes (reason phrases, order and case of headers, an open connection
after HTTP/1.0 or `Connection: close`, RST after an error, 413 before the body, a second unsolicited answer) is all
below ASGI. A subclass of uvicorn's protocol and request cycle would replace nearly all of both.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
import traceback
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

from rehearsal.server.config import ServerConfig
from rehearsal.server.errors import ApiError
from rehearsal.server.logs import ServerLog
from rehearsal.server.switches import Switch
from rehearsal.server.wire.crowd import Crowd
from rehearsal.server.wire.decoder import ChunkSizeError, Decoder
from rehearsal.server.wire.heads import Head, MalformedError
from rehearsal.server.wire.requests import LARGE, Request
from rehearsal.server.wire.responses import Response, error_response, has_no_body, head
from rehearsal.server.workers.codec import blocks, size_of

PIPELINED = 16  # requests of one connection that wait here before it is read on
SMALL = 4096  # bytes of a part of a body that is put to the one before: a chunk may be one byte
RST_LIMIT = 64 * 1024  # a larger answer may still be in the kernel's buffer, which a reset would drop
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 413 Request Entity Too Large\r\ncontent-length: 0\r\n"
EXPECTATION_FAILED = b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n"
Handler = Callable[[Request], Awaitable[Response]]


class Connection(asyncio.Protocol):
    """One client; answers its requests one after the other, in their order."""

    def __init__(self, handler: Handler, config: ServerConfig, log: ServerLog, open_ones: Crowd) -> None:
        self._handler, self._config, self._log, self._open = handler, config, log, open_ones
        self._waiting: deque[Request | None] = deque()  # None: bytes that are no HTTP
        self._session: _Session | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._closing = self._behind = False
        loose = Switch.LOOSE_FRAMING in config.original
        self._decoder: Decoder | None = Decoder(self._begin, self._add, self._finish, loose=loose)
        self._body: list[bytes] = []
        self._unsent: Iterator[bytes] = iter(())  # of an answer that is larger than what the client has read

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._open.has_room(transport.get_extra_info("socket").fileno()):
            self._closing = True
            transport.abort()
            return
        host, port, *_ = transport.get_extra_info("peername") or ("0.0.0.0", 0)
        self._client = f"/{host}:{port}"
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._open.discard(self)
        self._decoder, self._body = None, []  # it refers back: a cycle would hold the body for long
        self._waiting.clear()
        self._wake()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._closing or self._decoder is None:
            return
        self._behind, feed = False, self._decoder.feed
        try:
            self._behind = feed(data)
        except MalformedError as error:
            self._refuse(error.line)
        except ChunkSizeError:
            self.reset()
        if self._behind:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._catch_up)

    def _catch_up(self) -> None:
        """Goes on with bytes that were read, now that the others had their turn."""
        if self._behind:
            self.data_received(b"")
            self._read_on()

    def _read_on(self) -> None:
        if not self._behind and len(self._waiting) <= PIPELINED:
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        self._wake()

    # --- decoder

    def _begin(self, head: Head) -> None:
        self._asked, self._body, self._length = head, [], 0
        is_large = head.length is not None and head.length > self._config.max_request_size
        self._swallow = is_large
        expects = head.expects
        if expects is not None and expects.lower() != "100-continue":
            self._swallow = True
            self._write(EXPECTATION_FAILED)
            self.reset()
        elif is_large:
            closes = expects is None and not head.keeps_alive
            self._write(TOO_LARGE + (b"connection: close\r\n\r\n" if closes else b"\r\n"))
            if closes or expects is not None:
                self.reset()
        elif expects is not None:
            head.headers = [pair for pair in head.headers if pair[0].lower() != "expect"]
            self._write(CONTINUE)

    def _add(self, part: bytes) -> None:
        if self._swallow:
            return
        self._length += len(part)
        if self._length > self._config.max_request_size:
            self._swallow = True
            self._body = []
            self._write(TOO_LARGE + b"connection: close\r\n\r\n")
            self.reset()
            return
        if self._body and len(part) < SMALL > len(self._body[-1]):
            self._body[-1] += part
        else:
            self._body.append(part)

    def _finish(self) -> None:
        if self._swallow or self._closing:
            return
        head, parts, self._body = self._asked, self._body, []
        body = b"".join(parts) if self._length <= LARGE else parts
        if head.length is None:
            head.headers.append(("content-length", str(self._length)))
        # As in the original, the session belongs to the connection: a pipelined request replaces the one before.
        self._session = _Session(head.line)
        self._queue(Request(head.method, head.target, head.headers, body, self.send))

    # --- answers

    def _queue(self, request: Request | None) -> None:
        self._waiting.append(request)
        if len(self._waiting) > PIPELINED:
            self._transport.pause_reading()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._answer_all())

    async def _answer_all(self) -> None:
        try:
            while self._waiting and not self._closing:
                request = self._waiting.popleft()
                try:
                    if request is None:
                        raise ApiError.bad_request("Invalid HTTP message.")
                    response = await self._handler(request)
                except ApiError as error:
                    response = error_response(error)
                except Exception as error:  # a fault of this server: the client gets an answer all the same
                    self._log.error("HttpRequestHandler", f"Unexpected error\n{traceback.format_exc()}")
                    response = error_response(ApiError(500, type(error).__name__, str(error)))
                if len(self._waiting) == PIPELINED:
                    self._read_on()
                await self.send(response, head_only=request is not None and request.method == "HEAD")
        except Exception:  # a fault while it answers: the client must not wait for ever
            self._log.error("HttpRequestHandler", f"Unexpected error\n{traceback.format_exc()}")
            self._closing = True
            self._transport.abort()
        finally:
            self._task = None

    async def send(self, response: Response, *, head_only: bool = False) -> None:
        """Writes an answer; also one that no request waits for."""
        if self._closing:
            return
        session, self._session = self._session, None
        if response.pieces is None:
            start = self._head(response, session, size_of(response.body))
            body = b"" if head_only or has_no_body(response.status) else response.body
            self._write_rest()
            self._unsent = blocks([start, *([body] if isinstance(body, bytes) else body)])
            self._transport.write(next(self._unsent))
        else:
            await self._send_stream(response, session, head_only=head_only)
        if session is not None:
            self._log.access(self._client, session.line, response.status, session.took_ms())
        for block in self._unsent:
            self._transport.write(block)
            if self._writable is not None:
                await self._writable
            if self._closing:
                return
        if self._writable is not None:
            await self._writable
        if response.status >= 400 and not self._closing:
            self.reset(size_of(response.body))

    def _write(self, data: bytes) -> None:
        """Writes what is no part of an answer, after all of the answer under way."""
        self._write_rest()
        self._transport.write(data)

    def _write_rest(self) -> None:
        for block in self._unsent:
            self._transport.write(block)

    async def _send_stream(self, response: Response, session: _Session | None, *, head_only: bool) -> None:
        assert response.pieces is not None
        first = True
        pieces = response.pieces.__aiter__()
        try:
            while True:
                piece = await asyncio.wait_for(anext(pieces), self._config.chunked_read_timeout_s)
                start = self._head(response, session, None) if first else b""
                chunk = b"%x\r\n%b\r\n" % (len(piece), piece) if piece and not head_only else b""
                first = False
                self._transport.write(start + chunk)
                if self._writable is not None:
                    await self._writable
        except StopAsyncIteration:
            start = self._head(response, session, None) if first else b""
            self._transport.write(start + (b"" if head_only else b"0\r\n\r\n"))
        except (TimeoutError, ApiError) as error:
            self._log.warn("InferenceRequestHandler", f"Chunk reading interrupted: {error!r}")
            if first and isinstance(error, ApiError) and Switch.BROKEN_STREAM_DROPS not in self._config.original:
                # Nothing was sent yet: an error is better than a dropped connection.
                await self.send(error_response(error))
                return
            self._closing = True
            self._transport.close()

    def _head(self, response: Response, session: _Session | None, length: int | None) -> bytes:
        return head(response, cors=self._config.cors, request_id=session.id if session else None, length=length)

    def reset(self, sent: int = 0) -> None:
        """Closes the connection the way the original does after an error: with RST, after what was written."""
        if self._closing:
            return
        self._closing = True
        self._write_rest()
        if self._transport.get_write_buffer_size() or sent > RST_LIMIT:
            self._transport.close()
            return
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _refuse(self, line: str) -> None:
        """Answers bytes that are no HTTP, after what came before them, and closes."""
        self._session = _Session(line)
        self._queue(None)

    def _wake(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None


class _Session:
    """What the access log says about a request."""

    __slots__ = ("began", "id", "line")

    def __init__(self, line: str) -> None:
        self.line, self.id, self.began = line, str(uuid.uuid4()), time.monotonic()

    def took_ms(self) -> int:
        return round((time.monotonic() - self.began) * 1000)
