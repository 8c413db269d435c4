"""Large files: work grows as their keys do, not as the square of them. Counted in lines of code, not in seconds."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from inf2lab import ModelFolder, Settings
from inf2lab.folder import Needs
from inf2lab.lint import lint

HEAD = "engine=Python\noption.model_id=facebook/opt-13b\noption.tensor_parallel_degree=2\n"
FEW = 300
Lines = Callable[[int], str]
PROPERTIES: dict[str, Lines] = {
    "unknown": lambda number: f"option.key_{number}=value\n",
    "without a prefix": lambda number: f"key_{number}=\n",
    "near a known one": lambda number: f"option.tensor_parallel_degre{number}=2 # two\n",
    "the same": lambda number: "option.batch_size=2\n",
    "in another case": lambda number: "option.Batch_Size=2\n",
    "with bad escapes": lambda number: f"option.key_{number}=\\u00\n",
}


def work(action: Callable[[], object]) -> int:
    """Return how many lines of inf2lab run in an action."""
    seen = [0]

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        if "inf2lab" not in frame.f_code.co_filename:
            return None
        seen[0] += 1
        return count

    action()  # the catalog is read at the first time
    before = sys.gettrace()
    sys.settrace(count)
    try:
        action()
    finally:
        sys.settrace(before)
    return seen[0]


def grows_as_it_does(folder: Path, files: Callable[[int], dict[str, str]], action: Callable[[], object]) -> None:
    """Assert that twice as much is at most a little more than twice the work."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = []
    for keys in (FEW, 2 * FEW):
        for name, text in files(keys).items():
            (folder / name).write_text(text)
        counts.append(work(action))
    assert counts[1] < 2.2 * counts[0], counts


@pytest.mark.parametrize("kind", PROPERTIES)
def test_properties_are_linted_in_one_pass(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """50,000 keys took 39 to 83 s."""
    monkeypatch.setattr("difflib.get_close_matches", lambda *_: [])

    def files(keys: int) -> dict[str, str]:
        return {"serving.properties": HEAD + "".join(map(PROPERTIES[kind], range(keys)))}

    grows_as_it_does(tmp_path / "m", files, lambda: lint(tmp_path / "m"))


def test_what_a_start_reads_is_read_in_one_pass(tmp_path: Path) -> None:
    def files(keys: int) -> dict[str, str]:
        return {"serving.properties": HEAD + "".join(map(PROPERTIES["unknown"], range(keys)))}

    grows_as_it_does(tmp_path / "m", files, lambda: Needs(Settings(), ModelFolder(tmp_path / "m")).check())


def test_variables_and_requests_are_read_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("difflib.get_close_matches", lambda *_: [])

    def files(keys: int) -> dict[str, str]:
        words = " ".join(f"-e OPTION_KEY_{number}=2" for number in range(keys))
        body = {f"key_{number}": number for number in range(keys)}
        script = f"docker run {words} djl serve\n"
        return {"serving.properties": HEAD, "start.sh": script, "request.json": json.dumps(body, indent=1)}

    grows_as_it_does(tmp_path / "m", files, lambda: lint(tmp_path / "m"))


def test_a_known_key_is_sought_for_the_first_hundred_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sought: list[str] = []
    monkeypatch.setattr("difflib.get_close_matches", lambda name, *_: sought.append(name) or [])
    (tmp_path / "serving.properties").write_text(HEAD + "".join(map(PROPERTIES["unknown"], range(150))))
    found = [finding for finding in lint(tmp_path).findings if finding.name == "unknown-key"]
    assert (len(sought), len(found)) == (100, 150)


def test_a_handler_s_tree_is_not_walked_by_each_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 walks over a table of 50,000 entries took most of five seconds."""
    walked: list[ast.AST] = []
    walk = ast.walk
    monkeypatch.setattr(ast, "walk", lambda node: walked.append(node) or walk(node))
    (tmp_path / "serving.properties").write_text(HEAD)
    (tmp_path / "model.py").write_text("def handle(inputs):\n    return inputs.get_as_json()\n")
    lint(tmp_path)
    trees = [id(node) for node in walked if isinstance(node, ast.Module)]
    assert 0 < len(trees) <= 2, "by the reader of the folder, and for all rules"
