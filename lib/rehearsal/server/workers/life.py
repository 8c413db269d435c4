"""The life of one worker: take jobs, answer them, survive or not survive a timeout or a crash.

A lost worker's request is answered at once and the worker gets a new process, or all is as in DJLServing 0.25: the
model is loaded again, the request is answered only then, and the new process ends with the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from dataclasses import replace

from rehearsal.server.errors import ApiError, CodecError, ModelLoadError, WorkerLost
from rehearsal.server.models.info import FAILED
from rehearsal.server.switches import Switch
from rehearsal.server.workers.codec import Reply
from rehearsal.server.workers.jobs import encode_jobs, settle
from rehearsal.server.workers.members import Shared, Worker
from rehearsal.server.workers.refusals import not_ready, worker_ends, worker_lost
from rehearsal.server.workers.rolling import roll
from rehearsal.server.workers.state import STOPPED
from rehearsal.server.workers.streams import relay

RETIRE_GRACE_S = 1.0  # for an idle worker to end by itself when its socket closes
BACKOFF_S = (0, 0.5, 1, 2, 5)  # before each further try to replace a worker


async def feed(worker: Worker, shared: Shared) -> None:
    """Runs until the worker is told to end, was idle too long, or is lost for good; ends its process."""
    state = worker.state
    _watch(worker, shared)
    try:
        if shared.model.batch_size < 0:  # the original makes a list of that length
            text = f"java.lang.IllegalArgumentException: Illegal Capacity: {shared.model.batch_size}"
            shared.log.error("WorkerThread", f"Server error\n{text}")
            state.end(STOPPED)
        while state.alive:
            try:
                if not await _turn(worker, shared):
                    break
            except Exception:  # what nobody has thought of must not leave a client waiting for ever
                shared.log.error("WorkerThread", f"Unexpected error\n{traceback.format_exc()}")
                state.fail(worker_ends())
                await (_lose_as_java if shared.plays(Switch.RELOAD_BEFORE_ANSWER) else _lose)(
                    worker, shared, WorkerLost()
                )
    finally:
        state.end(STOPPED)
        state.fail(worker_ends())
        shared.log.info("WorkerThread", f"Shutting down temporary worker WT-{worker.id:04d}")
        grace = 0 if shared.closed else RETIRE_GRACE_S
        await asyncio.shield(asyncio.ensure_future(worker.process.retire(grace)))


async def _turn(worker: Worker, shared: Shared) -> bool:
    """The next jobs, or a new process; False when the worker is to end."""
    state = worker.state
    await _gather(worker, shared)
    if worker.process.lost and not shared.plays(Switch.IDLE_DEATH_IS_FINAL):
        await _replace(worker, shared)
        return True
    if not state.jobs:
        return False
    state.begin()
    await _serve(worker, shared)
    state.finish()
    return True


def _watch(worker: Worker, shared: Shared) -> None:
    """Wakes an idle worker whose process is lost; the original never notices."""
    if not shared.plays(Switch.IDLE_DEATH_IS_FINAL):
        worker.process.on_lost = worker.state.call


async def _gather(worker: Worker, shared: Shared) -> None:
    """Waits for the next jobs; the worker holds none if it ended, or its process is gone."""
    await _await_first(worker, shared)
    state, size = worker.state, shared.model.batch_size
    if not state.jobs or size <= 1:
        return
    deadline = time.monotonic() + shared.model.max_batch_delay_ms / 1000
    while True:
        while len(state.jobs) < size and (job := shared.next_queued()):
            state.take(job)
        wait = deadline - time.monotonic()
        if len(state.jobs) == size or wait <= 0:
            return
        await state.wait_for_more(wait)


async def _await_first(worker: Worker, shared: Shared) -> None:
    state = worker.state
    while state.alive:
        if job := shared.next_queued():
            state.take(job)
            return
        if worker.process.lost and not shared.plays(Switch.IDLE_DEATH_IS_FINAL):
            return
        shared.waiting.append(worker)
        await state.wait(None if worker.permanent else shared.model.max_idle_time_s)
        if not state.jobs or not state.jobs[0].result.done():
            return
        state.finish()  # its client is gone


async def _serve(worker: Worker, shared: Shared) -> None:
    state, model = worker.state, shared.model
    if worker.process.lost and shared.plays(Switch.IDLE_DEATH_IS_FINAL):
        state.fail(ApiError.translate("Backend Python process is stopped."))
        return
    for job in state.jobs:
        shared.log.timing("QueueTime", job.waited_us)
    try:
        if model.rolls and len(state.jobs) == 1:  # a gathered batch is asked as one, as in the original
            await roll(worker, shared, state.jobs)
            return
        try:
            reply = await worker.process.ask(encode_jobs(state.jobs, model.handler), model.predict_timeout_s)
        except WorkerLost as error:
            if not error.unread or shared.plays(Switch.UNREAD_REQUEST_IS_LOST):
                raise
            await _replace(worker, shared)  # no handler has seen the jobs: the replacement answers
            return
        worker.failures = 0
        for job in state.jobs:  # the name that DJLServing's BatchAggregator had until 2024; since then RequestLatency
            shared.log.timing("ModelLatency", job.waited_us, model.name)
        if reply.is_stream:
            await _stream(worker, reply)
        else:
            settle(state.jobs, reply)
    except CodecError as error:
        state.fail(ApiError.translate(str(error)))
    except WorkerLost as error:
        shared.log.warn("PyProcess", f"predict[init=false] exception: {error.message}")
        await (_lose_as_java if shared.plays(Switch.RELOAD_BEFORE_ANSWER) else _lose)(worker, shared, error)


async def _stream(worker: Worker, reply: Reply) -> None:
    put, pieces = relay()
    first, *others = worker.state.jobs
    first.answer(replace(reply, pieces=pieces))
    for job in others:
        job.fail(ApiError.translate("a stream can answer one request only; set batch_size=1"))
    try:
        async for frame in worker.process.frames():
            put(frame.data)
        put(None)
    except WorkerLost as error:
        put(error)
        raise
    except BaseException:
        put(worker_ends())
        raise


async def _lose(worker: Worker, shared: Shared, error: WorkerLost) -> None:
    worker.state.fail(worker_lost(error, shared.model))
    await _replace(worker, shared)


async def _replace(worker: Worker, shared: Shared) -> None:
    """A new process for a lost one, tried again until the retry threshold is passed; it answers what was held."""
    log, model, state = shared.log, shared.model, worker.state
    shared.put_back(state.give_back())
    while state.lose():
        log.info("PyProcess", f"Stop process: -1:{worker.process.pid}, failure=true")
        await worker.process.kill()
        log.info("PyProcess", f"Failure count: {worker.failures}")
        worker.failures += 1
        if model.gives_up_after(worker.failures):
            _give_up(worker, shared)
            return
        await asyncio.sleep(BACKOFF_S[min(worker.failures - 1, len(BACKOFF_S) - 1)])
        if not state.alive:  # told to end meanwhile; before 3.12 `wait_for` may swallow the cancellation that says so
            return
        log.info("PyProcess", "Restart python process ...")
        try:
            worker.process = await shared.start(worker.device, retry=worker.failures)
        except ModelLoadError as error:
            text = f"{model.name}: the replacement did not load: {error}"
            log.error("PyProcess", f"{text}\n{error.report}")
            continue
        _watch(worker, shared)
        worker.reset_batch = False
        worker.started = time.time()
        state.recover()
        return


def _give_up(worker: Worker, shared: Shared) -> None:
    worker.state.end(STOPPED)
    shared.model.status = FAILED
    shared.refuse_queued(not_ready(shared.model))


async def _lose_as_java(worker: Worker, shared: Shared, error: WorkerLost) -> None:
    """As the original: load again, only then answer, then end the new process with its worker.

    A worker with a rolling batch goes on: its loop takes no notice of the loss, and those whom it served hear no more.
    """
    model = shared.model
    began = time.monotonic()
    await worker.process.kill()
    model.failures += 1
    with contextlib.suppress(ModelLoadError):
        worker.process = await shared.start(worker.device, retry=model.failures)
    if model.gives_up_after(model.failures):
        model.status = FAILED
    if model.rolls and not worker.process.lost:
        worker.reset_batch = True
        return
    worker.state.end(STOPPED, at=began)  # its minute in the list began before the reload
    worker.state.fail(error)
