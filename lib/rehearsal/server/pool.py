"""The queue of a model and the workers that take from it: limits, batches, scaling, timeouts, crashes.

With `strict` everything happens as in DJLServing 0.25, the minute after a crash included. Without it a worker that died
or was too slow is replaced at once, and requests wait for the replacement.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .codec import Reply
from .devices import Device
from .errors import ApiError, CodecError, ModelLoadError, WorkerLost
from .factory import WorkerFactory, predict_timeout_s
from .jobs import Answer, Job, encode_jobs, settle
from .logs import ServerLog
from .model_info import FAILED, READY, ModelInfo
from .streams import relay
from .worker import WorkerProcess

STARTED, BUSY, REPLACING, SCALED_DOWN, STOPPED = "STARTED", "BUSY", "REPLACING", "SCALED_DOWN", "STOPPED"
DEAD = (SCALED_DOWN, STOPPED)
STALE_AFTER_S = 60  # how long DJLServing keeps a dead worker in its list, and counts it
RETIRE_GRACE_S = 1.0
BACKOFF_S = (0, 0.5, 1, 2, 5)  # before each further try to replace a worker
worker_ids = itertools.count(1)


@dataclass(eq=False)
class Worker:
    """One member of a group: its process, its state, and the task that feeds it."""

    process: WorkerProcess
    device: Device
    permanent: bool
    id: int = field(default_factory=lambda: next(worker_ids))
    started: float = field(default_factory=time.time)
    state: str = STARTED
    died: float = 0.0
    failures: int = 0  # in a row
    task: asyncio.Task[None] | None = None
    wake: asyncio.Future[Job | None] | None = None  # set while it waits for a first job
    more: asyncio.Future[None] | None = None  # set while it waits to fill a batch

    @property
    def alive(self) -> bool:
        return self.state not in DEAD


@dataclass(eq=False)
class WorkerGroup:
    """The workers on one device, and how many there may be."""

    device: Device
    min_workers: int
    max_workers: int
    workers: list[Worker] = field(default_factory=list)


class WorkerPool:
    """All workers of one model."""

    def __init__(self, model: ModelInfo, factory: WorkerFactory, log: ServerLog) -> None:
        self.model, self._factory, self._log = model, factory, log
        self.strict = model.config.strict
        self.groups: dict[Device, WorkerGroup] = {}
        self.queue: deque[Job] = deque()
        self._loading = 0  # workers on their way
        self._growing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    # --- what others see

    @property
    def workers(self) -> list[Worker]:
        """All listed workers, dead ones included."""
        return [worker for group in self.groups.values() for worker in group.workers]

    @property
    def fully_scaled(self) -> bool:
        """Whether each group lists at least its least number of workers."""
        return all(group.min_workers <= len(group.workers) for group in self.groups.values())

    # --- scaling

    async def scale(self, device: Device, low: int, high: int) -> None:
        """Sets a device's limits (-1 keeps one) and starts or ends workers. Raises ModelLoadError."""
        self.cleanup()
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
            self._log.info("WorkerPool", f"scale down from workers {len(permanent)} to {group.min_workers}")
            for worker in permanent[group.min_workers :]:
                self._retire(worker, SCALED_DOWN)
        if group.max_workers == 0:
            for worker in group.workers:
                self._retire(worker, SCALED_DOWN)

    def cleanup(self) -> None:
        """Forgets workers that have been dead for a minute."""
        now = time.monotonic()
        for group in self.groups.values():
            group.workers = [w for w in group.workers if w.alive or now - w.died <= STALE_AFTER_S]

    async def close(self) -> None:
        """Ends all workers, busy ones too, and fails what waits."""
        self._closed = True
        while self.queue:
            self.queue.popleft().fail(ApiError.overloaded("Worker shutting down", "WlmException"))
        for worker in self.workers:
            self._retire(worker, STOPPED)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _add(self, group: WorkerGroup, *, permanent: bool) -> None:
        self._loading += 1
        try:
            process = await self._factory.start(self.model, group.device)
        finally:
            self._loading -= 1
        if self._closed:
            await process.kill()
            return
        worker = Worker(process, group.device, permanent)
        group.workers.append(worker)
        worker.task = self._spawn(self._run(worker))

    def _max_workers(self) -> int:
        return sum(group.max_workers for group in self.groups.values())

    def _counts(self, worker: Worker) -> bool:
        """Whether a worker takes a place; the original also counts the dead that it still lists."""
        return worker.alive or self.strict

    def _retire(self, worker: Worker, state: str) -> None:
        if not worker.alive:
            return
        idle = worker.state == STARTED
        worker.state, worker.died = state, time.monotonic()
        if worker.task is not None and (idle or self._closed):
            worker.task.cancel()

    # --- requests

    async def submit(self, job: Job) -> None:
        """Queues a job, or raises the ApiError that refuses it; may start a worker first."""
        model = self.model
        if model.status != READY:
            raise ApiError.overloaded(f"Model is not ready: {model}", "WlmException")
        if self._max_workers() == 0:
            raise ApiError.overloaded(f"All model workers has been shutdown: {model}", "WlmShutdownException")
        if worker := self._idle():
            worker.state = BUSY if model.batch_size == 1 else STARTED
            worker.wake.set_result(job)  # type: ignore[union-attr]  # _idle checked it
            return
        self.cleanup()
        running = sum(worker.alive for worker in self.workers)
        refused = self._refusal(running)
        if refused is None:
            self.queue.append(job)
            for worker in self.workers:
                if worker.more is not None and not worker.more.done():
                    worker.more.set_result(None)
        crowded = running < self._max_workers() and len(self.queue) > 2 * model.batch_size
        if running == 0 and (self.strict or not self._loading):
            await self._grow()
        elif crowded:
            self._spawn(self._grow_quietly())
        if refused is not None:
            raise ApiError.overloaded(f"Worker queue capacity exceeded for model: {model}{refused}")

    def _idle(self) -> Worker | None:
        for group in self.groups.values():
            for worker in group.workers:
                if worker.state == STARTED and worker.wake is not None and not worker.wake.done():
                    return worker
        return None

    def _refusal(self, running: int) -> str | None:
        """None if the queue takes one more job, else what to add to the message."""
        limit = self.model.job_queue_size
        # As in the original: the last place is never given while all workers are busy.
        room = limit - len(self.queue) - all(w.state != STARTED for w in self.workers)
        if self.strict:
            return "" if running == 0 or room < 1 else None
        if room < 1:
            return f"; job_queue_size={limit}, {len(self.queue)} waiting and {running} being answered"
        return None

    async def _grow(self) -> None:
        """Adds a temporary worker on the device with most room, if any has."""
        async with self._growing:
            group = max(self.groups.values(), key=lambda g: g.max_workers - self._size(g), default=None)
            if group is None or group.max_workers <= self._size(group) or self._closed:
                return
            running = sum(worker.alive for worker in self.workers)
            self._log.info("WorkLoadManager", f"Scaling up workers for model {self.model} to {running + 1} ")
            await self._add(group, permanent=False)

    async def _grow_quietly(self) -> None:
        try:
            await self._grow()
        except ModelLoadError as error:
            self._log.warn("WorkLoadManager", f"one more worker for {self.model} did not load: {error}")

    def _size(self, group: WorkerGroup) -> int:
        return sum(map(self._counts, group.workers))

    # --- a worker's life

    async def _run(self, worker: Worker) -> None:
        worker.process.on_lost = self._waker(worker)
        try:
            while worker.alive:
                jobs = await self._next_jobs(worker)
                if worker.process.lost and not self.strict:
                    self.queue.extendleft(reversed(jobs))
                    await self._replace(worker)
                    continue
                if not jobs:
                    break
                worker.state = BUSY
                try:
                    await self._serve(worker, jobs)
                finally:
                    if worker.state == BUSY:
                        worker.state = STARTED
        finally:
            if worker.alive:
                worker.state, worker.died = STOPPED, time.monotonic()
            self._log.info("WorkerThread", f"Shutting down temporary worker WT-{worker.id:04d}")
            await asyncio.shield(self._spawn(worker.process.retire(0 if self._closed else RETIRE_GRACE_S)))

    def _waker(self, worker: Worker) -> Callable[[], None]:
        def wake() -> None:
            if not self.strict and worker.wake is not None and not worker.wake.done():
                worker.wake.set_result(None)

        return wake

    async def _next_jobs(self, worker: Worker) -> list[Job]:
        """The next batch; empty when a temporary worker was idle too long, or its process is gone."""
        first = await self._next_job(worker)
        if first is None:
            return []
        jobs, size = [first], self.model.batch_size
        deadline = time.monotonic() + self.model.max_batch_delay_ms / 1000
        while size > 1:
            while self.queue and len(jobs) < size:
                if not (job := self.queue.popleft()).result.done():
                    jobs.append(job)
            wait = deadline - time.monotonic()
            if len(jobs) == size or wait <= 0:
                break
            worker.more = asyncio.get_running_loop().create_future()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(worker.more, wait)
            worker.more = None
        return jobs

    async def _next_job(self, worker: Worker) -> Job | None:
        while True:
            while self.queue:
                job = self.queue.popleft()
                if not job.result.done():  # a client that is gone leaves its place
                    return job
            if worker.process.lost and not self.strict:
                return None
            loop = asyncio.get_running_loop()
            worker.wake = loop.create_future()
            timer = None
            if not worker.permanent:
                timer = loop.call_later(self.model.max_idle_time_s, _expire, worker.wake)
            try:
                job = await worker.wake
            finally:
                worker.wake = None
                if timer is not None:
                    timer.cancel()
            if job is None or not job.result.done():
                return job
            worker.state = STARTED

    async def _serve(self, worker: Worker, jobs: list[Job]) -> None:
        if worker.process.lost and self.strict:  # died while idle: the original never notices
            for job in jobs:
                job.fail(ApiError.translate("Backend Python process is stopped."))
            return
        try:
            reply = await worker.process.ask(encode_jobs(jobs), predict_timeout_s(self.model))
            worker.failures = 0
            if reply.is_stream:
                await self._stream(worker, jobs, reply)
            else:
                settle(jobs, reply)
        except CodecError as error:
            for job in jobs:
                job.fail(ApiError.translate(str(error)))
        except WorkerLost as error:
            await self._lose(worker, jobs, error)
        except asyncio.CancelledError:
            for job in jobs:
                job.fail(ApiError.overloaded("Worker shutting down", "WlmException"))
            raise

    async def _stream(self, worker: Worker, jobs: list[Job], reply: Reply) -> None:
        put, pieces = relay()
        jobs[0].answer(Answer(reply, pieces))
        for job in jobs[1:]:
            job.fail(ApiError.translate("a stream can answer one request only; set batch_size=1"))
        try:
            async for frame in worker.process.frames():
                put(frame.data)
            put(None)
        except WorkerLost as error:
            put(error)
            raise

    async def _lose(self, worker: Worker, jobs: list[Job], error: WorkerLost) -> None:
        self._log.warn("PyProcess", f"predict[init=false] exception: {error.message}")
        if self.strict:
            await self._lose_strictly(worker, jobs, error)
            return
        for job in jobs:
            job.fail(self._explained(error))
        await self._replace(worker)

    def _explained(self, error: WorkerLost) -> WorkerLost:
        if error.message != "java.util.concurrent.TimeoutException":
            return WorkerLost(f"{error.message} The worker is being replaced.")
        seconds = f"{predict_timeout_s(self.model):g}"
        return WorkerLost(
            f"{error.message}: no answer in {seconds} s (option.predict_timeout); the worker is being replaced."
        )

    async def _replace(self, worker: Worker) -> None:
        """A new process for a lost one, tried again until the retry threshold is passed."""
        worker.state = REPLACING
        while worker.state == REPLACING:
            self._log.info("PyProcess", f"Stop process: -1:{worker.process.pid}, failure=true")
            await worker.process.kill()
            worker.failures += 1
            self._log.info("PyProcess", f"Failure count: {worker.failures - 1}")
            if worker.failures > self.model.config.retry_threshold:
                self._give_up(worker)
                return
            await asyncio.sleep(BACKOFF_S[min(worker.failures - 1, len(BACKOFF_S) - 1)])
            self._log.info("PyProcess", "Restart python process ...")
            try:
                worker.process = await self._factory.start(self.model, worker.device, retry=worker.failures)
            except ModelLoadError as error:
                self._log.error(
                    "PyProcess", f"{self.model.name}: the replacement did not load: {error}\n{error.report}"
                )
                continue
            worker.process.on_lost = self._waker(worker)
            if worker.state == REPLACING:
                worker.state, worker.started = STARTED, time.time()

    def _give_up(self, worker: Worker) -> None:
        worker.state, worker.died = STOPPED, time.monotonic()
        self.model.status = FAILED
        while self.queue:
            self.queue.popleft().fail(
                ApiError.overloaded(f"Model is not ready: {self.model}", "WlmException")
            )

    async def _lose_strictly(self, worker: Worker, jobs: list[Job], error: WorkerLost) -> None:
        """As the original: load again, only then answer, then end the new process with its worker."""
        await worker.process.kill()
        self.model.failures += 1
        with contextlib.suppress(ModelLoadError):
            worker.process = await self._factory.start(self.model, worker.device, retry=self.model.failures)
        if self.model.failures > self.model.config.retry_threshold:
            self.model.status = FAILED
        worker.state, worker.died = STOPPED, time.monotonic()
        for job in jobs:
            job.fail(error)

    def _spawn(self, work: object) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _expire(wake: asyncio.Future[Job | None]) -> None:
    if not wake.done():
        wake.set_result(None)
