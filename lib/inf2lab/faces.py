"""A room's face that loads what it offers on demand, so that entering it costs what is taken and no more."""

import ast
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


def on_demand(face: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a face: it loads a name that the face imports `if TYPE_CHECKING`, once it is asked.

    So a name stands there as a type checker reads it, and nowhere a second time.
    """

    @cache
    def homes() -> dict[str, str]:
        source = Path(str(sys.modules[face].__file__)).read_text(encoding="utf-8")
        taken = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom))
        return {one.name: str(node.module) for node in taken for one in node.names}

    def load(name: str) -> Any:
        if name in homes():
            return getattr(import_module(homes()[name]), name)
        raise AttributeError(f"module {face!r} has no attribute {name!r}")

    return load
