"""Threads follow the size of the model and what other processes leave of the CPU (times here are a test clock's)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from emulated_neuron.threads import Threads

LARGE, SMALL = 10**9, 10**6


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Clock:
    """Tells the seconds that a test has set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def take_steps(threads: Threads, clock: Clock, *durations: float, tokens: int = 1) -> list[int]:
    """The threads that each step ran on."""
    used = []
    for duration in durations:
        with threads.step(tokens):
            used.append(torch.get_num_threads())
            clock.now += duration
    return used


def test_small_model_takes_one_and_gives_the_others_back() -> None:
    clock = Clock()
    threads = Threads(SMALL, clock)
    with threads.running():
        assert take_steps(threads, clock, 1.0, 9.0) == [1, 1]
    assert torch.get_num_threads() == 2


def test_large_model_takes_all_where_that_is_quicker() -> None:
    clock = Clock()
    threads = Threads(LARGE, clock)
    with threads.running():
        assert take_steps(threads, clock, *[1.0] * 7) == [2] * 7
        assert take_steps(threads, clock, 1.8) == [1]  # the eighth step tries the other choice
        assert take_steps(threads, clock, *[1.0] * 63) == [2] * 63
        assert take_steps(threads, clock, 1.8) == [1]


def test_it_takes_one_while_others_need_the_cpu_and_all_again_afterwards() -> None:
    clock = Clock()
    threads = Threads(LARGE, clock)
    with threads.running():
        take_steps(threads, clock, *[1.0] * 7, 1.8)
        assert take_steps(threads, clock, 9.0) == [2]
        assert take_steps(threads, clock, *[1.8] * 5) == [1] * 5
        assert take_steps(threads, clock, 5.0, tokens=100) == [2]  # a prompt is long work
        steps = 0
        while take_steps(threads, clock, 1.8 if not _would_use_all(threads) else 1.0) == [1]:
            steps += 1
        assert steps < 64  # then a trial went well
        assert take_steps(threads, clock, *[1.0] * 5) == [2] * 5


def test_trials_that_stall_become_rare() -> None:
    clock = Clock()
    threads = Threads(LARGE, clock)
    with threads.running():
        used = []
        for _ in range(3000):
            used += take_steps(threads, clock, 30.0 if len(used) > 20 and _would_use_all(threads) else 1.0)
    assert used[-1000:].count(2) <= 1


def _would_use_all(threads: Threads) -> bool:
    quicker, other = sorted(threads._usual, key=threads._usual.__getitem__)
    return (other if threads._steps + 1 == threads._trial else quicker) == "all"


def test_first_steps_do_not_count() -> None:
    clock = Clock()
    threads = Threads(LARGE, clock)
    with threads.running():  # kernels are compiled in these, whoever computes
        assert take_steps(threads, clock, *[50.0] * 4, *[1.0] * 3, 1.8, *[1.0] * 3)[-3:] == [2, 2, 2]


def test_threads_are_put_back_after_an_error() -> None:
    threads = Threads(SMALL)
    with pytest.raises(StopIteration), threads.running(), threads.step(1):
        raise StopIteration
    assert torch.get_num_threads() == 2
