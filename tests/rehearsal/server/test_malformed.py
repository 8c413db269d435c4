"""Some hundred connections that speak no HTTP, or nearly; `tests/benchmarks/malformed.py` makes 25,000."""

from __future__ import annotations

import subprocess
import sys


def test_good_requests_among_malformed_ones_get_their_own_answer(root):
    command = [sys.executable, root / "tests" / "benchmarks" / "malformed.py", "--connections", "300"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("0 promises broken\n")
    for met in ("200: ", "400: ", "403: ", "413: "):
        assert met in done.stdout, "else the run was too short to mean anything"
