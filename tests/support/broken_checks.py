"""Checks on broken work: a check of a notebook must say FAIL when somebody breaks what it is about.

tests/notebooks/broken/NN.py has one cell for each check of notebook NN: its first line names the check's claim, the
rest breaks the subject. A run of the notebook gets one cell more, at its end, which calls `judge`: it does this to a
copy of the notebook's names, runs the check again, puts the model folders back, and prints what each check said. It
runs in every kernel of a run, so it imports nothing that a kernel has not.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

import inf2lab.checks

FAILED, PASSED = "FAIL", "PASS"
_CELL = re.compile(r"^# %%.*\n", re.MULTILINE)
_ITEM = re.compile(r"\s*# breaks: (?P<claim>.+)\n(?P<code>[\s\S]*)")
_SAID = re.compile(r"^PASS  (.+)$", re.MULTILINE)


def read_items(path: Path) -> dict[str, str]:
    """Return the code that breaks its subject, by the claim of the check that must notice."""
    found: dict[str, str] = {}
    for cell in _CELL.split(path.read_text(encoding="utf-8"))[1:]:
        item = _ITEM.fullmatch(cell)
        assert item, f"{path.name}: a cell begins with `# breaks: THE CLAIM OF A CHECK`, not with {cell[:60]!r}"
        assert item["claim"] not in found, f"{path.name}: two cells break {item['claim']!r}"
        found[item["claim"]] = item["code"]
    return found


def claims(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Return what a committed notebook's checks claim, each with the source of its cell."""
    found: dict[str, str] = {}
    for cell in notebook["cells"]:
        if "check" in cell["metadata"].get("tags", []):
            printed = "".join("".join(output.get("text", "")) for output in cell["outputs"])
            found |= dict.fromkeys(_SAID.findall(printed), "".join(cell["source"]))
    return found


def judge(namespace: dict[str, Any], notebook: str, items: str) -> None:
    """Print as JSON what each check says once its subject is broken: FAIL, PASS, or what went wrong meanwhile."""
    read = json.loads(Path(notebook).read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in read["cells"] if cell["cell_type"] == "code"]
    checking, said = claims(read), {}
    for claim, code in read_items(Path(items)).items():
        with contextlib.redirect_stdout(io.StringIO()), everything_put_back():
            said[claim] = verdict(claim, code, checking.get(claim), cells, namespace)
    print(json.dumps(said))


def verdict(claim: str, code: str, checking: str | None, cells: list[str], namespace: dict[str, Any]) -> str:
    """Break a subject in a copy of the names, run the cell of its check again, and return what that said."""
    if checking is None:
        return "no check of the notebook claims this"
    world = dict(namespace)
    world["rerun"] = lambda words: run(_only(cells, words), world)
    try:
        run(code, world)
        with noted() as said:
            run(checking, world | {"check": inf2lab.checks.check})
    except Exception as error:  # a check that raises tells a reader nothing
        return f"{type(error).__name__}: {error}"
    if claim not in said:
        return "the check was not reached"
    return PASSED if said[claim] else FAILED


def run(code: str, world: dict[str, Any]) -> None:
    """Run a cell's text, magics included, with other names than the notebook's own."""
    exec(compile(TransformerManager().transform_cell(code), "<cell>", "exec"), world)


def _only(cells: list[str], words: str) -> str:
    """The one cell that has these words in it."""
    found = [cell for cell in cells if words in cell]
    if len(found) != 1:
        raise LookupError(f"{len(found)} cells have {words!r} in them: rerun() needs words of one")
    return found[0]


@contextlib.contextmanager
def noted() -> Iterator[dict[str, bool]]:
    """Let every check note its claim and go on, so that each is asked whatever the one before it says."""
    said: dict[str, bool] = {}
    real = inf2lab.checks.check
    inf2lab.checks.check = lambda claim, holds, *, hint: said.update({claim: bool(holds)})
    try:
        yield said
    finally:
        inf2lab.checks.check = real


@contextlib.contextmanager
def everything_put_back() -> Iterator[None]:
    """Put model folders, environment and working directory back to what they were."""
    environment, here = dict(os.environ), Path.cwd()
    models = [path for path in Path("models").resolve().iterdir() if path.is_dir() and not path.is_symlink()]
    with tempfile.TemporaryDirectory() as kept:
        for path in models:
            shutil.copytree(path, Path(kept) / path.name, symlinks=True)
        try:
            yield
        finally:
            os.chdir(here)
            os.environ.clear()
            os.environ.update(environment)
            for path in models:
                shutil.rmtree(path, ignore_errors=True)
                shutil.copytree(Path(kept) / path.name, path, symlinks=True)
