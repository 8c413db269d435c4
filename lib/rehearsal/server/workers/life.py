"""The life of one worker: take jobs, answer them, survive or not survive a timeout or a crash.

With `strict` a lost worker is handled as in DJLServing 0.25: it is loaded again, the request is answered only then, and
the new process ends with the worker. Without it the request is answered at once and the worker gets a new process.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from rehearsal.server.errors import ApiError, CodecError, ModelLoadError, WorkerLost
from rehearsal.server.models.info import FAILED
from rehearsal.server.workers.codec import Reply
from rehearsal.server.workers.factory import predict_timeout_s
from rehearsal.server.workers.jobs import Answer, Job, encode_jobs, settle
from rehearsal.server.workers.members import BUSY, REPLACING, STARTED, STOPPED, Shared, Worker
from rehearsal.server.workers.process import TIMED_OUT
from rehearsal.server.workers.rolling import roll
from rehearsal.server.workers.streams import relay

RETIRE_GRACE_S = 1.0  # for an idle worker to end by itself when its socket closes
BACKOFF_S = (0, 0.5, 1, 2, 5)  # before each further try to replace a worker


async def feed(worker: Worker, shared: Shared) -> None:
    """Runs until the worker is stopped, was idle too long, or is lost for good; ends its process."""
    _watch(worker, shared)
    try:
        while worker.alive:
            jobs = await _next_batch(worker, shared)
            if worker.process.lost and not shared.strict:
                shared.queue.extendleft(reversed(jobs))
                await _replace(worker, shared)
                continue
            if not jobs:
                break
            worker.state = BUSY
            try:
                await _serve(worker, shared, jobs)
            finally:
                if worker.state == BUSY:
                    worker.state = STARTED
    finally:
        worker.stop(STOPPED)
        shared.log.info("WorkerThread", f"Shutting down temporary worker WT-{worker.id:04d}")
        grace = 0 if shared.closed else RETIRE_GRACE_S
        await asyncio.shield(asyncio.ensure_future(worker.process.retire(grace)))


def _watch(worker: Worker, shared: Shared) -> None:
    """Wakes an idle worker whose process is lost; the original never notices."""

    def wake() -> None:
        if worker.wake is not None and not worker.wake.done():
            worker.wake.set_result(None)

    if not shared.strict:
        worker.process.on_lost = wake


async def _next_batch(worker: Worker, shared: Shared) -> list[Job]:
    """The next jobs; none when a temporary worker was idle too long, or its process is gone."""
    first = await _first_job(worker, shared)
    if first is None:
        return []
    jobs, size = [first], shared.model.batch_size
    deadline = time.monotonic() + shared.model.max_batch_delay_ms / 1000
    while size > 1:
        while len(jobs) < size and (job := shared.next_queued()):
            jobs.append(job)
        wait = deadline - time.monotonic()
        if len(jobs) == size or wait <= 0:
            break
        worker.more = asyncio.get_running_loop().create_future()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(worker.more, wait)
        worker.more = None
    return jobs


async def _first_job(worker: Worker, shared: Shared) -> Job | None:
    while True:
        if job := shared.next_queued():
            return job
        if worker.process.lost and not shared.strict:
            return None
        loop = asyncio.get_running_loop()
        wake = worker.wake = loop.create_future()
        shared.waiting.append(worker)
        timer = None
        if not worker.permanent:
            timer = loop.call_later(shared.model.max_idle_time_s, _expire, wake)
        try:
            job = await wake
        finally:
            worker.wake = None
            if timer is not None:
                timer.cancel()
        if job is None or not job.result.done():
            return job
        worker.state = STARTED  # its client is gone


def _expire(wake: asyncio.Future[Job | None]) -> None:
    if not wake.done():
        wake.set_result(None)


async def _serve(worker: Worker, shared: Shared, jobs: list[Job]) -> None:
    if worker.process.lost and shared.strict:  # died while idle
        _fail(jobs, ApiError.translate("Backend Python process is stopped."))
        return
    for job in jobs:
        shared.log.timing("QueueTime", job.waited_us)
    try:
        if shared.model.rolling_size:
            await roll(worker, shared, jobs)
            return
        try:
            reply = await worker.process.ask(encode_jobs(jobs), predict_timeout_s(shared.model))
        except WorkerLost as error:
            if not error.unread or shared.strict:
                raise
            shared.queue.extendleft(reversed(jobs))  # no handler has seen them: the replacement answers
            await _replace(worker, shared)
            return
        worker.failures = 0
        for job in jobs:  # the name that DJLServing's BatchAggregator had until 2024; since then RequestLatency
            shared.log.timing("ModelLatency", job.waited_us, shared.model.name)
        if reply.is_stream:
            await _stream(worker, jobs, reply)
        else:
            settle(jobs, reply)
    except CodecError as error:
        _fail(jobs, ApiError.translate(str(error)))
    except WorkerLost as error:
        shared.log.warn("PyProcess", f"predict[init=false] exception: {error.message}")
        await (_lose_strictly if shared.strict else _lose)(worker, shared, jobs, error)
    except asyncio.CancelledError:
        _fail(jobs, ApiError.overloaded("Worker shutting down", "WlmException"))
        raise


async def _stream(worker: Worker, jobs: list[Job], reply: Reply) -> None:
    put, pieces = relay()
    jobs[0].answer(Answer(reply, pieces))
    _fail(jobs[1:], ApiError.translate("a stream can answer one request only; set batch_size=1"))
    try:
        async for frame in worker.process.frames():
            put(frame.data)
        put(None)
    except WorkerLost as error:
        put(error)
        raise


async def _lose(worker: Worker, shared: Shared, jobs: list[Job], error: WorkerLost) -> None:
    why = " The worker is being replaced."
    if error.message == TIMED_OUT:
        limit = f"{predict_timeout_s(shared.model):g}"
        why = f": no answer in {limit} s (option.predict_timeout); the worker is being replaced."
    _fail(jobs, WorkerLost(f"{error.message}{why}"))
    await _replace(worker, shared)


async def _replace(worker: Worker, shared: Shared) -> None:
    """A new process for a lost one, tried again until the retry threshold is passed."""
    log, model = shared.log, shared.model
    worker.state = REPLACING
    while worker.state == REPLACING:
        log.info("PyProcess", f"Stop process: -1:{worker.process.pid}, failure=true")
        await worker.process.kill()
        log.info("PyProcess", f"Failure count: {worker.failures}")
        worker.failures += 1
        if worker.failures > model.config.retry_threshold:
            _give_up(worker, shared)
            return
        await asyncio.sleep(BACKOFF_S[min(worker.failures - 1, len(BACKOFF_S) - 1)])
        log.info("PyProcess", "Restart python process ...")
        try:
            worker.process = await shared.factory.start(model, worker.device, retry=worker.failures)
        except ModelLoadError as error:
            text = f"{model.name}: the replacement did not load: {error}"
            log.error("PyProcess", f"{text}\n{error.report}")
            continue
        _watch(worker, shared)
        worker.reset_batch = False
        worker.started = time.time()
        if worker.state == REPLACING:
            worker.state = STARTED


def _give_up(worker: Worker, shared: Shared) -> None:
    worker.stop(STOPPED)
    shared.model.status = FAILED
    while job := shared.next_queued():
        job.fail(ApiError.overloaded(f"Model is not ready: {shared.model}", "WlmException"))


async def _lose_strictly(worker: Worker, shared: Shared, jobs: list[Job], error: WorkerLost) -> None:
    """As the original: load again, only then answer, then end the new process with its worker."""
    model = shared.model
    began = time.monotonic()
    await worker.process.kill()
    model.failures += 1
    with contextlib.suppress(ModelLoadError):
        worker.process = await shared.factory.start(model, worker.device, retry=model.failures)
    if model.failures > model.config.retry_threshold:
        model.status = FAILED
    worker.stop(STOPPED)
    worker.died = began  # its minute in the list began before the reload
    _fail(jobs, error)


def _fail(jobs: list[Job], error: ApiError) -> None:
    for job in jobs:
        job.fail(error)
