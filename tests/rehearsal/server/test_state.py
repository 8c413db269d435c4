"""The state of a worker: which changes there are, and that nobody is left waiting by one."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from rehearsal.server.errors import ApiError
from rehearsal.server.workers.jobs import Job, Message
from rehearsal.server.workers.state import BUSY, CHANGES, ENDED, REPLACING, SCALED_DOWN, STARTED, STOPPED, State
from rehearsal.server.workers.state import WorkerState as Worker

STEPS = {
    BUSY: Worker.begin,
    STARTED: Worker.recover,
    REPLACING: Worker.lose,
    SCALED_DOWN: lambda worker: worker.end(SCALED_DOWN),
    STOPPED: lambda worker: worker.end(STOPPED),
}
PATHS = {
    STARTED: (),
    BUSY: (BUSY,),
    REPLACING: (REPLACING,),
    SCALED_DOWN: (BUSY, SCALED_DOWN),
    STOPPED: (REPLACING, STOPPED),
}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(State, State)))
def test_only_the_changes_of_the_table_are_made(before: State, after: State) -> None:
    worker = Worker()
    for step in PATHS[before]:
        STEPS[step](worker)
    assert worker.now is before
    if after in CHANGES[before] or after is before or before in ENDED:
        STEPS[after](worker)
        assert worker.now is (before if before in ENDED else after)
        assert worker.alive == (worker.now not in ENDED)
    else:
        with pytest.raises(ValueError, match=f"that is {before} cannot become {after}"):
            STEPS[after](worker)


def test_an_end_keeps_its_first_reason_and_time() -> None:
    worker = Worker()
    worker.end(SCALED_DOWN, at=7.0)
    worker.end(STOPPED, at=9.0)
    assert (worker.now, worker.ended_at) == (SCALED_DOWN, 7.0)
    assert not worker.lose()


def test_a_worker_that_waits_gets_the_job_at_once() -> None:
    async def play() -> None:
        worker, job = Worker(), Job(Message({}, []))
        waiting = asyncio.ensure_future(worker.wait(None))
        await asyncio.sleep(0)
        assert worker.waits
        worker.hand_over(job, gathers=False)
        assert not worker.waits, "or a second job would be handed to it"
        assert worker.now is BUSY
        await waiting
        assert worker.jobs == [job]

    asyncio.run(play())


def test_one_that_goes_on_to_gather_is_not_busy() -> None:
    async def play() -> None:
        worker = Worker()
        waiting = asyncio.ensure_future(worker.wait(None))
        await asyncio.sleep(0)
        worker.hand_over(Job(Message({}, [])), gathers=True)
        assert worker.now is STARTED
        await waiting
        more = asyncio.ensure_future(worker.wait_for_more(60))
        await asyncio.sleep(0)
        worker.call_for_more()
        await more

    asyncio.run(play())


def test_idle_for_too_long_it_is_seen_to_have_ended_before_it_knows() -> None:
    """Else a request would be queued for a worker that is about to go."""

    async def play() -> None:
        worker = Worker()
        waiting = asyncio.ensure_future(worker.wait(0))
        seen = []
        asyncio.get_running_loop().call_later(0, lambda: seen.append((worker.alive, waiting.done())))
        await waiting
        assert not worker.alive
        assert (True, True) not in seen

    asyncio.run(play())


def test_the_idle_limit_passes_a_worker_that_was_just_handed_a_job() -> None:
    async def play() -> None:
        worker = Worker()
        waiting = asyncio.ensure_future(worker.wait(0))
        await asyncio.sleep(0)
        worker.hand_over(Job(Message({}, [])), gathers=False)
        await waiting
        await asyncio.sleep(0.01)
        assert worker.now is BUSY

    asyncio.run(play())


def test_whatever_ends_it_its_jobs_are_answered() -> None:
    async def play() -> None:
        worker, job = Worker(), Job(Message({}, []))
        waiting = asyncio.ensure_future(worker.wait(None))
        await asyncio.sleep(0)
        worker.hand_over(job, gathers=False)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        worker.fail(ApiError(503, "X", "over"))
        with pytest.raises(ApiError, match="over"):
            await job.result
        assert worker.jobs == []

    asyncio.run(play())
