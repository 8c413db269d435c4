"""The load generator: sends requests on an event loop and notes when each was due, sent, begun and answered.

An open loop never waits for answers before it counts: a request's time begins when it was due, also when no connection
was free then. So a server that stalls cannot hide the requests that would have come meanwhile (coordinated omission).
Several processes agree on the clock's start, take every n-th request each, and hand their exact samples back; nothing
is merged from summaries.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple

import aiohttp

from inf2lab.errors import MeasureError
from inf2lab.measure.load import Load
from inf2lab.measure.target import POOL, Post, Target

clock = time.perf_counter  # which all processes of a machine share
Tell = Callable[[int, int], None]  # so many answers more, and so many failures among them
TIMEOUT, REFUSED, BROKEN = "timeout", "refused", "broken"
TOLD_EACH_S = 0.2
HEAD_START_S = 1.0  # for the slowest process to import and to warm up
PAUSE_S = 0.05  # of a client that goes on until it is told to end: nobody hammers a closed port
PART = "from inf2lab.measure.client import send_part; send_part()"


class Sample(NamedTuple):
    """One request; times in seconds from the start of the load. `status` is an HTTP status or how it failed."""

    number: int
    due: float
    sent: float
    ended: float
    status: str
    body: bytes  # empty where nobody reads it
    pieces: tuple[tuple[float, bytes], ...]  # of a stream, as they came
    replica: str  # who answered, where the endpoint says so


class Traffic:
    """A load under way, in a thread with an event loop of its own: a notebook's loop runs already.

    with Traffic(target, Load(clients=28, seconds=math.inf)) as users: ...; users.samples
    """

    def __init__(
        self,
        target: Target,
        load: Load,
        posts: Sequence[Post] | None = None,
        *,
        tell: Tell = lambda done, failed: None,
        part: int = 0,
    ) -> None:
        self.target, self.load = target, load
        self.posts = posts or target.requests(load.seed, load.count or POOL)
        self.samples: list[Sample] = []
        self.waiting = 0  # requests without an answer, now
        self.start = 0.0  # by the clock
        self._tell, self._part, self._ending = tell, part, False
        self._headers = {"Content-Type": "application/json", **target.headers}
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True, name="inf2lab-load")

    def begin(self) -> Traffic:
        """Start sending, and return itself."""
        self._thread.start()
        return self

    def __enter__(self) -> Traffic:
        return self.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        self.wait()

    def wait(self) -> list[Sample]:
        """Return a sample of every counted request, by number, once the load is over; raises what went wrong."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return sorted(self.samples)

    async def drive(self, start_at: float = 0.0) -> list[Sample]:
        """Send this part's share of the load after its warm-up, from `start_at` on; returns the samples by number."""
        timeout = aiohttp.ClientTimeout(total=self.load.timeout_s)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        ) as session:
            await self._warm_up(session)
            now = clock()
            self.start = max(now, start_at)
            await asyncio.sleep(self.start - now)
            await (self._open_loop(session) if self.load.open else self._closed_loop(session))
        return sorted(self.samples)

    def _work(self) -> None:
        try:
            asyncio.run(self.drive())
        except BaseException as error:  # handed to the thread that waits
            self._error = error

    async def _warm_up(self, session: aiohttp.ClientSession) -> None:
        """Send the warm-up, as many at a time as the load may; it opens the connections, too."""
        self.start = clock()
        numbers = iter(range(self._share(self.load.warm_up)))

        async def client() -> None:
            for number in numbers:
                await self._send(session, number, None)

        clients = self.load.in_flight if self.load.open else self.load.clients
        at_once = min(self._share(clients), self.load.warm_up)
        await asyncio.gather(*(client() for _ in range(max(1, at_once))))

    async def _closed_loop(self, session: aiohttp.ClientSession) -> None:
        """Each client sends, waits for the answer, and sends again."""
        load, numbers = self.load, self._numbers()

        async def client() -> None:
            for number in numbers:
                if self._ending or (load.seconds is not None and clock() - self.start >= load.seconds):
                    return
                status = self._keep(await self._send(session, number, None))
                if status in (REFUSED, BROKEN) and load.requests is None:
                    await asyncio.sleep(PAUSE_S)

        await asyncio.gather(*(client() for _ in range(self._share(load.clients))))

    async def _open_loop(self, session: aiohttp.ClientSession) -> None:
        """Requests are sent when they are due, or as soon after as a connection is free."""
        slots = asyncio.Semaphore(max(1, self._share(self.load.in_flight)))
        running: set[asyncio.Task[None]] = set()

        async def one(number: int, due: float) -> None:
            try:
                self._keep(await self._send(session, number, due))
            finally:
                slots.release()

        for number, due in list(enumerate(self.load.schedule()))[self._part :: self.load.processes]:
            wait = self.start + due - clock()
            if wait > 0:
                await asyncio.sleep(wait)
            await slots.acquire()
            if self._ending:
                break
            task = asyncio.create_task(one(number, due))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)

    def _share(self, total: int) -> int:
        return share(total, self._part, self.load.processes)

    def _numbers(self) -> Iterator[int]:
        number = self._part
        while self.load.requests is None or number < self.load.requests:
            yield number
            number += self.load.processes

    def _keep(self, sample: Sample) -> str:
        self.samples.append(sample)
        self._tell(1, sample.status != "200")
        return sample.status

    async def _send(self, session: aiohttp.ClientSession, number: int, due: float | None) -> Sample:
        body, status, replica = b"", "", ""
        pieces: list[tuple[float, bytes]] = []
        post, shape = self.posts[number % len(self.posts)], self.target.shape
        self.waiting += 1
        sent = clock() - self.start
        try:
            async with session.post(self.target.url, data=post.body, headers=self._headers) as reply:
                replica = reply.headers.get("x-replica", "")
                if shape.streams:
                    async for piece in reply.content.iter_any():
                        pieces.append((clock() - self.start, piece))
                else:
                    body = await reply.read()
                status = str(reply.status)
        except TimeoutError:
            status = TIMEOUT
        except aiohttp.ClientConnectorError:
            status = REFUSED
        except (aiohttp.ClientError, OSError):
            status = BROKEN
        ended = clock() - self.start
        self.waiting -= 1
        kept = body if shape.texts is not None and status == "200" else b""
        return Sample(number, sent if due is None else due, sent, ended, status, kept, tuple(pieces), replica)


def share(total: int, part: int, parts: int) -> int:
    """Return how many of `total` things fall to a part."""
    return total // parts + (part < total % parts)


def send_all(target: Target, load: Load, posts: Sequence[Post], progress: Tell | None) -> list[Sample]:
    """Return a sample of every counted request of a load, by number; raises MeasureError.

    `progress` is told now and then how many answers there are, and how many failures among them.
    """
    told = Told(progress or (lambda done, failed: None))
    if load.processes == 1:
        samples = Traffic(target, load, posts, tell=told.add).begin().wait()
    else:
        samples = _in_processes(target, load, posts, told)
    told.pass_on()
    return samples


class Told:
    """Adds up what several threads tell, and passes the sums on a few times a second."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._lock, self._at = tell, threading.Lock(), time.monotonic()
        self.done = self.failed = 0

    def add(self, done: int, failed: int) -> None:
        """Count so many answers more, and so many failures among them."""
        with self._lock:
            self.done, self.failed = self.done + done, self.failed + failed
            if time.monotonic() - self._at >= TOLD_EACH_S:
                self._at = time.monotonic()
                self.pass_on()

    def pass_on(self) -> None:
        """Tell the sums as they are."""
        self._tell(self.done, self.failed)


def send_part() -> None:
    """Be one process of several: the work comes on stdin; the sums, then the samples, go out on stdout."""
    target, load, posts, part, start_at = pickle.load(sys.stdin.buffer)
    out = sys.stdout.buffer

    def say(found: object) -> None:
        try:
            pickle.dump(found, out)
            out.flush()
        except BrokenPipeError:  # who asked has gone, and nobody wants the rest
            os._exit(1)

    told = Told(lambda done, failed: say((done, failed)))
    samples = asyncio.run(Traffic(target, load, posts, tell=told.add, part=part).drive(start_at))
    told.pass_on()
    say(samples)


def _in_processes(target: Target, load: Load, posts: Sequence[Post], told: Told) -> list[Sample]:
    start_at = clock() + HEAD_START_S
    command = [sys.executable, "-c", PART]
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    # In groups of their own: a terminal's Ctrl-C is this process's, which ends them.
    parts = [subprocess.Popen(command, **streams, process_group=0) for _ in range(load.processes)]
    samples: list[Sample] = []
    failures: list[str] = []

    def follow(number: int, part: subprocess.Popen[bytes]) -> None:
        assert part.stdin is not None
        assert part.stdout is not None
        before = (0, 0)
        try:
            with part.stdin as pipe:
                pickle.dump((target, load, posts, number, start_at), pipe)
            while isinstance(found := pickle.load(part.stdout), tuple):
                told.add(found[0] - before[0], found[1] - before[1])
                before = found
            samples.extend(found)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            failures.append(f"part {number} ended early ({type(error).__name__})")
        finally:
            part.stdout.close()
            part.wait()

    threads = [threading.Thread(target=follow, args=pair, daemon=True) for pair in enumerate(parts)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for part in parts:
            if part.poll() is None:
                part.kill()
                part.wait()
    if failures:
        raise MeasureError(f"the load generator lost a process: {'; '.join(failures)}; run with processes=1")
    return sorted(samples)
