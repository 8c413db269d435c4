"""The members of a worker pool: one worker, the group on one device, and what all of a model's workers share."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from dataclasses import dataclass, field

from rehearsal.server.errors import ApiError, ModelLoadError
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.devices import Device
from rehearsal.server.models.info import ModelInfo
from rehearsal.server.switches import Switch
from rehearsal.server.workers.factory import WorkerFactory
from rehearsal.server.workers.jobs import Job
from rehearsal.server.workers.process import WorkerProcess
from rehearsal.server.workers.state import REPLACING, WorkerState

worker_ids = itertools.count(1)


@dataclass(eq=False)
class Worker:
    """One member of a group: its process, its state with the jobs it holds, and the task that feeds it."""

    process: WorkerProcess
    device: Device
    permanent: bool  # part of the least number; others end when idle too long
    id: int = field(default_factory=lambda: next(worker_ids))
    started: float = field(default_factory=time.time)
    state: WorkerState = field(default_factory=WorkerState)
    failures: int = 0  # in a row
    reset_batch: bool = False  # its process holds requests of a rolling batch that failed
    stuck: int = 0  # requests of a rolling batch whose loop has ended in the original
    task: asyncio.Task[None] | None = None

    @property
    def shown_state(self) -> str:
        """What a description of the model says of it."""
        return "UNLOADING" if not self.state.alive else "LOADING" if self.state.now is REPLACING else "READY"


@dataclass(eq=False)
class WorkerGroup:
    """The workers on one device, and how many there may be."""

    device: Device
    min_workers: int
    max_workers: int
    workers: list[Worker] = field(default_factory=list)


@dataclass(eq=False)
class Shared:
    """What the workers of one model have in common."""

    model: ModelInfo
    factory: WorkerFactory
    log: ServerLog
    queue: deque[Job] = field(default_factory=deque)
    waiting: deque[Worker] = field(default_factory=deque)  # for a job, longest first; some may wait no longer
    closed: bool = False

    def plays(self, switch: Switch) -> bool:
        """Whether this is to happen as in the original."""
        return switch in self.model.config.original

    async def start(self, device: Device, *, retry: int = 0) -> WorkerProcess:
        """A new process that has loaded the model. Raises ModelLoadError, whatever kept it from starting."""
        try:
            return await self.factory.start(self.model, device, retry=retry)
        except ApiError:
            raise
        except Exception as error:  # no descriptor, no process, no memory, a folder that is gone
            raise ModelLoadError("IOException", f"A worker cannot be started: {error!r}") from error

    def longest_waiting(self) -> Worker | None:
        """The idle worker that has waited longest, taken off the list."""
        while self.waiting:
            worker = self.waiting.popleft()
            if worker.state.waits:
                return worker
        return None

    def next_queued(self) -> Job | None:
        """The oldest job whose client still waits, taken off the queue."""
        while self.queue:
            job = self.queue.popleft()
            if not job.result.done():
                return job
        return None

    def put_back(self, jobs: list[Job]) -> None:
        """Puts jobs that no handler has seen at the head of the queue."""
        self.queue.extendleft(reversed(jobs))

    def refuse_queued(self, error: ApiError) -> None:
        """Answers all that is queued with an error."""
        while job := self.next_queued():
            job.fail(error)
