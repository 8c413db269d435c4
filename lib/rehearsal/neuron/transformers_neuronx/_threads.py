"""How many threads compute a step: one for a small model, all for a large one, and one again where others need the CPU.

Threads of one product wait for each other. When another process takes the core of one of them, all stand still for a
slice of the scheduler: on two busy cores steps were seen to take thirty times as long on two threads as on one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

_SMALL_BYTES = 64 * 2**20  # below this, handing a step to a second thread costs more than it saves
_STALLED = 3.0  # times the quickest step
_RETRY_AFTER = 256  # steps


class Threads:
    """Sets torch's threads for each step of one model, and puts them back afterwards."""

    def __init__(self, weight_bytes: int, clock: Callable[[], float] = time.perf_counter) -> None:
        """`weight_bytes` is what a step reads; `clock` is in seconds."""
        self._small = weight_bytes < _SMALL_BYTES
        self._clock = clock
        self._quickest = float("inf")
        self._alone = 0  # steps still to be taken on one thread
        self._all = 1

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
        prompt = tokens > 1  # long products, which a lost slice hardly delays
        wanted = 1 if self._small or (self._alone > 0 and not prompt) else self._all
        if torch.get_num_threads() != wanted:
            torch.set_num_threads(wanted)
        begin = self._clock()
        yield
        if prompt or self._small:
            return
        elapsed = self._clock() - begin
        if self._alone > 0:
            self._alone -= 1
        elif elapsed > _STALLED * self._quickest:
            self._alone = _RETRY_AFTER
        else:
            self._quickest = min(self._quickest, elapsed)
