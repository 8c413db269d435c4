"""One process of a load that runs in several: work comes in on stdin; ticks, then the samples, go out on stdout."""

from __future__ import annotations

import asyncio
import pickle
import sys
import time

from inf2lab.measure.client import drive

TICK_S = 0.2


def main() -> None:
    """Read (target, load, requests, part, start_at), send this part's share, and write its samples."""
    target, load, requests, part, start_at = pickle.load(sys.stdin.buffer)
    out = sys.stdout.buffer
    waiting, told = [0, 0], time.monotonic()

    def send(kind: str, value: object) -> None:
        pickle.dump((kind, value), out)
        out.flush()

    def tick(good: bool) -> None:
        nonlocal told
        waiting[0] += 1
        waiting[1] += not good
        if time.monotonic() - told >= TICK_S:
            told = time.monotonic()
            send("ticks", tuple(waiting))
            waiting[:] = [0, 0]

    samples = asyncio.run(drive(target, load, requests, tick=tick, part=part, start_at=start_at))
    send("ticks", tuple(waiting))
    send("samples", samples)


if __name__ == "__main__":
    main()
