"""Prompts of unequal length are put into one tensor without filling up."""

import ast

from inf2lab.lint.examples import HANDLER, HANDLER_THAT_STACKS
from inf2lab.lint.handler import argument, name_called
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "stacked-prompts", Severity.WARNING
WHY = (
    "A tensor has rows of one length. Two prompts with different numbers of tokens raise ValueError, and the client "
    "gets 424; the article's two prompts happen to have eight tokens each."
)
CURE = (
    "Fill shorter prompts up on the left and pass `start_ids`; under transformers-neuronx 0.2 refuse unequal lengths."
)
BAD = {"serving.properties": "engine=Python\n", "model.py": HANDLER_THAT_STACKS}
GOOD = {"serving.properties": "engine=Python\n", "model.py": HANDLER}
EXPECT = ["model.py:8 the token lists of all prompts become one tensor: prompts of unequal length raise ValueError"]


def check(folder: Folder) -> Hits:
    own = folder.own
    if own is None:
        return
    for call in own.calls:
        if name_called(call) in ("as_tensor", "tensor", "LongTensor") and call.args and _encodes_each(call.args[0]):
            message = "the token lists of all prompts become one tensor: prompts of unequal length raise ValueError"
            yield Hit(call.lineno, message, file=own.file)
        elif name_called(call) == "tokenizer" and argument(call, "return_tensors") and not argument(call, "padding"):
            message = "`return_tensors` without `padding`: prompts of unequal length raise ValueError"
            yield Hit(call.lineno, message, file=own.file)


def _encodes_each(node: ast.expr) -> bool:
    if not isinstance(node, ast.ListComp | ast.List):
        return False
    parts = [node.elt] if isinstance(node, ast.ListComp) else node.elts
    return len(parts) > 0 and all(isinstance(p, ast.Call) and name_called(p) == "encode" for p in parts)
