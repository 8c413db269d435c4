"""launch, extend and sweep as commands against the played AWS; what one process launches, another sweeps."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inf2lab.cli import app


@pytest.mark.thorough
def test_a_run_from_launch_to_nothing_left(
    moto_server: dict[str, str], aws_left: Callable[[], list[str]], tmp_path: Path
) -> None:
    environment = {**moto_server, "INF2LAB_LOGS": str(tmp_path), "COLUMNS": "200"}

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner(env=environment).invoke(app, list(words))
        assert done.exit_code == code, done.output
        return done.output

    def run_alone(*words: str) -> str:
        command = [sys.executable, "-m", "inf2lab.cli", *words]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    launch = ("launch", "--lane", "inf2", "--instance", "inf2.xlarge", "--hours", "2")
    assert "dry run: AWS would allow it" in run(*launch)
    assert aws_left() == []
    printed = run_alone(*launch, "--confirm")
    assert "AWS-StartPortForwardingSession" in printed
    assert {line.split()[0] for line in aws_left()} == {"instance", "volume", "group", "schedules", "role"}
    assert "was not swept yet" in run(*launch, "--confirm", code=2)
    assert "ends at" in run("extend", "--hours", "1")
    assert "nothing is left, nothing bills" in run_alone("sweep")
    assert aws_left() == []
    assert "removed 0" in run("sweep")
    assert "open runs: none" in run("extend", "--hours", "1", code=2)
