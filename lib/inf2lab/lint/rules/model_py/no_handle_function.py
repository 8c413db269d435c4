"""model.py lacks the function that the server calls."""

import ast

from inf2lab.lint.examples import HANDLER
from inf2lab.lint.handler import Handler
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "no-handle-function", Severity.ERROR
WHY = (
    "The server calls `handle`, or what `option.handler` names; without it the load fails (from 0.29.0 "
    "on the built-in handler steps in)."
)
CURE = "Define the function at the top level of the file."
BAD = {"serving.properties": "engine=Python\n", "model.py": "def predict(inputs):\n    return None\n"}
GOOD = {"serving.properties": "engine=Python\n", "model.py": HANDLER}
EXPECT = ["model.py:1 there is no function `handle`"]
_FALLS_BACK = (0, 29)


def check(folder: Folder) -> Hits:
    own = folder.own
    name = folder.text("handler") if folder.option("handler") else "handle"
    if own and not own.error and name not in own.module_names and not _star(own):
        message = f"there is no function `{short(name or '')}`"
        yield Hit(own.at(1), message, severity=Severity.WARNING if folder.release >= _FALLS_BACK else None)


def _star(handler: Handler) -> bool:
    return any(isinstance(n, ast.ImportFrom) and n.names[0].name == "*" for n in handler.tree.body)
