"""tools/notebooks/run_notebooks.py: the ways a tutorial can end, and that it always cleans up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import psutil
import pytest
from papermill.engines import NBClientEngine, NotebookExecutionManager

import build_notebooks
import run_notebooks
import sparing_engine
from inf2lab.weights.standins import StandIn
from notebook_files import find_notebooks, read_notebook

if TYPE_CHECKING:
    from conftest import Tutorial


@pytest.fixture
def built(tutorial: Tutorial) -> Tutorial:
    """The small tutorial, built but not executed."""
    assert build_notebooks.main([*tutorial.build_arguments(), "--no-execute"]) == 0
    return tutorial


def executed(tutorial: Tutorial) -> dict[str, Path]:
    """The executed notebooks of the only run, by name."""
    (folder,) = (tutorial.logs / "runs").iterdir()
    return {path.stem: path for path in folder.glob("*.ipynb")}


def test_a_run_prints_a_line_a_notebook_and_then_the_answer(
    built: Tutorial, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run_notebooks.main([*built.run_arguments(), "-p", "port", "9001", "-p", "mode", "08"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ... ")[0] for line in lines[:3]] == [
        "[1/3] 00_start: Start a server",
        "[2/3] 06_call: Call it",
        "[3/3] 99_clean_up: Clean up",
    ]
    assert "The endpoint's answer (0.2 s):" in lines
    assert "  prompt: 08" in lines, "a text parameter was taken for a number"
    assert "  answer: port 9002" in lines
    notebooks = executed(built)
    assert set(notebooks) == {"00_start", "06_call", "99_clean_up"}
    assert read_notebook(notebooks["06_call"]).cells[-1].outputs[0].text.strip() == sys.executable
    assert not (built.work / "server.pid").exists()


@pytest.mark.parametrize(
    ("name", "taken"), [("00_start", True), ("06_call", True), ("07_measure", False), ("99_clean_up", True)]
)
def test_the_way_to_the_answer_ends_with_the_call_and_the_clean_up(name: str, taken: bool) -> None:
    assert run_notebooks.on_main_path(Path(f"{name}.ipynb")) is taken


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("raise", "in short: ValueError: degree is 3; it must be even: take 2"),
        pytest.param("exit", "a cell must not exit", marks=pytest.mark.thorough),
        pytest.param("die", "DeadKernelError", marks=pytest.mark.thorough),
    ],
)
def test_a_failing_cell_is_shown_what_comes_after_it_is_not_run_and_the_clean_up_is(
    built: Tutorial, capsys: pytest.CaptureFixture[str], mode: str, said: str
) -> None:
    shutil.copy(built.notebooks / "06_call.ipynb", built.notebooks / "07_later.ipynb")
    assert run_notebooks.main([*built.run_arguments(), "--all", "-p", "mode", mode]) == 1
    assert set(executed(built)) == {"00_start", "06_call", "99_clean_up"}
    printed = capsys.readouterr().out
    assert "06_call: Call it ... FAILED after" in printed
    assert "cell nb06-c04" in printed
    assert said in printed
    assert str(executed(built)["06_call"]) in printed
    assert "[4/4] 99_clean_up: Clean up ... FAILED" not in printed
    assert not (built.work / "server.pid").exists(), "the clean-up notebook did not run"


@pytest.mark.thorough
def test_a_cell_that_takes_too_long_fails(built: Tutorial, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_notebooks.main([*built.run_arguments(), "-p", "mode", "sleep", "--cell-timeout", "8"]) == 1
    assert "timed out" in capsys.readouterr().out
    assert not (built.work / "server.pid").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "tensor_paralel_degree", "8"], "no notebook has a parameter 'tensor_paralel_degree'"),
        (["-p", "port", "abc"], "port must be int"),
        (["-p", "port", "1e3"], "port must be int"),
        (["-p", "fast", "1"], "fast must be bool"),
        (["05"], "no notebook fits '05'"),
    ],
)
def test_a_wrong_argument_is_one_sentence_and_nothing_runs(
    built: Tutorial, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run_notebooks.main([*built.run_arguments(), *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not (built.logs / "runs").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.thorough)])
def test_an_interrupted_run_cleans_up_and_leaves_no_kernel(built: Tutorial, number: signal.Signals) -> None:
    tool = Path(run_notebooks.__file__)
    command = [sys.executable, str(tool), *built.run_arguments(), "-p", "mode", "sleep"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        deadline = time.monotonic() + 300
        while not (built.work / "asleep").exists():
            assert time.monotonic() < deadline, "the notebook never came to the cell that sleeps"
            time.sleep(0.1)
        kernels = psutil.Process(process.pid).children(recursive=True)
        assert kernels
        server = int((built.work / "server.pid").read_text())
        os.kill(process.pid, number)
        printed, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "interrupted; cleaning up" in printed
    assert "Traceback" not in printed
    cells = [cell for cell in read_notebook(executed(built)["06_call"]).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells][:2] == [1, 2], "what ran before is lost"
    assert not psutil.wait_procs(kernels, timeout=60)[1]
    assert not psutil.pid_exists(server) or psutil.Process(server).status() == psutil.STATUS_ZOMBIE


def test_a_copy_is_written_now_and_then_and_when_its_notebook_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, written = [datetime(2026, 1, 1, tzinfo=UTC)], []

    def cells(_: type, manager: NotebookExecutionManager, *names: str, **options: object) -> None:
        for _second in range(12):
            clock[0] += timedelta(seconds=1)
            manager.save()

    monkeypatch.setattr(NotebookExecutionManager, "now", lambda _: clock[0])
    monkeypatch.setattr("papermill.engines.write_ipynb", lambda *_: written.append(clock[0].second))
    monkeypatch.setattr(NBClientEngine, "execute_managed_notebook", classmethod(cells))
    notebook = nbformat.v4.new_notebook(metadata={"papermill": {}})
    sparing_engine.Sparing.execute_notebook(notebook, "python3", "copy.ipynb", progress_bar=False)
    assert written == [0, 5, 10, 12]


def test_only_the_last_runs_are_kept(tmp_path: Path) -> None:
    for day in range(1, 8):
        (tmp_path / f"2026010{day}-120000").mkdir()
    (tmp_path / "mine").mkdir()
    new = run_notebooks.new_run_folder(tmp_path, keep=5)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [f"2026010{day}-120000" for day in (4, 5, 6, 7)] + [new.name, "mine"]


def test_two_runs_in_one_second_have_their_own_folders(tmp_path: Path) -> None:
    folders = {run_notebooks.new_run_folder(tmp_path, keep=5) for _ in range(3)}
    assert len(folders) == 3
    assert all(folder.is_dir() for folder in folders)


def test_a_long_answer_is_shortened_and_says_whose_words_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = tmp_path / "answer.json"
    words = " ".join(f"w{number}" for number in range(500))
    answer.write_text(json.dumps({"lane": "rehearsal", "prompt": ["a"], "text": [words], "seconds": 1}))
    run_notebooks.show_answer(answer, 0)
    printed = " ".join(capsys.readouterr().out.split())
    assert "The endpoint's answer (1.0 s on this machine's processor, with small stand-in weights)" in printed
    assert f"answer: w0 w1 w2 {' '.join(words.split()[3:120])} [380 more words in {answer}]" in printed


def test_an_old_answer_is_not_shown_as_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text('{"prompt": ["a"], "text": ["old"], "seconds": 1}')
    run_notebooks.show_answer(answer, time.time() + 60)
    assert "wrote no answer" in capsys.readouterr().out


def test_notebooks_come_in_reading_order_whatever_the_arguments_order(built: Tutorial) -> None:
    found = find_notebooks(built.notebooks, ["99", "00_start.ipynb"])
    assert [path.stem for path in found] == ["00_start", "99_clean_up"]


# --- with a model that speaks for itself


def test_a_model_changes_what_serves_it_and_its_heads_are_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "HuggingFaceTB/SmolLM2-135M-Instruct"
    monkeypatch.setattr(run_notebooks, "fetch", lambda asked: StandIn(name, name, 134515008, Path("snapshot")))
    assert run_notebooks.model_parameters("smollm2-135m") == {
        "model_id": name,
        "model_name": "smollm2_135m_instruct",
        "seq_length": 256,
        "output_tokens": 8,
    }
    said = capsys.readouterr().out
    assert "9 attention heads, and keys and values for 3" in said
    assert "degree 2: 9 attention heads are padded to 10" in said
    assert "degree 3: it divides the heads, but tensor parallel degree 3 is not supported" in said
    assert "The article's release has no Llama at all" in said
    assert "This run uses degree 2, unless" in said


def test_only_notebooks_with_a_model_folder_get_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}
    monkeypatch.setattr(
        "papermill.execute_notebook", lambda path, target, *, parameters, **_: given.update({path.stem: parameters})
    )
    model = {"model_id": "smol", "model_name": "folder", "seq_length": 256}
    run = run_notebooks.Run(tmp_path / "out", tmp_path, 60, 0.0, model)
    for name, more in {"02_plan": "", "03_serve": 'model_name: str = "b"'}.items():
        declared = nbformat.v4.new_code_cell(f'model_id: str = "a"\n{more}', metadata={"tags": ["parameters"]})
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[declared]), path)
        run_notebooks.execute(path, run, {})
    assert given == {"02_plan": {}, "03_serve": {"model_id": "smol", "model_name": "folder"}}


def test_a_model_that_cannot_be_had_stops_before_anything_runs(
    built: Tutorial, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_notebooks.main([*built.run_arguments(), "--model", "smollm2-136m"]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert not (built.logs / "runs").exists()


def test_the_answer_of_a_model_itself_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = tmp_path / "answer.json"
    names = {"model": "facebook/opt-125m", "played_by": "facebook/opt-125m"}
    content = {"lane": "rehearsal", "prompt": ["a"], "text": ["a b"], "seconds": 1, **names}
    answer.write_text(json.dumps(content))
    run_notebooks.show_answer(answer, 0)
    assert "(1.0 s on this machine's processor, by facebook/opt-125m itself)" in capsys.readouterr().out
