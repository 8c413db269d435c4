"""A short soak: 8 clients and a handler that fails and dies; `tests/benchmarks/soak.py` runs it for half an hour."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.thorough
def test_every_request_is_answered_and_nothing_is_left(root):
    command = [sys.executable, root / "tests" / "benchmarks" / "soak.py", "--requests", "100", "--crashes", "0.01"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("0 promises broken\n")
    for met in ("  200\n", "  424\n", "  503 java.util.concurrent.ExecutionException\n"):
        assert met in done.stdout  # else the run was too short to mean anything
