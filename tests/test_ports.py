"""The ports that tests are given: no two processes of tests on a machine share any."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import ports

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = "from tests.support.ports import free_port; print(*[free_port() for _ in range(250)], flush=True); input()"


def test_processes_that_run_at_once_are_given_other_ports() -> None:
    words = [sys.executable, "-c", PROGRAM]
    others = [
        subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    given = [
        {ports.free_port() for _ in range(250)},
        *(set(map(int, other.stdout.readline().split())) for other in others),
    ]
    for other in others:
        other.communicate("\n")
    assert min(map(len, given)) > 50
    assert len(set.union(*given)) == sum(map(len, given))
