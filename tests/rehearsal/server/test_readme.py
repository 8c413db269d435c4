"""The README's table of modules is the folder."""

from __future__ import annotations

import re


def test_every_module_stands_in_the_table_once(root):
    folder = root / "lib" / "rehearsal" / "server"
    table = re.search(r"\| step \| modules \|\n(.*?)\n\n", (folder / "README.md").read_text(), re.DOTALL)
    named = re.findall(r"`([\w/]+\.py)`", table[1])
    modules = [str(path.relative_to(folder)) for path in folder.rglob("*.py") if path.name != "__init__.py"]
    assert sorted(named) == sorted(modules)
