"""Each fact has one place: searches of the tree that keep it so."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "lib" / "inf2lab"
FOLDER, RULES = LIBRARY / "folder", LIBRARY / "lint" / "rules"
MEANT = {"tensor_parallel_degree", "batch_size", "dtype", "n_positions", "model_loading_timeout", "predict_timeout"}
READERS = {"option", "number", "text", "last"}  # methods that take a key and give what a folder states
PLACES = {"option", "last"}  # those that a lint rule may call: it shows the line of an option


def reads(tree: ast.AST, *, allowed: Collection[str] = ()) -> Iterator[int]:
    """Lines that read an option out of a folder: folder.option("dtype"), folder.properties()["option.dtype"]."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Call(func=ast.Attribute(attr="get", value=table), args=[ast.Constant(value=str(key)), *_])
                | ast.Subscript(value=table, slice=ast.Constant(value=str(key)), ctx=ast.Load())
            ):
                # Any mapping may have such a key, but only a folder's begin with `option.`.
                found = (key.startswith("option.") or is_folder(table)) and key.removeprefix("option.") in MEANT
            case ast.Call(func=ast.Attribute(attr=method), args=[ast.Constant(value=str(key)), *_]):
                found = method in READERS.difference(allowed) and key.removeprefix("option.") in MEANT
            case _:
                found = False
        if found and isinstance(node, ast.expr):
            yield node.lineno


def is_folder(node: ast.expr) -> bool:
    """Whether an expression is what a folder states: folder.properties(), read_properties(...)."""
    name = node.func if isinstance(node, ast.Call) else node
    word = name.attr if isinstance(name, ast.Attribute) else name.id if isinstance(name, ast.Name) else ""
    return word in ("properties", "read_properties", "load_properties")


def modules() -> list[Path]:
    """The library's and the tools' files; the server, behind its process wall, reads the folder as DJLServing does."""
    found = [*LIBRARY.rglob("*.py"), *(ROOT / "tools").rglob("*.py")]
    return [path for path in found if FOLDER not in path.parents]


@pytest.mark.parametrize(
    "line",
    [
        "folder.option('dtype', 'f16')",
        "folder.properties()['option.batch_size']",
        "read_properties(path).get('batch_size', '1')",
        "values.get('option.predict_timeout')",
        "folder.number('n_positions')",
        "folder.properties.last('option.tensor_parallel_degree')",
    ],
)
def test_the_search_sees_every_way_to_read(line: str) -> None:
    assert list(reads(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ["values['option.dtype'] = 'f16'", "point['batch_size']", "{'option.dtype': 'f16'}", "known.get('dtype')"]
)
def test_the_search_leaves_writing_and_other_tables_alone(line: str) -> None:
    assert not list(reads(ast.parse(line)))


def test_only_the_folder_room_reads_what_a_folder_means() -> None:
    found = []
    for path in modules():
        allowed = PLACES if RULES in path.parents else ()
        found += [f"{path.relative_to(ROOT)}:{line}" for line in reads(ast.parse(path.read_text()), allowed=allowed)]
    assert not found


def test_the_name_in_urls_is_made_in_one_place() -> None:
    found = [path for path in LIBRARY.rglob("*.py") if r're.sub(r"\W", "_"' in path.read_text()]
    assert found == [FOLDER / "stated.py"]


def test_only_the_folder_room_parses_a_properties_file() -> None:
    found = [path for path in LIBRARY.rglob("*.py") if "import javaproperties" in path.read_text()]
    assert found == [FOLDER / "properties.py"]


def modules_with(pattern: str) -> list[str]:
    """Return the modules of the library that have a line with the pattern, from the library's folder on."""
    found = (path for path in LIBRARY.rglob("*.py") if re.search(pattern, path.read_text(), re.MULTILINE))
    return sorted(str(path.relative_to(LIBRARY)) for path in found)


def test_only_one_module_replaces_a_file() -> None:
    # A text's `replace` has two arguments, and a path's has one.
    moves = r"\bos\.(replace|rename)\(|\bshutil\.move\(|\.rename\(|\.replace\([\w.]+\)"
    assert modules_with(moves) == ["files.py"]


def test_only_one_module_speaks_to_aws_s_package() -> None:
    assert modules_with(r"^\s*(from|import) (boto3|botocore)\b") == ["aws/connection.py"]


def test_only_one_module_starts_docker() -> None:
    assert modules_with(r"(run|Popen|check_output)\(\s*\[\s*\"docker\"|= \[\"docker\", ") == ["serving/docker.py"]
