"""Threads follow the size of the model and what other processes leave of the CPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from transformers_neuronx._threads import Threads

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


def test_large_model_takes_all_until_a_step_stalls() -> None:
    clock = Clock()
    threads = Threads(LARGE, clock)
    with threads.running():
        assert take_steps(threads, clock, 1.0, 1.1, 9.0, 1.5, 1.5) == [2, 2, 2, 1, 1]
        assert take_steps(threads, clock, 5.0, tokens=100) == [2]  # a prompt is long work
        assert take_steps(threads, clock, 1.5) == [1]


def test_all_are_tried_again_later() -> None:
    clock = Clock()
    threads = Threads(LARGE, clock)
    with threads.running():
        take_steps(threads, clock, 1.0, 9.0)
        assert take_steps(threads, clock, *[1.5] * 257)[-2:] == [1, 2]


def test_threads_are_put_back_after_an_error() -> None:
    threads = Threads(SMALL)
    with pytest.raises(StopIteration), threads.running(), threads.step(1):
        raise StopIteration
    assert torch.get_num_threads() == 2
