"""The faces of inf2lab's rooms: complete, documented, and importable without heavy packages."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIB = ROOT / "lib"
RULES = LIB / "inf2lab" / "lint" / "rules" / "__init__.py"  # no face: it gives the rules below it what each needs
FACES = sorted(
    ".".join(file.parent.relative_to(LIB).parts)
    for file in (LIB / "inf2lab").rglob("__init__.py")
    if "__all__" in file.read_text(encoding="utf-8") and file != RULES
)
HEAVY = ("torch", "transformers", "matplotlib", "boto3", "numpy", "tokenizers", "rehearsal")


@pytest.mark.parametrize("name", FACES)
def test_the_public_list_is_what_the_room_offers(name: str) -> None:
    room = importlib.import_module(name)
    assert {key for key in room.__all__ if not hasattr(room, key)} == set()
    assert own_imports(name) <= set(room.__all__)


def own_imports(name: str) -> set[str]:
    """What a face takes out of its own room: names, not modules."""
    face = ast.parse((LIB / name.replace(".", "/") / "__init__.py").read_text(encoding="utf-8"))
    nodes = [node for node in ast.walk(face) if isinstance(node, ast.ImportFrom)]
    inside = [node for node in nodes if node.module and node.module.startswith(f"{name}.")]
    return {alias.asname or alias.name for node in inside for alias in node.names}


@cache
def names_taken() -> dict[str, set[str]]:
    """What is taken of each module of inf2lab: by its name, or as its attribute, anywhere but inside it."""
    taken: dict[str, set[str]] = defaultdict(set)
    sources = (ROOT / folder for folder in ("lib", "tools", "tests", "notebooks/source"))
    for file in (path for folder in sources for path in folder.rglob("*.py")):
        here = ".".join(file.relative_to(ROOT).with_suffix("").parts[1:])
        text = file.read_text(encoding="utf-8")
        nodes = list(ast.walk(ast.parse(text))) if "inf2lab" in text else []
        rooms = {}
        for node in (one for one in nodes if isinstance(one, ast.ImportFrom) and one.module):
            inside = file.is_relative_to(LIB) and here.startswith(node.module)
            if node.module.startswith("inf2lab") and not inside:
                taken[node.module] |= {alias.name for alias in node.names}
            rooms |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in rooms:
                taken[rooms[node.value.id]].add(node.attr)
    return taken


@pytest.mark.parametrize("name", FACES)
def test_what_a_face_offers_is_taken_by_somebody(name: str) -> None:
    room = importlib.import_module(name)
    assert set(room.__all__) - names_taken()[name] == set()


@pytest.mark.parametrize("name", FACES)
def test_every_public_name_has_a_docstring(name: str) -> None:
    room = importlib.import_module(name)
    bare = [key for key in room.__all__ if not key.isupper() and not (getattr(room, key).__doc__ or "").strip()]
    assert not bare


@pytest.mark.parametrize(
    "program",
    [
        "import inf2lab.lint.runner; from inf2lab import lint",
        "from inf2lab import lint; import inf2lab.lint.runner; from inf2lab import lint",
        "import inf2lab.lint; lint = inf2lab.lint",
        "from inf2lab.lint import RULES; from inf2lab import *",
    ],
)
def test_the_function_is_not_hidden_by_the_room_of_its_name(program: str) -> None:
    said = python("-c", f"{program}; print(type(lint).__name__)")
    assert said == "function"


def test_importing_loads_no_heavy_package() -> None:
    program = "import sys, inf2lab, inf2lab.cli, inf2lab.doctor"
    assert python("-c", f"{program}; print([name for name in {HEAVY!r} if name in sys.modules])") == "[]"


def test_what_needs_no_server_loads_nothing_of_one(tmp_path: Path) -> None:
    """Not one of the three commands, which run in one process."""
    (tmp_path / "serving.properties").write_text("option.dtype=fp16\n")
    commands = (["lint", str(tmp_path)], ["plan"], ["explain", str(tmp_path / "serving.properties")])
    program = f"import sys; from inf2lab.cli import app; print(*[app(w, standalone_mode=False) for w in {commands!r}])"
    *_, codes, loaded = python("-c", f"{program}; print(*sys.modules)").splitlines()
    assert set(codes.split()) <= {"0", "1", "None"}
    assert {"inf2lab", "typer"} <= set(loaded.split())
    assert not {"requests", "psutil", "inf2lab.serving", "inf2lab.weights", *HEAVY} & set(loaded.split())


def python(*words: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-W", "error", *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()
