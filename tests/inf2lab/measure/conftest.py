"""A scripted server in a thread: it answers each request as its script says, and can freeze as a whole."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from inf2lab.measure import Load, Result, Row, Target

HEAD = "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\n"


@dataclass
class Reply:
    """One answer: after `delay` seconds and `after` requests, or in pieces with a pause before each."""

    status: int = 200
    body: bytes = b'{"outputs": ["done"]}'
    delay: float = 0.0
    after: int = 0  # not before so many requests have come: order, where a time would depend on the machine
    pieces: tuple[bytes, ...] = ()
    pause: float = 0.0
    drop: bool = False  # close the connection instead


Script = Callable[[int, bytes], Reply]


@dataclass
class ScriptedServer:
    """Its address, and the bodies it has seen, in the order in which they came."""

    script: Script
    port: int = 0
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def target(self, kind: str = "raw", path: str = "/predictions/m", **more: object) -> Target:
        return Target(url=self.url + path, kind=kind, **more)  # type: ignore[arg-type]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
        reply = self.script(len(self.bodies), body)
        self.bodies.append(body)
        self.paths.append(head.split()[1])
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            while len(self.bodies) < reply.after:
                await asyncio.sleep(0.001)
            await asyncio.sleep(reply.delay)
        finally:
            self._at_once -= 1
        if reply.drop:
            return False
        start = HEAD.format(status=reply.status).encode()
        if not reply.pieces:
            writer.write(start + b"content-length: %d\r\n\r\n" % len(reply.body) + reply.body)
        else:
            writer.write(start + b"transfer-encoding: chunked\r\n\r\n")
            for piece in reply.pieces:
                await asyncio.sleep(reply.pause)
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


Serve = Callable[..., ScriptedServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A function that starts a scripted server: `serve(lambda number, body: Reply(status=503))`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listeners: list[asyncio.Server] = []

    def start(script: Script = lambda number, body: Reply()) -> ScriptedServer:
        server = ScriptedServer(script)

        async def listen() -> None:
            listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1024)
            listeners.append(listener)
            server.port = listener.sockets[0].getsockname()[1]

        asyncio.run_coroutine_threadsafe(listen(), loop).result()
        return server

    yield start

    async def end() -> None:
        for listener in listeners:
            listener.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(end(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def outputs(*texts: str) -> bytes:
    """An answer of the article's handler."""
    return json.dumps({"outputs": list(texts)}).encode()


def few(**more: object) -> Load:
    """A small closed loop without a warm-up."""
    return Load(**({"requests": 6, "warm_up": 0} | more))  # type: ignore[arg-type]


def result_of(
    latencies_ms: Sequence[float],
    *,
    clients: int = 1,
    rate: float | None = None,
    seconds: float = 1.0,
    lane: str = "rehearsal",
    output_tokens: int | None = 10,
    **more: object,
) -> Result:
    """A result that was not measured: one good answer for each latency, and as many output tokens in each."""
    rows = tuple(
        Row(number, 0.0, 0.0, ms / 1e3, "200", 5, output_tokens, None, ()) for number, ms in enumerate(latencies_ms)
    )
    target = Target(url="http://127.0.0.1:8080/predictions/opt13b", lane=lane, **more)  # type: ignore[arg-type]
    load = Load(clients=clients, rate=rate, requests=max(1, len(rows)))
    return Result(target, load, rows, seconds, "0123456789ab")
