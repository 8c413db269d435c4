"""How long `explain` takes for logs of 100 MB, and how much memory: healthy ones, random ones, one failure all through.

    python tests/benchmarks/explain.py [MEGABYTES]

Each log is made block by block, and read in a process of its own. Seconds are of the processor, without making the log.
"""

from __future__ import annotations

import io
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable

from inf2lab.drills import explain_log

MEGABYTES = 100
LINE = "[INFO ] PyProcess - W-80-model-stdout: 2023-Dec-04 23:55:34.{0:04} 492260:492606 request {0} answered in 3 ms\n"
TRACEBACK = """\
WARN  PyProcess W-12-m-stderr: Traceback (most recent call last):
WARN  PyProcess W-12-m-stderr:   File "/opt/ml/model/model.py", line 31, in handle
WARN  PyProcess W-12-m-stderr:     x = inputs["q"]
WARN  PyProcess W-12-m-stderr: StrangeError: q
"""


def healthy(start: int) -> str:
    """Requests that were answered."""
    return "".join(LINE.format(start + place) for place in range(2000))


def random_words(start: int) -> str:
    """Prompts, each line another."""
    chance = random.Random(start)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(500)]
    return "".join(
        f"INFO prompt {' '.join(chance.choices(words, k=15))} {chance.getrandbits(99):x}\n" for _ in range(2000)
    )


LOGS: dict[str, Callable[[int], str]] = {
    "healthy": healthy,
    "random words": random_words,
    "in colours": lambda start: healthy(start).replace("[INFO ]", "\x1b[32mINFO \x1b[m"),
    "as JSON": lambda start: "".join(
        json.dumps({"log": line, "stream": "stdout"}) + "\n" for line in healthy(start).splitlines(keepends=True)
    ),
    "one failure again and again": lambda start: "WARN  PyProcess W-12-m-stderr: KeyError: 'seq_length'\n" * 2000,
    "tracebacks that no row knows": lambda start: TRACEBACK * 500,
    "one line": lambda start: "x" * 200_000,
}


class Made(io.RawIOBase):
    """A log that is made while it is read: twenty parts, in turns."""

    def __init__(self, make: Callable[[int], str], size: int) -> None:
        self._parts = [make(2000 * place).encode() for place in range(20)]
        self._left, self._next, self._rest = size, 0, b""

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        while len(self._rest) < size and self._left > 0:
            part = self._parts[self._next % 20]
            self._next, self._left, self._rest = self._next + 1, self._left - len(part), self._rest + part
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def measure(name: str, size: int) -> None:
    """Print seconds and memory of one log."""
    log = Made(LOGS[name], size)
    begun = time.process_time()
    found = explain_log(log)  # type: ignore[arg-type]
    seconds = time.process_time() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    names = ", ".join(match.name for match in found.matches) or "nothing"
    print(f"{name:30} {seconds:5.1f} s  {memory:4.0f} MB  {found.lines:9,} lines  {names}", flush=True)


def main() -> int:
    """Measure each log in a process of its own."""
    if len(sys.argv) == 3:
        measure(sys.argv[2], int(sys.argv[1]) << 20)
        return 0
    size = sys.argv[1] if len(sys.argv) == 2 else str(MEGABYTES)
    return max(subprocess.run([sys.executable, __file__, size, name], check=False).returncode for name in LOGS)


if __name__ == "__main__":
    sys.exit(main())
