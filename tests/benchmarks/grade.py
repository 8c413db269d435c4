"""How long `inf2lab grade` takes for a class: thirty folders with every exercise and the quiz filled in.

python tests/benchmarks/grade.py [SEATS]    prints seconds, and processor time; a minute is the most that is promised
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(ROOT / "tools" / "notebooks")]

from inf2lab.grading import EXERCISES, PASSED, QUIZ, grade
from tests.support import seats


def main(number: int) -> None:
    """Grade so many seats once."""
    solved = {name: seats.solved(name) for name in (*EXERCISES, QUIZ)}
    with tempfile.TemporaryDirectory() as folder:
        for seat in range(number):
            seats.write(Path(folder) / f"seat-{seat:02}", solved)
        started = time.monotonic()
        found = grade(Path(folder))
        took_s = time.monotonic() - started
    assert all(result.state == PASSED for seat in found for result in seat.results)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_s = used.ru_utime + used.ru_stime
    print(f"{number} seats, {number * len(solved)} notebooks: {took_s:.1f} s, {processor_s:.1f} s of processor time")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
