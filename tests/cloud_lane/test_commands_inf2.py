"""Launch and sweep against the played AWS, by commands and by notebooks: what one process launches, another ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

import run_notebooks
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


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_from_the_launch_to_the_proof_that_nothing_is_left(
    moto_server: dict[str, str],
    aws_left: Callable[[], list[str]],
    tmp_path: Path,
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs = {"INF2LAB_LOGS": str(tmp_path), "INF2LAB_PORT": str(free_port)}
    for name, value in {**moto_server, **logs}.items():
        monkeypatch.setenv(name, value)
    words = ["-p", "lane", "inf2", "-p", "confirm", "true", "-p", "instance", "inf2.8xlarge", "01", "99"]
    assert run_notebooks.main(words) == 0, capsys.readouterr().out
    (runs,) = (tmp_path / "runs").iterdir()
    text = {}
    for path in runs.glob("*.ipynb"):
        cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
        text[path.stem] = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
    assert "ec2 run_instances: done" in text["01_instance"]
    assert "runs in us-east-2 until" in text["01_instance"]
    assert "nothing is left, nothing bills: 0 USD/h" in text["99_clean_up"]
    assert "PASS  no run on AWS is open" in text["99_clean_up"]
    assert aws_left() == []
