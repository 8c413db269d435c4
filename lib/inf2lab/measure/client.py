"""The load generator: sends requests on one event loop and notes when each was due, sent, begun and answered.

An open loop never waits for answers before it counts: a request's time begins when it was due, also when no connection
was free then. So a server that stalls cannot hide the requests that would have come meanwhile (coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import aiohttp

from inf2lab.measure.load import Load
from inf2lab.measure.target import Request, Target

Tick = Callable[[bool], None]  # called once an answer is there: whether it was a good one
TIMEOUT, REFUSED, BROKEN = "timeout", "refused", "broken"


class Sample(NamedTuple):
    """One request; times in seconds from the start of the load. `status` is an HTTP status or how it failed."""

    number: int
    due: float
    sent: float
    ended: float
    status: str
    body: bytes  # empty where nobody reads it
    pieces: tuple[tuple[float, bytes], ...]  # of a stream, as they came


async def drive(
    target: Target,
    load: Load,
    requests: Sequence[Request],
    *,
    tick: Tick,
    part: int = 0,
    start_at: float | None = None,
) -> list[Sample]:
    """Send this part's share of a load after its warm-up; returns a sample of every counted request.

    `start_at` (time.perf_counter, which all processes of a machine share) is when the clock starts.
    """
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=load.timeout_s)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    ) as session:
        sender = _Sender(session, target, load, requests)
        await sender.warm_up(part)
        now = time.perf_counter()
        sender.start = max(now, start_at or now)
        await asyncio.sleep(sender.start - now)
        if load.open:
            await sender.open_loop(part, tick)
        else:
            await sender.closed_loop(part, tick)
        return sorted(sender.samples)


def share(total: int, part: int, parts: int) -> int:
    """Return how many of `total` things fall to a part."""
    return total // parts + (part < total % parts)


class _Sender:
    """What the two loops share: a session, the requests, the clock and the samples."""

    def __init__(self, session: aiohttp.ClientSession, target: Target, load: Load, requests: Sequence[Request]) -> None:
        self._session, self._load, self._requests = session, load, requests
        self._url, self._shape = target.url, target.shape
        self._headers = {"Content-Type": "application/json", **target.headers}
        self.start = 0.0
        self.samples: list[Sample] = []

    async def warm_up(self, part: int) -> None:
        """Send the warm-up, as many at a time as the load may; it opens the connections, too."""
        self.start = time.perf_counter()
        numbers = iter(range(share(self._load.warm_up, part, self._load.processes)))

        async def client() -> None:
            for number in numbers:
                await self._send(number, None)

        clients = self._load.in_flight if self._load.open else self._load.clients
        at_once = min(share(clients, part, self._load.processes), self._load.warm_up)
        await asyncio.gather(*(client() for _ in range(max(1, at_once))))

    async def closed_loop(self, part: int, tick: Tick) -> None:
        """Each client sends, waits for the answer, and sends again."""
        load = self._load
        numbers = self._numbers(part)

        async def client() -> None:
            for number in numbers:
                if load.seconds is not None and time.perf_counter() - self.start >= load.seconds:
                    return
                tick(self._keep(await self._send(number, None)))

        await asyncio.gather(*(client() for _ in range(share(load.clients, part, load.processes))))

    async def open_loop(self, part: int, tick: Tick) -> None:
        """Requests are sent when they are due, or as soon after as a connection is free."""
        slots = asyncio.Semaphore(max(1, share(self._load.in_flight, part, self._load.processes)))
        running: set[asyncio.Task[None]] = set()

        async def one(number: int, due: float) -> None:
            try:
                tick(self._keep(await self._send(number, due)))
            finally:
                slots.release()

        for number, due in list(enumerate(self._load.schedule()))[part :: self._load.processes]:
            wait = self.start + due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            await slots.acquire()
            task = asyncio.create_task(one(number, due))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)

    def _numbers(self, part: int) -> Iterator[int]:
        number = part
        while self._load.requests is None or number < self._load.requests:
            yield number
            number += self._load.processes

    def _keep(self, sample: Sample) -> bool:
        self.samples.append(sample)
        return sample.status == "200"

    async def _send(self, number: int, due: float | None) -> Sample:
        body, status = b"", ""
        pieces: list[tuple[float, bytes]] = []
        request = self._requests[number % len(self._requests)]
        sent = time.perf_counter() - self.start
        try:
            async with self._session.post(self._url, data=request.body, headers=self._headers) as reply:
                if self._shape.streams:
                    async for piece in reply.content.iter_any():
                        pieces.append((time.perf_counter() - self.start, piece))
                else:
                    body = await reply.read()
                status = str(reply.status)
        except TimeoutError:
            status = TIMEOUT
        except aiohttp.ClientConnectorError:
            status = REFUSED
        except (aiohttp.ClientError, OSError):
            status = BROKEN
        ended = time.perf_counter() - self.start
        kept = body if self._shape.texts is not None and status == "200" else b""
        return Sample(number, sent if due is None else due, sent, ended, status, kept, tuple(pieces))
