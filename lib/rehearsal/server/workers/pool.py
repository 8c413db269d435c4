"""The queue of a model and its workers: who takes a request, when it is refused, how many workers there are.

The rules are those observed on DJLServing 0.25, but that dead workers take no place and hold nothing up unless a switch
asks for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine

from rehearsal.server.errors import ApiError, ModelLoadError
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.devices import Device
from rehearsal.server.models.info import READY, ModelInfo
from rehearsal.server.switches import Switch
from rehearsal.server.workers.factory import WorkerFactory
from rehearsal.server.workers.jobs import Job
from rehearsal.server.workers.life import feed
from rehearsal.server.workers.members import Shared, Worker, WorkerGroup
from rehearsal.server.workers.process import WorkerProcess
from rehearsal.server.workers.refusals import not_ready, queue_full, scaled_to_zero, worker_ends
from rehearsal.server.workers.state import REPLACING, SCALED_DOWN, STARTED, STOPPED, State

STALE_AFTER_S = 60  # how long DJLServing keeps a dead worker in its list, and counts it


class WorkerPool:
    """All workers of one model."""

    def __init__(self, model: ModelInfo, factory: WorkerFactory, log: ServerLog) -> None:
        self._shared = Shared(model, factory, log)
        self._log = log
        self.groups: dict[Device, WorkerGroup] = {}
        self._loading = 0  # workers on their way
        self._growing = asyncio.Lock()
        self._feeds: set[asyncio.Task[None]] = set()
        self._growths: set[asyncio.Task[None]] = set()

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
        """Sets a device's limits (-1 keeps one) and starts or ends workers. Raises ApiError."""
        self._cleanup()
        if device not in self.groups:
            self.groups[device] = WorkerGroup(device, *self._shared.model.worker_range(device))
        group = self.groups[device]
        group.max_workers = high if high >= 0 else group.max_workers
        group.min_workers = low if low >= 0 else group.min_workers
        permanent = [w for w in group.workers if w.permanent and self._counts(w)]
        missing = group.min_workers - len(permanent)
        if missing > 0:
            self._log.info(
                "WorkerPool",
                f"scaling up min workers by {missing} (from {len(permanent)} to {group.min_workers}) workers. "
                f"Total range is min {group.min_workers} to max {group.max_workers}",
            )
            for _ in range(missing):
                await self._add(group, permanent=True)
        else:
            text = f"scale down from workers {len(permanent)} to {group.min_workers}"
            self._log.info("WorkerPool", text)
            if group.min_workers < 0:
                raise ApiError(500, "IndexOutOfBoundsException", f"fromIndex = {group.min_workers}")
            for worker in permanent[group.min_workers :]:
                self._retire(worker, SCALED_DOWN)
        if group.max_workers == 0:
            for worker in group.workers:
                self._retire(worker, SCALED_DOWN)
        if self._max_workers() == 0:
            self._refuse_unless_served(scaled_to_zero(self._shared.model))

    async def close(self) -> None:
        """Ends all workers, busy ones too, and fails what waits."""
        self._shared.closed = True
        self._shared.refuse_queued(worker_ends())
        for worker in self.workers:
            self._retire(worker, STOPPED)
        for task in self._growths:
            task.cancel()
        while tasks := self._feeds | self._growths:
            await asyncio.gather(*tasks, return_exceptions=True)
        self._shared.refuse_queued(worker_ends())  # what a worker gave back at its end

    async def _add(self, group: WorkerGroup, *, permanent: bool) -> None:
        try:
            process = await self._load(group.device)
        except ApiError as error:
            self._refuse_unless_served(error)
            raise
        if self._shared.closed:
            await process.kill()
            return
        worker = Worker(process, group.device, permanent)
        group.workers.append(worker)
        worker.task = _spawn(feed(worker, self._shared), self._feeds)
        worker.task.add_done_callback(self._look_after_queue)

    async def _load(self, device: Device) -> WorkerProcess:
        self._loading += 1
        try:
            return await self._shared.start(device)
        finally:
            self._loading -= 1

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

    def _look_after_queue(self, ended: asyncio.Task[None]) -> None:
        """Nobody may wait for a worker that does not come: called when one ended. The original lets them wait."""
        if not ended.cancelled() and (error := ended.exception()):
            self._log.error("WorkerThread", f"Unexpected error\n{error!r}")
        if self._max_workers() == 0:
            self._refuse_unless_served(scaled_to_zero(self._shared.model))
        elif self.queued and not self._is_served() and not self._shared.closed:
            self._spawn_growth(self._grow_quietly())

    def _refuse_unless_served(self, error: ApiError) -> None:
        if not self._is_served():
            self._shared.refuse_queued(error)

    def _is_served(self) -> bool:
        """Whether a worker is there, or on its way, for what is queued; in the original nobody asks."""
        return self._shared.plays(Switch.QUEUE_IS_LEFT_ALONE) or self._loading > 0 or self._running() > 0

    def _retire(self, worker: Worker, state: State) -> None:
        is_at_work = bool(worker.state.jobs) or worker.state.now is REPLACING
        worker.state.end(state)
        if is_at_work and self._shared.closed and worker.task is not None:
            worker.task.cancel()

    def _cleanup(self) -> None:
        """Forgets workers that have been dead for a minute."""
        now = time.monotonic()
        for group in self.groups.values():
            group.workers = [w for w in group.workers if w.state.alive or now - w.state.ended_at <= STALE_AFTER_S]

    def _size(self, group: WorkerGroup) -> int:
        return sum(map(self._counts, group.workers))

    def _counts(self, worker: Worker) -> bool:
        """Whether a worker takes a place; the original also counts the dead that it still lists."""
        return worker.state.alive or self._shared.plays(Switch.DEAD_WORKERS_COUNT)

    def _running(self) -> int:
        return sum(worker.state.alive for worker in self.workers)

    def _max_workers(self) -> int:
        return sum(group.max_workers for group in self.groups.values())

    # --- who takes a request

    async def submit(self, job: Job) -> None:
        """Hands a job to a worker or queues it, or raises the ApiError that refuses it; may start a worker."""
        model, shared = self._shared.model, self._shared
        if shared.closed:  # unregistered since the job came in
            raise worker_ends()
        if model.status != READY:
            raise not_ready(model)
        if self._max_workers() == 0:
            raise scaled_to_zero(model)
        if worker := shared.longest_waiting():
            worker.state.hand_over(job, gathers=model.batch_size > 1)
            return
        self._cleanup()
        running = self._running()
        refused = self._refusal(running)
        if refused is None:
            self._enqueue(job)
        if running == 0 and (shared.plays(Switch.NO_WORKER_IS_503) or not self._loading):
            await self._grow_for(job)
        elif running < self._max_workers() and len(shared.queue) > 2 * model.batch_size:
            self._spawn_growth(self._grow_quietly())
        if refused is not None:
            raise queue_full(model, refused)

    def _enqueue(self, job: Job) -> None:
        self._shared.queue.append(job)
        for worker in self.workers:
            worker.state.call_for_more()

    async def _grow_for(self, job: Job) -> None:
        """Adds a worker for a job, and gives up the job's place in the queue if that fails or its client leaves.

        The load goes on then: others may wait for the same worker.
        """
        growth = self._spawn_growth(self._grow())
        try:
            await asyncio.wait([growth])
        except asyncio.CancelledError:
            job.result.cancel()
            raise
        error = None if growth.cancelled() else growth.exception()
        if error is not None and job.result.cancel():  # else it was answered where it waited
            raise error

    def _refusal(self, running: int) -> str | None:
        """None if the queue takes one more job, else what to add to the message."""
        limit = self._shared.model.job_queue_size
        # As in the original: the last place is never given while all workers are busy.
        room = limit - self.queued - all(worker.state.now is not STARTED for worker in self.workers)
        if running == 0 and self._shared.plays(Switch.NO_WORKER_IS_503):
            return ""
        if room >= 1:
            return None
        if self._shared.plays(Switch.QUEUE_LIMIT_UNSAID):
            return ""
        return f"; job_queue_size={limit}, {self.queued} waiting and {running} being answered"

    def _spawn_growth(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        return _spawn(work, self._growths)


def _spawn(work: Coroutine[None, None, None], tasks: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # else asyncio complains of it
    return task
