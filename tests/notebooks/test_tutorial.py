"""The tutorial itself, run as `make run` does, in a clone of its own: a reader's files stay as they are."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from nbformat import NotebookNode

import run_notebooks
from notebook_files import NOTEBOOKS, read_notebook
from tests.support import broken_cell, broken_checks, executed, ports, written
from tests.support.clones import make_clone, run_tutorial

BROKEN = Path(__file__).with_name("broken")
GOES_ON = re.compile(r"(?:[\d.]+ s  still [^\n]*\n)+")
EDITIONS = sorted(path.parent.name for path in NOTEBOOKS.glob("[a-z][a-z]/00_*.ipynb"))
BUILT_FILES = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not BUILT_FILES, reason="no notebooks built yet: test_structure.py says which are missing"),
]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose models and logs are its own."""
    return make_clone(tmp_path / "clone")


def left_behind(clone: Path) -> list[str]:
    """The command lines of processes that a run in this clone started (they inherited INF2LAB_LOGS) and that live."""
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("INF2LAB_LOGS") == str(clone / "logs"):
                left.append(" ".join(process.cmdline()))
        except psutil.Error:  # ended meanwhile, or another user's
            continue
    return left


class Whole(NamedTuple):
    """A run of all notebooks: its clone, its end, what it printed, its executed notebooks, what their checks said of
    broken work, what it left running."""

    clone: Path
    code: int
    printed: str
    executed: dict[str, NotebookNode]
    said: dict[str, dict[str, str]]
    left: list[str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The one execution of every notebook, which all checks of a whole run share; each ends by breaking its work."""
    folder = tmp_path_factory.mktemp("whole")
    clone, source = make_clone(folder / "clone"), broken_cell.inject(NOTEBOOKS, folder / "notebooks", BROKEN)
    done = run_tutorial(clone, ports.free_port(1), "--all", "--source", str(source))
    ended = {path.name: broken_cell.split(read_notebook(path)) for path in (clone / "logs" / "runs").glob("*/*.ipynb")}
    notebooks, said = ({name: both[part] for name, both in ended.items()} for part in (0, 1))
    return Whole(clone, done.returncode, done.stdout, notebooks, said, left_behind(clone))


def output_kinds(notebook: NotebookNode) -> dict[str, list[str]]:
    """What kinds of output each code cell has, by cell id, those included whose text nbval does not compare.

    What says only that a wait goes on counts for none: it comes on a slow machine and not on a quick one.
    """
    return {
        cell.id: sorted(o.get("name", o.output_type) for o in cell.outputs if not GOES_ON.fullmatch(o.get("text", "")))
        for cell in notebook.cells
        if cell.cell_type == "code"
    }


def test_it_runs_from_the_first_notebook_to_the_last(whole: Whole) -> None:
    assert whole.code == 0, whole.printed
    answer = json.loads((whole.clone / "logs" / "answer.json").read_text(encoding="utf-8"))
    assert len(answer["prompt"]) == len(answer["text"]) == 2
    assert all(len(text.split()) > 10 for text in answer["text"])
    assert all(f"prompt: {prompt}" in whole.printed for prompt in answer["prompt"])
    assert set(whole.executed) == {path.name for path in BUILT_FILES}
    assert whole.left == []


@pytest.mark.parametrize("path", BUILT_FILES, ids=lambda path: path.stem)
def test_its_outputs_are_the_committed_ones(request: pytest.FixtureRequest, whole: Whole, path: Path) -> None:
    assert path.name in whole.executed, whole.printed
    differing = executed.differences(request.session, path, whole.executed[path.name])
    assert not differing, "\n".join(differing)
    assert output_kinds(whole.executed[path.name]) == output_kinds(read_notebook(path))


@pytest.mark.parametrize("path", BUILT_FILES, ids=lambda path: path.stem)
def test_each_check_fails_on_broken_work(whole: Whole, path: Path) -> None:
    """A check that passes whatever the reader does teaches that wrong work is right."""
    assert whole.said.get(path.name) == dict.fromkeys(broken_checks.claims(read_notebook(path)), broken_checks.FAILED)


@pytest.mark.thorough
@pytest.mark.parametrize("edition", EDITIONS)
def test_an_edition_runs_and_its_outputs_are_those_it_was_built_with(
    request: pytest.FixtureRequest, clone: Path, edition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edition is built, not executed: its outputs are the English ones, translated, but for pictures."""
    monkeypatch.setenv("INF2LAB_LANGUAGE", edition)
    done = run_tutorial(clone, ports.free_port(1), "--all", "--source", str(NOTEBOOKS / edition))
    assert done.returncode == 0, done.stdout
    ran = {path.name: read_notebook(path) for path in (clone / "logs" / "runs").glob("*/*.ipynb")}
    assert set(ran) == {path.name for path in BUILT_FILES}
    differing = [
        said
        for name, notebook in sorted(ran.items())
        for said in executed.differences(request.session, NOTEBOOKS / edition / name, notebook)
        if "[picture: " not in said
    ]
    assert not differing, "\n".join(differing)
    assert left_behind(clone) == []


def test_a_parameter_that_no_notebook_has_stops_it_before_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_notebooks.main(["-p", "no_such_parameter", "1"]) == 2
    assert "no notebook has a parameter 'no_such_parameter'; choose from: " in capsys.readouterr().err


@pytest.fixture
def started(clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """A function that starts a run in the clone, in this process, which must fail; what was printed."""

    def run(port: int, *arguments: str) -> str:
        for name, value in {"ROOT": clone, "LOGS": clone / "logs", "PORT": port}.items():
            monkeypatch.setenv(f"INF2LAB_{name}", str(value))
        assert run_notebooks.main(["--cwd", str(clone), *arguments]) == 1
        assert left_behind(clone) == []
        return capsys.readouterr().out

    return run


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["02", "99", "-p", "tensor_parallel_degree", "3"], "in short: SettingsError: tensor_parallel_degree=3: "),
        (["-p", "lane", "gpu"], "in short: SettingsError: lane='gpu': "),
    ],
)
def test_a_wrong_parameter_stops_it_with_the_rule(
    started: Callable[..., str], free_port: int, arguments: list[str], said: str
) -> None:
    assert said in started(free_port, *arguments)


@pytest.mark.thorough
def test_a_port_in_use_stops_it_with_the_remedy(clone: Path, started: Callable[..., str]) -> None:
    written.write_folder(clone / "models" / "opt13b", NOTEBOOKS / "04_model_py.ipynb")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        printed = started(port, "05", "06", "99")
    assert f"in short: PortInUse: port {port} is taken by " in printed
    assert "06_call" not in printed
