"""How soon the commands answer that ask no server: `python tests/benchmarks/commands.py`.

`plan`, `lint` and `explain` run in turns with an interpreter that does nothing, each in a process of its own. Seconds
on the clock mean something on a quiet machine only; the processors' seconds are the command's own, and half of one is
asked of each. That they load no heavy package is held by tests/inf2lab/test_public_names.py, whatever the machine does.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from inf2lab.folder import write_article

PLAN = "plan --model opt-13b --instance inf2.48xlarge --tp 2 --batch 2 --n-positions 2048 --dtype f16 --json"


def commands(folder: Path) -> dict[str, list[str]]:
    """Return the words of each command for a folder, by its name; the first does nothing."""
    lab = [sys.executable, "-m", "inf2lab.cli"]
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "plan": [*lab, *PLAN.split()],
        "lint": [*lab, "lint", str(folder)],
        "explain": [*lab, "explain", str(folder / "serving.properties")],
    }


def seconds(words: list[str]) -> tuple[float, float]:
    """Run a command, and return seconds on the clock and of the processors; raises CalledProcessError."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(words, capture_output=True, check=False)
    clock, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):  # 1: the folder has an error
        done.check_returncode()
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the medians of each command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5, help="runs of each command")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as store:
        asked = commands(write_article("built-in", store))
        turns = [{name: seconds(words) for name, words in asked.items()} for _ in range(times)]
    for name in asked:
        clock, processors = (statistics.median(turn[name][kind] for turn in turns) for kind in (0, 1))
        print(f"{name:16}{clock:6.2f} s, {processors:.2f} s of the processors; medians of {times}")


if __name__ == "__main__":
    main()
