"""The tutorial itself, run as `make run` does, in a clone of its own: a reader's files stay as they are."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from nbformat import NotebookNode

from notebook_files import NOTEBOOKS, ROOT, read_notebook

BUILT_FILES = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not BUILT_FILES, reason="no notebooks built yet: test_structure.py says which are missing"),
]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """The logs folder of a clone whose models are its own; all that is only read is this clone's."""
    clone = tmp_path / "clone"
    (clone / "models").mkdir(parents=True)
    for path in ROOT.iterdir():
        if path.name not in {"models", "logs", "cache", ".git"}:
            (clone / path.name).symlink_to(path)
    for path in (ROOT / "models").iterdir():
        if path.name.startswith("tiny"):  # weights
            (clone / "models" / path.name).symlink_to(path)
    return clone / "logs"


def run_tutorial(logs: Path, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The finished run; what it printed is in `stdout`."""
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "notebooks" / "run_notebooks.py"), "--cwd", str(logs.parent), *arguments],
        env={
            **os.environ,
            "INF2LAB_ROOT": str(logs.parent),
            "INF2LAB_LOGS": str(logs),
            "INF2LAB_PORT": str(port),
            "INF2LAB_CLUSTER": "recorded",  # `make test-scale` runs notebook 09 on a live one
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def left_behind(logs: Path) -> list[str]:
    """The command lines of processes that this run started (they inherited its INF2LAB_LOGS) and that still live."""
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("INF2LAB_LOGS") == str(logs):
                left.append(" ".join(process.cmdline()))
        except psutil.Error:  # ended meanwhile, or another user's
            continue
    return left


def output_kinds(notebook: NotebookNode) -> dict[str, list[str]]:
    """What kinds of output each code cell has, by cell id; papermill's own cells are left out."""
    return {
        cell.id: sorted(output.get("name", output.output_type) for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.id.startswith("nb")
    }


def test_it_runs_from_the_first_notebook_to_the_last(logs: Path, free_port: int) -> None:
    # nbval has the notebooks' own length; here the answers of notebook 06 are shorter, and its checks as they are.
    done = run_tutorial(logs, free_port, "--all", "-p", "seq_length", "256")
    assert done.returncode == 0, done.stdout
    answer = json.loads((logs / "answer.json").read_text(encoding="utf-8"))
    assert len(answer["prompt"]) == len(answer["text"]) == 2
    assert all(len(text.split()) > 10 for text in answer["text"])
    assert all(f"prompt: {prompt}" in done.stdout for prompt in answer["prompt"])
    (folder,) = (logs / "runs").iterdir()
    assert {path.name for path in folder.glob("*.ipynb")} == {path.name for path in BUILT_FILES}
    for path in BUILT_FILES:
        assert output_kinds(read_notebook(folder / path.name)) == output_kinds(read_notebook(path)), path.name
    assert left_behind(logs) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "tensor_parallel_degree", "3"], "in short: SettingsError: tensor_parallel_degree=3: "),
        (["-p", "lane", "gpu"], "in short: SettingsError: lane='gpu': "),
        (["-p", "no_such_parameter", "1"], "no notebook has a parameter 'no_such_parameter'; choose from: "),
    ],
)
def test_a_wrong_parameter_stops_it_with_the_rule(logs: Path, free_port: int, arguments: list[str], said: str) -> None:
    done = run_tutorial(logs, free_port, *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stdout
    assert left_behind(logs) == []


def test_a_port_in_use_stops_it_with_the_remedy(logs: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_tutorial(logs, port)
    assert done.returncode == 1
    assert f"in short: PortInUse: port {port} is taken by " in done.stdout
    assert left_behind(logs) == []
