"""The queue of a model and its workers: who takes a request, when it is refused, how many workers there are.

The rules are those observed on DJLServing 0.25; where `strict` is off, dead workers take no place and hold nothing up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine

from rehearsal.server.errors import ApiError, ModelLoadError
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.devices import Device
from rehearsal.server.models.info import READY, ModelInfo
from rehearsal.server.workers.factory import WorkerFactory
from rehearsal.server.workers.jobs import Job
from rehearsal.server.workers.life import feed
from rehearsal.server.workers.members import BUSY, SCALED_DOWN, STARTED, STOPPED, Shared, Worker, WorkerGroup

STALE_AFTER_S = 60  # how long DJLServing keeps a dead worker in its list, and counts it


class WorkerPool:
    """All workers of one model."""

    def __init__(self, model: ModelInfo, factory: WorkerFactory, log: ServerLog) -> None:
        self._shared = Shared(model, factory, log)
        self._log = log
        self.groups: dict[Device, WorkerGroup] = {}
        self._loading = 0  # workers on their way
        self._growing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def workers(self) -> list[Worker]:
        """All listed workers, dead ones included."""
        return [worker for group in self.groups.values() for worker in group.workers]

    @property
    def queued(self) -> int:
        """How many jobs wait."""
        return len(self._shared.queue)

    @property
    def fully_scaled(self) -> bool:
        """Whether each group has at least its least number of workers."""
        return all(group.min_workers <= self._size(group) for group in self.groups.values())

    # --- how many workers there are

    async def scale(self, device: Device, low: int, high: int) -> None:
        """Sets a device's limits (-1 keeps one) and starts or ends workers. Raises ModelLoadError."""
        self._cleanup()
        group = self.groups.setdefault(device, WorkerGroup(device, 1, 1))
        group.max_workers = high if high >= 0 else group.max_workers
        group.min_workers = low if low >= 0 else group.min_workers
        permanent = [w for w in group.workers if w.permanent and self._counts(w)]
        missing = group.min_workers - len(permanent)
        if missing > 0:
            self._log.info(
                "WorkerPool",
                f"scaling up min workers by {missing} (from {len(permanent)} to {group.min_workers}) workers. "
                f"Total range is min {group.min_workers} to max {self._max_workers()}",
            )
            for _ in range(missing):
                await self._add(group, permanent=True)
        elif missing < 0:
            text = f"scale down from workers {len(permanent)} to {group.min_workers}"
            self._log.info("WorkerPool", text)
            for worker in permanent[group.min_workers :]:
                self._retire(worker, SCALED_DOWN)
        if group.max_workers == 0:
            for worker in group.workers:
                self._retire(worker, SCALED_DOWN)

    async def close(self) -> None:
        """Ends all workers, busy ones too, and fails what waits."""
        self._shared.closed = True
        while job := self._shared.next_queued():
            job.fail(ApiError.overloaded("Worker shutting down", "WlmException"))
        for worker in self.workers:
            self._retire(worker, STOPPED)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _add(self, group: WorkerGroup, *, permanent: bool) -> None:
        self._loading += 1
        try:
            process = await self._shared.factory.start(self._shared.model, group.device)
        finally:
            self._loading -= 1
        if self._shared.closed:
            await process.kill()
            return
        worker = Worker(process, group.device, permanent)
        group.workers.append(worker)
        worker.task = self._spawn(feed(worker, self._shared))

    async def _grow(self) -> None:
        """Adds a temporary worker on the device with most room, if any has."""
        async with self._growing:
            group = max(self.groups.values(), key=lambda g: g.max_workers - self._size(g), default=None)
            if group is None or group.max_workers <= self._size(group) or self._shared.closed:
                return
            text = f"Scaling up workers for model {self._shared.model} to {self._running() + 1} "
            self._log.info("WorkLoadManager", text)
            await self._add(group, permanent=False)

    async def _grow_quietly(self) -> None:
        try:
            await self._grow()
        except ModelLoadError as error:
            self._log.warn("WorkLoadManager", f"one more worker for {self._shared.model} did not load: {error}")

    def _retire(self, worker: Worker, state: str) -> None:
        idle = worker.state == STARTED
        worker.stop(state)
        if worker.task is not None and (idle or self._shared.closed):
            worker.task.cancel()

    def _cleanup(self) -> None:
        """Forgets workers that have been dead for a minute."""
        now = time.monotonic()
        for group in self.groups.values():
            group.workers = [w for w in group.workers if w.alive or now - w.died <= STALE_AFTER_S]

    def _size(self, group: WorkerGroup) -> int:
        return sum(map(self._counts, group.workers))

    def _counts(self, worker: Worker) -> bool:
        """Whether a worker takes a place; the original also counts the dead that it still lists."""
        return worker.alive or self._shared.strict

    def _running(self) -> int:
        return sum(worker.alive for worker in self.workers)

    def _max_workers(self) -> int:
        return sum(group.max_workers for group in self.groups.values())

    # --- who takes a request

    async def submit(self, job: Job) -> None:
        """Hands a job to a worker or queues it, or raises the ApiError that refuses it; may start a worker."""
        model, shared = self._shared.model, self._shared
        if model.status != READY:
            raise ApiError.overloaded(f"Model is not ready: {model}", "WlmException")
        if self._max_workers() == 0:
            raise ApiError.overloaded(f"All model workers has been shutdown: {model}", "WlmShutdownException")
        if worker := shared.longest_waiting():
            worker.state = BUSY if model.batch_size == 1 else STARTED  # one that fills a batch is not busy
            assert worker.wake is not None
            worker.wake.set_result(job)
            return
        self._cleanup()
        running = self._running()
        refused = self._refusal(running)
        if refused is None:
            self._enqueue(job)
        if running == 0 and (shared.strict or not self._loading):
            await self._grow_for(job)
        elif running < self._max_workers() and len(shared.queue) > 2 * model.batch_size:
            self._spawn(self._grow_quietly())
        if refused is not None:
            raise ApiError.overloaded(f"Worker queue capacity exceeded for model: {model}{refused}")

    def _enqueue(self, job: Job) -> None:
        self._shared.queue.append(job)
        for worker in self.workers:
            if worker.more is not None and not worker.more.done():
                worker.more.set_result(None)

    async def _grow_for(self, job: Job) -> None:
        try:
            await self._grow()
        except ApiError:
            job.result.cancel()  # leaves its place in the queue
            raise

    def _refusal(self, running: int) -> str | None:
        """None if the queue takes one more job, else what to add to the message."""
        limit = self._shared.model.job_queue_size
        # As in the original: the last place is never given while all workers are busy.
        room = limit - self.queued - all(worker.state != STARTED for worker in self.workers)
        if self._shared.strict:
            return "" if running == 0 or room < 1 else None
        if room < 1:
            return f"; job_queue_size={limit}, {self.queued} waiting and {running} being answered"
        return None

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
