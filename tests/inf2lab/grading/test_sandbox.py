"""What a reader's cell may do to the machine that grades it: answer, and nothing else."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import pytest

from inf2lab.grading.sandbox import Outcome, Task, run_all

# A cell, and a word of what is said of it.
ENDLESS = {"while True: pass": "loop without an end", "import time\nwhile True: time.sleep(1)": "loop without an end"}
BAD = {
    "import sys\nsys.exit(3)": "SystemExit",
    "import os\nos._exit(0)": "ended before it answered",
    "x = bytearray(10**11)": "MemoryError",
    "def f(): f()\nf()": "RecursionError",
    "x = [": "SyntaxError",
    "input()": "EOFError",
    "1 / 0": "ZeroDivisionError",
    "import subprocess\nsubprocess.run(['touch', '{place}/new'])": "Forbidden",
    "import os\nos.system('touch {place}/new')": "Forbidden",
    "import os\nos.fork()": "Forbidden",
    "import os\nos.kill(os.getppid(), 9)": "Forbidden",
    "import socket\nsocket.create_connection(('127.0.0.1', 1))": "Forbidden",
    "open('{place}/kept', 'w')": "outside of the folder",
    "open('{place}/new', 'x')": "outside of the folder",
    "import os\nos.remove('{place}/kept')": "outside of the folder",
    "import os\nos.rename('{place}/kept', 'mine')": "outside of the folder",
    "import shutil\nshutil.rmtree('{place}')": "outside of the folder",
    "import os\nos.chmod('{place}/kept', 0)": "outside of the folder",
    "import os\nos.truncate('{place}/kept', 0)": "outside of the folder",
    "from pathlib import Path\nPath('mine').symlink_to('{place}')\n(Path('mine') / 'kept').write_text('')": "outside",
    "import sys\nsys.stdout = None\nraise KeyboardInterrupt": "KeyboardInterrupt",
    "raise type('Odd', (BaseException,), {{'__str__': lambda self: 1 / 0}})()": "Odd",
}
GOOD = {
    "x = 1": 1,
    "print('y' * 10**6)\nx = 2": 2,
    "from pathlib import Path\nPath('models/a').write_text('3')\nx = int(Path('models/a').read_text())": 3,
    "%%writefile models/new/b.py\nx = 4": None,
    "%matplotlib inline\nx = 5\n!ls": 5,
    "import threading\nthreading.Thread(target=__import__('time').sleep, args=(999,)).start()\nx = 6": 6,
}


def judge(names: dict[str, Any]) -> Any:
    return names.get("x")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder, which must stay as it is."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "kept").write_text("kept")
    return folder


@pytest.fixture(scope="module")
def outcomes(place: Path) -> dict[str, Outcome]:
    """What came of each cell, all of them run once; those that never end have a short time of their own."""
    found = {}
    for cells, seconds in (([*BAD, *GOOD], 120.0), ([*ENDLESS], 0.5)):
        tasks = [Task([cell.format(place=place) if cell in BAD else cell], judge) for cell in cells]
        found |= {cells[number]: outcome for number, outcome in run_all(tasks, seconds=seconds, at_once=4)}
    return found


@pytest.mark.parametrize("cell", ENDLESS | BAD)
def test_what_a_cell_must_not_do_is_said_of_it_and_ends_nothing_else(outcomes: dict[str, Outcome], cell: str) -> None:
    assert outcomes[cell].value is None
    assert outcomes[cell].fault
    assert (ENDLESS | BAD)[cell] in outcomes[cell].fault


@pytest.mark.parametrize("cell", GOOD)
def test_a_cell_does_what_it_does_in_a_notebook(outcomes: dict[str, Outcome], cell: str) -> None:
    assert outcomes[cell] == Outcome(GOOD[cell])


def test_the_readers_folder_is_as_it_was(outcomes: dict[str, Outcome], place: Path) -> None:
    assert outcomes
    assert [path.name for path in place.iterdir()] == ["kept"]
    assert (place / "kept").read_text() == "kept"


def test_nothing_is_left_of_what_ran(outcomes: dict[str, Outcome], tmp_path: Path) -> None:
    """Neither in this process, whose folder and environment a child's are not, nor on the disk."""
    assert "INF2LAB_ROOT" not in os.environ or "inf2lab-graded" not in os.environ["INF2LAB_ROOT"]
    assert not [path for path in tmp_path.parent.parent.glob("inf2lab-graded-*") if path.is_dir()]


def test_a_judge_that_says_too_much_says_nothing() -> None:
    ((_, outcome),) = run_all([Task(["x = 'y' * 10**7"], judge)], seconds=60, at_once=1)
    assert "ended before it answered" in outcome.fault


def test_who_asks_no_further_leaves_no_process() -> None:
    """The generator is closed after its first outcome; the others' processes end with it."""
    tasks = [Task(["x = 1"], judge), Task(["while True: pass"], judge)]
    running = run_all(tasks, seconds=600, at_once=2)
    assert next(running) == (0, Outcome(1))
    running.close()


def test_a_cell_has_its_memory_whatever_the_grader_has_mapped() -> None:
    """A thread whose start finds no memory is waited for without an end."""
    starts_a_thread = next(cell for cell in GOOD if "threading" in cell)
    with mmap.mmap(-1, 6 * 2**30):  # mapped, and never touched
        ((_, outcome),) = run_all([Task([starts_a_thread], judge)], seconds=60, at_once=1)
    assert outcome == Outcome(6)
