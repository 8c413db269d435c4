"""How many threads compute a step: one for a small model, and for a large one whichever of one or all is quicker now.

Threads of one product wait for each other. When another process takes the core of one of them, all stand still for a
slice of the scheduler: on two busy cores steps were seen to take thirty times as long on two threads as on one. The
numbers that are computed are the same on any number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

_SMALL_BYTES = 64 * 2**20  # below this, handing a step to a second thread costs more than it saves
_WARM_UP = 4  # steps in which oneDNN still compiles kernels
_FIRST_TRIAL = 8  # steps before the slower choice is tried
_TRIAL_EVERY = 64
_STALLED = 3.0  # times a usual step: a trial this slow makes the next one wait longer
_LONGEST_WAIT = 1024


class Threads:
    """Sets torch's threads for each step of one model, and puts them back afterwards."""

    def __init__(self, weight_bytes: int, clock: Callable[[], float] = time.perf_counter) -> None:
        """`weight_bytes` is what a step reads; `clock` is in seconds."""
        self._small = weight_bytes < _SMALL_BYTES
        self._clock = clock
        self._all = 1
        self._usual = {"all": 0.0, "one": float("inf")}  # seconds of a step
        self._steps = 0
        self._trial = _FIRST_TRIAL  # the step that is the next trial
        self._wait = _TRIAL_EVERY

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around a call with any number of steps."""
        self._all = torch.get_num_threads()
        try:
            yield
        finally:
            torch.set_num_threads(self._all)

    @contextmanager
    def step(self, tokens: int) -> Iterator[None]:
        """Around one forward pass over `tokens` new tokens of each row."""
        if self._small or tokens > 1 or self._all == 1:  # a prompt is long products, which a lost slice hardly delays
            self._use("one" if self._small else "all")
            yield
            return
        self._steps += 1
        trial = self._steps == self._trial
        quicker, other = sorted(self._usual, key=self._usual.__getitem__)
        chosen = other if trial else quicker
        self._use(chosen)
        begin = self._clock()
        yield
        self._learn(chosen, self._clock() - begin, trial)

    def _use(self, choice: str) -> None:
        wanted = 1 if choice == "one" else self._all
        if torch.get_num_threads() != wanted:
            torch.set_num_threads(wanted)

    def _learn(self, choice: str, elapsed: float, trial: bool) -> None:
        if self._steps <= _WARM_UP:
            return
        if trial:
            stalled = elapsed > _STALLED * min(self._usual.values())
            self._wait = min(2 * self._wait, _LONGEST_WAIT) if stalled else _TRIAL_EVERY
            self._trial = self._steps + self._wait
        usual = self._usual[choice]
        known = 0.0 < usual < float("inf") and not trial
        self._usual[choice] = usual + (elapsed - usual) / 8 if known else elapsed
