"""Functions that a reader writes in a cell, put into a file in place of the worked solution that stands there."""

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inf2lab import files

YOURS, WORKED = "yours", "the worked solution"


def put_in(path: Path, *functions: Callable[..., Any]) -> dict[str, str]:
    """Put each function that is more than `...` into the file, and return which of both is there, by name."""
    return {function.__name__: _put(path, function) for function in functions}


def is_written(function: Callable[..., Any]) -> bool:
    """Whether a function has a body beside its docstring and `...`."""
    body = _definition(inspect.getsource(function), function.__name__).body
    return not all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


def _put(path: Path, function: Callable[..., Any]) -> str:
    if not is_written(function):
        return WORKED
    text = path.read_text(encoding="utf-8")
    old = _definition(text, function.__name__)
    lines = text.splitlines()
    lines[old.lineno - 1 : old.end_lineno] = inspect.getsource(function).rstrip().splitlines()
    files.write_file(path, "\n".join(lines) + "\n")
    return YOURS


def _definition(text: str, name: str) -> ast.FunctionDef:
    return next(node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name)
