"""`if not model` asks a model for its truth, where only None is meant."""

import ast

from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "truth-of-a-model", Severity.NOTE
WHY = (
    "An object is false when it says so: a class with a length of 0 would be loaded again with every "
    "call. For OPTForSampling it works."
)
CURE = "Write `if model is None`."
BAD = {
    "serving.properties": "engine=Python\n",
    "model.py": (
        "model = None\n\n\ndef handle(inputs):\n    global model\n    if not model:\n"
        "        model = object()\n    return None\n"
    ),
}
GOOD = BAD | {"model.py": BAD["model.py"].replace("not model", "model is None")}
EXPECT = ["model.py:6 `not model` asks for its truth, not whether it is loaded"]


def check(folder: Folder) -> Hits:
    own = folder.own
    if own is None:
        return
    shared = {name for node in own.nodes if isinstance(node, ast.Global) for name in node.names}
    empty = {name for name, value in own.assignments if isinstance(value, ast.List | ast.Dict | ast.Set | ast.Tuple)}
    for node in own.nodes:
        if not isinstance(node, ast.If):
            continue
        test = node.test
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) and isinstance(test.operand, ast.Name):
            name = test.operand.id
            if name in (shared & own.module_names) - empty:
                yield Hit(own.at(node.lineno), f"`not {name}` asks for its truth, not whether it is loaded")
