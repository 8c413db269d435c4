"""Users of a cluster: threads of work that ask again and again while it grows, shrinks and is hurt, and keep count."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import aiohttp

from inf2lab.errors import MeasureError
from inf2lab.planning import arrivals


@dataclass(frozen=True)
class Asked:
    """One request: when, what came back (status 0: the connection broke), by whom, and how many tokens of how many."""

    started: float
    ended: float
    status: int
    replica: str
    tokens: int
    wanted: int

    @property
    def failed(self) -> bool:
        """Whether the answer is missing, an error, or shorter than it should be: a status alone does not tell."""
        return self.status != 200 or self.tokens != self.wanted

    @property
    def took_s(self) -> float:
        """Seconds from the request to the last byte."""
        return self.ended - self.started


@dataclass(frozen=True)
class Wish:
    """What a user asks of the light handler: a text after `wait_s`, or a stream of `tokens`, `wait_s` apart."""

    wait_s: float = 0.0
    tokens: int = 0

    @property
    def body(self) -> dict[str, Any]:
        """The request's JSON."""
        return {"wait_s": self.wait_s} | ({"tokens": self.tokens} if self.tokens else {"text": ["hello"]})


class Users:
    """Users that each wait for their answer and ask again, in a thread with a loop of its own.

    with Users(url, "light", 28, Wish(0.05)) as users: ...; users.asked
    """

    def __init__(self, url: str, model: str, count: int, wish: Wish, *, once: bool = False) -> None:
        """`once`: each user asks one time only."""
        self.url, self.wish, self.once = f"{url}/predictions/{model}", wish, once
        self.asked: list[Asked] = []
        self.waiting = 0
        self._count, self._stop = count, False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Users:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> Sequence[Asked]:
        """Let every user have the answer that it waits for, and return all that was asked."""
        self._stop = self._stop or not self.once
        self._thread.join()
        return self.asked

    @property
    def failed(self) -> list[Asked]:
        """The requests without a whole answer, so far."""
        return [one for one in self.asked if one.failed]

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
            await asyncio.gather(*(self._user(session) for _ in range(self._count)))

    async def _user(self, session: aiohttp.ClientSession) -> None:
        while not self._stop:
            self.waiting += 1
            one = await ask(session, self.url, self.wish)
            self.waiting -= 1
            self.asked.append(one)
            if self.once:
                return
            if one.status == 0:
                await asyncio.sleep(0.05)  # nobody hammers a closed port


async def ask(session: aiohttp.ClientSession, url: str, wish: Wish) -> Asked:
    """Send one request and read its answer to the end; never raises for a server that fails."""
    started, status, replica, text = time.time(), 0, "", b""
    try:
        async with session.post(url, json=wish.body) as answer:
            replica = answer.headers.get("x-replica", "")
            text = await answer.read()
            status = answer.status
    except (aiohttp.ClientError, TimeoutError):
        status = 0
    tokens = len(text.split()) if wish.tokens and status == 200 else 0
    return Asked(started, time.time(), status, replica, tokens, wish.tokens)


def arrive(url: str, model: str, wish: Wish, *, rate: float, count: int, seed: int = 0) -> list[Asked]:
    """Send requests at random times (Poisson, `rate` a second), whatever is answered, and return them all."""

    async def run() -> list[Asked]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            began, under_way = time.monotonic(), []
            for due in arrivals(rate, count, seed):
                await asyncio.sleep(max(0.0, began + due - time.monotonic()))
                under_way.append(asyncio.create_task(ask(session, f"{url}/predictions/{model}", wish)))
            return await asyncio.gather(*under_way)

    return _answered(run)


def p50_ms(url: str, model: str, requests: int = 200, *, wish: Wish | None = None) -> float:
    """Return the median of requests that one user sends, one after the other, in ms; raises MeasureError."""

    async def run() -> list[Asked]:
        async with aiohttp.ClientSession() as session:
            for _ in range(20):  # connections, routes and caches
                await ask(session, f"{url}/predictions/{model}", Wish())
            wished = wish or Wish()
            return [await ask(session, f"{url}/predictions/{model}", wished) for _ in range(requests)]

    asked = _answered(run)
    if any(one.failed for one in asked):
        raise MeasureError(f"{sum(one.failed for one in asked)} of {len(asked)} requests to {url} failed")
    times = sorted(one.took_s for one in asked)
    return 1000 * times[len(times) // 2]


def _answered(run: Callable[[], Coroutine[Any, Any, list[Asked]]]) -> list[Asked]:
    """Return what a coroutine returns, from a thread of its own: a notebook's kernel has a loop in this one already."""
    found: list[Asked] = []
    thread = threading.Thread(target=lambda: found.extend(asyncio.run(run())))
    thread.start()
    thread.join()
    return found
