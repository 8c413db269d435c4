"""What a worker is doing: the states, the changes between them, the jobs that it holds, and what it waits for.

    STARTED --> BUSY        it answers what it holds
       |  <--    |
       v         v
      REPLACING --> STARTED   its process was lost, and a new one has loaded the model
    any of these --> SCALED_DOWN or STOPPED, which stay

A worker is handed a job and told to end by others, between any two of its own steps. So one object makes every change,
at once, and keeps the jobs: whoever looks next sees a worker that takes jobs or one that does not, never one that will
find out later; and a job that was handed over is answered by what ends the worker, whatever that is.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from enum import StrEnum

from rehearsal.server.errors import ApiError
from rehearsal.server.workers.jobs import Job


class State(StrEnum):
    """What a worker is doing."""

    STARTED = "STARTED"  # waits for jobs, or gathers a batch
    BUSY = "BUSY"
    REPLACING = "REPLACING"
    SCALED_DOWN = "SCALED_DOWN"
    STOPPED = "STOPPED"


STARTED, BUSY, REPLACING, SCALED_DOWN, STOPPED = State
CHANGES = {
    STARTED: {BUSY, REPLACING, SCALED_DOWN, STOPPED},
    BUSY: {STARTED, REPLACING, SCALED_DOWN, STOPPED},
    REPLACING: {STARTED, SCALED_DOWN, STOPPED},
    SCALED_DOWN: set(),
    STOPPED: set(),
}
ENDED = tuple(state for state, following in CHANGES.items() if not following)


class WorkerState:
    """The state of one worker, its jobs and its waiting; nothing else changes them."""

    __slots__ = ("_more", "_now", "_wake", "ended_at", "jobs")

    def __init__(self) -> None:
        self._now = STARTED
        self._wake: asyncio.Future[None] | None = None  # while it waits for a first job
        self._more: asyncio.Future[None] | None = None  # while it waits to fill a batch
        self.jobs: list[Job] = []  # taken and not yet given back
        self.ended_at = 0.0  # monotonic seconds

    # --- what it is

    @property
    def now(self) -> State:
        """What the worker is doing."""
        return self._now

    @property
    def alive(self) -> bool:
        """Whether it takes jobs, now or after its replacement."""
        return self._now not in ENDED

    @property
    def waits(self) -> bool:
        """Whether a job handed to it now would be its first."""
        return self._wake is not None and not self._wake.done()

    # --- jobs

    async def wait(self, idle_limit_s: float | None) -> None:
        """Waits until a job is handed over, somebody calls, or the worker ends; idle for too long, it ends itself."""
        loop = asyncio.get_running_loop()
        self._wake = loop.create_future()
        timer = None if idle_limit_s is None else loop.call_later(idle_limit_s, self._expire)
        try:
            await self._wake
        finally:
            self._wake = None
            if timer is not None:
                timer.cancel()

    async def wait_for_more(self, limit_s: float) -> None:
        """Waits until another job is queued, at most so long."""
        self._more = asyncio.get_running_loop().create_future()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._more, limit_s)
        self._more = None

    def hand_over(self, job: Job, *, gathers: bool) -> None:
        """Gives a job to a worker that waits; one that goes on to gather a batch is not busy yet."""
        self.jobs.append(job)
        if not gathers:
            self._change(BUSY)
        self.call()

    def take(self, job: Job) -> None:
        """Adds a job that the worker took off the queue itself."""
        self.jobs.append(job)

    def call(self) -> None:
        """Ends its waiting for a first job, with or without one."""
        _settle(self._wake)

    def call_for_more(self) -> None:
        """Ends its waiting for another job."""
        _settle(self._more)

    def begin(self) -> None:
        """It starts to answer its jobs; one that was told to end answers them all the same."""
        self._change(BUSY)

    def finish(self) -> None:
        """Its jobs are answered, or their clients gone."""
        self.jobs = []
        if self._now is BUSY:
            self._change(STARTED)

    def give_back(self) -> list[Job]:
        """Its jobs, which it holds no longer."""
        jobs, self.jobs = self.jobs, []
        return jobs

    def fail(self, error: ApiError) -> None:
        """Answers its jobs with an error; those that have an answer keep it."""
        for job in self.give_back():
            job.fail(error)

    # --- its process

    def lose(self) -> bool:
        """Its process is being replaced; False if it was told to end, and needs none."""
        return self._change(REPLACING)

    def recover(self) -> None:
        """A new process has loaded the model."""
        self._change(STARTED)

    # --- the end

    def end(self, state: State, *, at: float | None = None) -> None:
        """It takes no more jobs, and waits for none."""
        if self._change(state):
            self.ended_at = time.monotonic() if at is None else at
            self.call()

    def _expire(self) -> None:
        if self.waits:
            self.end(STOPPED)

    def _change(self, state: State) -> bool:
        """Makes a change of the table; what has ended stays as it is. Raises ValueError for any other."""
        if state in CHANGES[self._now]:
            self._now = state
        elif state is not self._now and self.alive:
            raise ValueError(f"a worker that is {self._now} cannot become {state}")
        return self._now is state


def _settle(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
