"""The handler does not look for the empty call that loads the model."""

import ast

from inf2lab.lint.examples import HANDLER
from inf2lab.lint.handler import name_called
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "warm-up-not-answered", Severity.WARNING
WHY = (
    "Before the port opens the server calls `handle` once with nothing, and wants None. Reading a body "
    "there raises, and the load fails."
)
CURE = "Return None where `inputs.is_empty()`."
BAD = {
    "serving.properties": "engine=Python\n",
    "model.py": (
        "from djl_python import Output\n\n\ndef handle(inputs):\n    return Output().add(inputs.get_as_json())\n"
    ),
}
GOOD = {"serving.properties": "engine=Python\n", "model.py": HANDLER}
EXPECT = ["model.py:5 the body is read without asking `inputs.is_empty()`: the server's first call has none"]


def check(folder: Folder) -> Hits:
    own = folder.own
    if own is None or any(call for name in ("is_empty", "get_content") for call in own.calls_of(name)):
        return
    if any(isinstance(node, ast.Attribute) and node.attr == "content" for node in own.nodes):
        return
    if any(isinstance(node, ast.Try) for node in own.nodes):
        return  # it may be the exception that is meant
    for call in own.calls:
        if name_called(call) in ("get_as_json", "get_as_string", "get_as_bytes", "get_batches"):
            message = "the body is read without asking `inputs.is_empty()`: the server's first call has none"
            yield Hit(own.at(call.lineno), message)
            return
