"""The handler samples whatever number of prompts comes."""

import ast

from inf2lab.lint.examples import HANDLER_THAT_SAMPLES
from inf2lab.lint.handler import Handler, name_called, owner
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
    for call in (one for one in own.calls_of("sample") if owner(one) not in ("random", "rng")):
        yield Hit(own.at(call.lineno), "`sample` runs for any number of prompts")


def _counts(handler: Handler) -> bool:
    """Whether the code looks at a number of rows: it compares, subtracts, or cuts by it."""
    looks = (node for node in handler.nodes if isinstance(node, ast.Compare | ast.BinOp) or _cuts(node))
    return any(_is_count(part) for node in looks for part in ast.walk(node))


def _cuts(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and name_called(node) in ("range", "min", "max")


def _is_count(node: ast.AST) -> bool:
    return (isinstance(node, ast.Call) and name_called(node) in ("len", "size")) or (
        isinstance(node, ast.Attribute) and node.attr == "shape"
    )
