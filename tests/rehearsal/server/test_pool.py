"""Nobody waits for a worker that does not come: every job of a pool is answered, whatever happens to its workers.

The processes are played, so that each thing happens at the moment that matters.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

import pytest

from rehearsal.server.config import Flags, load_config
from rehearsal.server.errors import ApiError, ModelLoadError, WorkerLost
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.devices import Device
from rehearsal.server.models.info import READY, ModelInfo, Registration
from rehearsal.server.workers.codec import Reply
from rehearsal.server.workers.jobs import Job, Message
from rehearsal.server.workers.pool import WorkerPool

CPU = Device("cpu", -1)
OK = Reply(200, "OK", {}, [(None, b"x")])
WAIT_S = 20  # for what comes in any case


class PlayedProcess:
    """A worker process that answers when it is let to."""

    def __init__(self) -> None:
        self.pid, self.lost, self.on_lost = 7, False, lambda: None
        self.asked, self.answers = asyncio.Event(), asyncio.Event()
        self.error: Exception | None = None
        self.reply = OK

    async def ask(self, message: Iterable[bytes], timeout_s: float) -> Reply:
        self.asked.set()
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return self.reply

    async def kill(self) -> None:
        self.lost = True

    async def retire(self, grace_s: float) -> None:
        self.lost = True


class PlayedFactory:
    """Loads workers when it is let to; a load can fail."""

    def __init__(self) -> None:
        self.processes: list[PlayedProcess] = []
        self.asked, self.loads = asyncio.Event(), asyncio.Event()
        self.error: Exception | None = None
        self.answer_at_once = False
        self.loads.set()

    async def start(self, model: ModelInfo, device: Device, *, retry: int = 0) -> PlayedProcess:
        self.asked.set()
        await self.loads.wait()
        if self.error is not None:
            raise self.error
        process = PlayedProcess()
        if self.answer_at_once:
            process.answers.set()
        self.processes.append(process)
        return process


class Play:
    """A pool with played processes."""

    def __init__(self, **settings: int) -> None:
        self.model = ModelInfo(Registration("m", "file:/m/"), load_config(Flags(), {}))
        self.model.job_queue_size, self.model.batch_size, self.model.max_idle_time_s = 100, 1, 60
        for name, value in settings.items():
            setattr(self.model, name, value)
        self.model.status = READY
        self.factory = PlayedFactory()
        self.pool = WorkerPool(self.model, self.factory, ServerLog())

    async def ask(self) -> Reply:
        job = Job(Message({"handler": "handle"}, []))
        await self.pool.submit(job)
        return await job.result


def played(play: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """A test out of a coroutine function; one that waits for ever fails."""

    def test() -> None:
        asyncio.run(asyncio.wait_for(play(), WAIT_S))

    test.__name__ = play.__name__
    return test


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def refused(task: asyncio.Task[Reply]) -> str:
    with pytest.raises(ApiError) as caught:
        await task
    return f"{caught.value.status} {caught.value.message}"


@played
async def test_a_request_is_answered() -> None:
    play = Play()
    await play.pool.scale(CPU, 1, 1)
    await settled()
    task = asyncio.ensure_future(play.ask())
    await play.factory.processes[0].asked.wait()
    play.factory.processes[0].answers.set()
    assert await task is OK
    await play.pool.close()


@played
async def test_a_worker_idle_for_too_long_leaves_no_request_behind() -> None:
    play = Play(max_idle_time_s=0)
    await play.pool.scale(CPU, 0, 1)
    play.factory.answer_at_once = True
    for steps in range(20):  # one of them comes at the moment at which the worker before goes
        assert await play.ask() is OK
        for _ in range(steps):
            await asyncio.sleep(0)
    await play.pool.close()


@played
async def test_all_that_wait_for_one_load_learn_of_its_failure() -> None:
    play = Play()
    await play.pool.scale(CPU, 0, 1)
    play.factory.loads.clear()
    play.factory.error = ModelLoadError("EngineException", "no weights")
    tasks = [asyncio.ensure_future(play.ask()) for _ in range(3)]
    await play.factory.asked.wait()
    await settled()
    play.factory.loads.set()
    assert [await refused(task) for task in tasks] == ["500 no weights"] * 3


@played
async def test_a_client_that_leaves_does_not_take_the_load_from_others() -> None:
    play = Play()
    await play.pool.scale(CPU, 0, 1)
    play.factory.loads.clear()
    leaves = asyncio.ensure_future(play.ask())
    await play.factory.asked.wait()
    stays = asyncio.ensure_future(play.ask())
    await settled()
    leaves.cancel()
    await settled()
    play.factory.loads.set()
    await settled()
    (process,) = play.factory.processes
    process.answers.set()
    assert await stays is OK
    assert play.pool.queued == 0
    await play.pool.close()


@played
async def test_scaling_to_zero_answers_what_waits_and_lets_the_busy_one_finish() -> None:
    play = Play()
    await play.pool.scale(CPU, 1, 1)
    await settled()
    served = asyncio.ensure_future(play.ask())
    await play.factory.processes[0].asked.wait()
    waits = asyncio.ensure_future(play.ask())
    await settled()
    await play.pool.scale(CPU, 0, 0)
    assert "503 All model workers has been shutdown" in await refused(waits)
    play.factory.processes[0].answers.set()
    assert await served is OK


@played
async def test_a_worker_scaled_down_in_the_moment_it_gets_a_job_answers_it_and_ends() -> None:
    play = Play()
    await play.pool.scale(CPU, 1, 1)
    await settled()
    (worker,) = play.pool.workers
    job = Job(Message({"handler": "handle"}, []))
    await play.pool.submit(job)  # nothing has run since
    await play.pool.scale(CPU, 0, 0)
    play.factory.processes[0].answers.set()
    assert await job.result is OK
    await asyncio.wait([worker.task])
    assert worker.shown_state == "UNLOADING"


@played
async def test_what_waits_for_a_worker_that_is_scaled_down_gets_another() -> None:
    play = Play()
    await play.pool.scale(CPU, 1, 1)
    await settled()
    first = asyncio.ensure_future(play.ask())
    await play.factory.processes[0].asked.wait()
    second = asyncio.ensure_future(play.ask())
    await settled()
    await play.pool.scale(CPU, 0, 1)
    play.factory.processes[0].answers.set()
    assert await first is OK
    while len(play.factory.processes) < 2:
        await asyncio.sleep(0)
    play.factory.processes[1].answers.set()
    assert await second is OK
    await play.pool.close()


@pytest.mark.parametrize("batch_size", [1, 4])
def test_unregistering_answers_who_is_served_who_gathers_and_who_waits(batch_size: int) -> None:
    async def scene() -> None:
        play = Play(batch_size=batch_size, max_batch_delay_ms=60_000)
        await play.pool.scale(CPU, 1, 1)
        await settled()
        tasks = [asyncio.ensure_future(play.ask()) for _ in range(3)]
        await settled()
        await play.pool.close()
        assert [await refused(task) for task in tasks] == ["503 Worker shutting down"] * 3
        assert await refused(asyncio.ensure_future(play.ask())) == "503 Worker shutting down"

    asyncio.run(asyncio.wait_for(scene(), WAIT_S))


@played
async def test_unregistering_answers_a_job_that_was_handed_over_and_nothing_more() -> None:
    play = Play()
    await play.pool.scale(CPU, 1, 1)
    await settled()
    job = Job(Message({"handler": "handle"}, []))
    await play.pool.submit(job)
    await play.pool.close()
    with pytest.raises(ApiError, match="Worker shutting down"):
        await job.result


@played
async def test_unregistering_during_a_replacement_answers_what_it_would_have_answered() -> None:
    play = Play()
    await play.pool.scale(CPU, 1, 1)
    await settled()
    (process,) = play.factory.processes
    task = asyncio.ensure_future(play.ask())
    await process.asked.wait()
    play.factory.asked.clear()
    play.factory.loads.clear()
    process.error = WorkerLost(unread=True)
    process.answers.set()
    await play.factory.asked.wait()
    await play.pool.close()
    assert await refused(task) == "503 Worker shutting down"


@played
async def test_unregistering_while_the_first_worker_loads_answers_who_waits_for_it() -> None:
    play = Play()
    await play.pool.scale(CPU, 0, 1)
    play.factory.loads.clear()
    tasks = [asyncio.ensure_future(play.ask()) for _ in range(2)]
    await play.factory.asked.wait()
    await settled()
    await play.pool.close()
    assert [await refused(task) for task in tasks] == ["503 Worker shutting down"] * 2


@played
async def test_a_fault_of_the_server_in_a_worker_is_said_and_answered() -> None:
    play = Play()
    await play.pool.scale(CPU, 1, 1)
    await settled()
    task = asyncio.ensure_future(play.ask())
    (process,) = play.factory.processes
    await process.asked.wait()
    process.error = RuntimeError("a fault")
    play.factory.answer_at_once = True
    process.answers.set()
    assert await refused(task) == "503 Worker shutting down"
    assert await play.ask() is OK, "the worker is replaced, and goes on"
    await play.pool.close()


@played
async def test_a_worker_that_is_lost_while_its_server_ends_is_not_loaded_again() -> None:
    play = Play()
    await play.pool.scale(CPU, 1, 1)
    await settled()
    (process,) = play.factory.processes
    task = asyncio.ensure_future(play.ask())
    await process.asked.wait()
    killing = asyncio.Event()

    async def kill() -> None:
        killing.set()
        with contextlib.suppress(asyncio.CancelledError):  # as `wait_for` may, before Python 3.12
            await asyncio.Event().wait()

    process.kill = kill  # type: ignore[method-assign]
    process.error = WorkerLost(unread=True)
    process.answers.set()
    await killing.wait()
    play.factory.asked.clear()
    await play.pool.close()
    assert await refused(task) == "503 Worker shutting down"
    assert not play.factory.asked.is_set()


@pytest.mark.parametrize("key", ["batch_².x", "batch_7.x", f"batch_{'9' * 5000}.x"])
def test_a_property_that_looks_like_a_place_in_the_batch_takes_nobody_s_answer(key: str) -> None:
    async def scene() -> None:
        play = Play(batch_size=2, max_batch_delay_ms=60_000)
        await play.pool.scale(CPU, 1, 1)
        await settled()
        play.factory.processes[0].reply = Reply(200, "OK", {key: "1"}, [(None, b"a"), (None, b"b")])
        play.factory.processes[0].answers.set()
        replies = await asyncio.gather(play.ask(), play.ask())
        assert [reply.contents[0][1] for reply in replies] == [b"a", b"b"]
        await play.pool.close()

    asyncio.run(asyncio.wait_for(scene(), WAIT_S))


@pytest.mark.parametrize("content", [b"[" * 99999, b'{"data": ' * 99999, b"\0\1\0\4code\0\3abc"])
def test_a_rolling_batch_that_makes_no_sense_leaves_nobody_waiting(content: bytes) -> None:
    async def scene() -> None:
        play = Play()
        play.model.options = {"rolling_batch": "auto"}
        await play.pool.scale(CPU, 1, 1)
        await settled()
        (process,) = play.factory.processes
        tasks = [asyncio.ensure_future(play.ask()) for _ in range(2)]  # the second one joins the first's batch
        await process.asked.wait()
        process.reply = Reply(200, "OK", {}, [(None, content)] * 2)
        process.answers.set()
        play.factory.answer_at_once = True
        _, waiting = await asyncio.wait(tasks, timeout=WAIT_S / 2)
        assert not waiting
        await play.pool.close()

    asyncio.run(asyncio.wait_for(scene(), WAIT_S))


@played
async def test_a_worker_that_cannot_be_started_for_want_of_anything_is_tried_again() -> None:
    play = Play()
    await play.pool.scale(CPU, 1, 1)
    await settled()
    (process,) = play.factory.processes
    task = asyncio.ensure_future(play.ask())
    await process.asked.wait()
    play.factory.asked.clear()
    play.factory.error = OSError(24, "Too many open files")
    play.factory.answer_at_once = True
    process.error = WorkerLost(unread=True)
    process.answers.set()
    await play.factory.asked.wait()
    await settled()
    play.factory.error = None
    assert await task is OK
    await play.pool.close()


@played
async def test_a_first_worker_that_cannot_be_started_answers_who_waits_for_it() -> None:
    play = Play()
    await play.pool.scale(CPU, 0, 1)
    play.factory.error = FileNotFoundError(2, "No such file or directory", "/m")
    assert "500 A worker cannot be started" in await refused(asyncio.ensure_future(play.ask()))
