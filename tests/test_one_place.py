"""One place for each thing: searches of the tree for what only one module may do."""

import re
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[1] / "lib" / "inf2lab"


def modules_with(pattern: str) -> list[str]:
    """Return the modules of the library that have a line with the pattern, from the library's folder on."""
    found = (path for path in LIBRARY.rglob("*.py") if re.search(pattern, path.read_text(), re.MULTILINE))
    return sorted(str(path.relative_to(LIBRARY)) for path in found)


def test_only_one_module_replaces_a_file() -> None:
    # A text's `replace` has two arguments, and a path's has one.
    moves = r"\bos\.(replace|rename)\(|\bshutil\.move\(|\.rename\(|\.replace\([\w.]+\)"
    assert modules_with(moves) == ["files.py"]
