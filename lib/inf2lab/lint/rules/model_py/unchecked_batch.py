"""The handler samples whatever number of prompts comes."""

import ast

from inf2lab.lint.examples import HANDLER_THAT_SAMPLES
from inf2lab.lint.handler import Handler, name_called
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "unchecked-batch", Severity.WARNING
WHY = (
    "The model is compiled for a fixed number of rows, and the library of this generation does not "
    "compare: the device gets a buffer of the wrong size."
)
CURE = "Compare the number of prompts with `option.batch_size` before sampling."
BAD = {"serving.properties": "engine=Python\n", "model.py": HANDLER_THAT_SAMPLES}
GOOD = {
    "serving.properties": "engine=Python\n",
    "model.py": HANDLER_THAT_SAMPLES.replace(
        "    ids =", "    if len(data['text']) != 2:\n        raise ValueError('two prompts')\n    ids ="
    ),
}
EXPECT = ["model.py:8 `sample` runs for any number of prompts"]


def check(folder: Folder) -> Hits:
    own = folder.own
    if own is None or _counts(own):
        return
    for call in own.calls_of("sample"):
        yield Hit(call.lineno, "`sample` runs for any number of prompts", file=own.file)


def _counts(handler: Handler) -> bool:
    return any(
        isinstance(part, ast.Call) and name_called(part) == "len"
        for node in ast.walk(handler.tree)
        if isinstance(node, ast.Compare)
        for part in [node.left, *node.comparators]
    )
