"""The walls between the rooms: what is drawn in CONTRIBUTING is what there is, and no private name crosses a border."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("lib", "tools", "tests", "notebooks/source")
OTHERS = sys.stdlib_module_names | {"ray", "torch"}  # what is private there cannot be had otherwise


def floors_drawn() -> list[list[str]]:
    """The rooms of each floor, top first, as CONTRIBUTING draws them."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    floors: dict[str, list[str]] = {}
    for floor, room in re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE):
        floors.setdefault(floor, []).append(room)
    return list(floors.values())


def test_the_map_names_every_room() -> None:
    folders = {path.stem for path in (ROOT / "lib" / "inf2lab").iterdir() if path.is_dir() or path.suffix == ".py"}
    assert sorted(room for floor in floors_drawn() for room in floor) == sorted(folders - {"__init__", "__pycache__"})


def test_the_map_is_the_contract() -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (layers,) = (one["layers"] for one in linter["contracts"] if one.get("containers") == ["inf2lab"])
    assert floors_drawn() == [layer.split(" | ") for layer in layers]


def test_no_module_begins_with_an_underscore() -> None:
    names = {path.stem for path in (ROOT / "lib").rglob("*.py")}
    assert {name for name in names if name.startswith("_")} <= {"__init__", "__main__"}


def test_no_private_name_crosses_a_border() -> None:
    found = []
    for file in sorted(path for folder in SOURCES for path in (ROOT / folder).rglob("*.py")):
        names = private_names(ast.parse(file.read_text(encoding="utf-8")))
        found += [f"{file.relative_to(ROOT)}:{line} {name}" for line, name in names]
    assert found == []


def private_names(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Names with an underscore that a module takes from another one, or patches there, with their lines."""
    homes: dict[str, str] = {}
    nodes = list(ast.walk(module))
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            homes |= {alias.asname or alias.name: node.module or "" for alias in node.names}
        elif isinstance(node, ast.Import):
            homes |= {(alias.asname or alias.name).partition(".")[0]: alias.name for alias in node.names}
    ours = {name for name, home in homes.items() if home.partition(".")[0] not in OTHERS}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] not in OTHERS:
            yield from ((node.lineno, alias.name) for alias in node.names if is_private(alias.name))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ours:
            yield from [(node.lineno, node.attr)] if is_private(node.attr) else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setattr":
            texts = [str(word.value) for word in node.args[:2] if isinstance(word, ast.Constant)]
            yield from ((node.lineno, text) for text in texts if is_private(text.rpartition(".")[2]))


def is_private(name: str) -> bool:
    """Whether a name is for its own module only."""
    return name.startswith("_") and not name.startswith("__")
