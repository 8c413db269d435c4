"""Prompts of unequal length are put into one tensor without filling up."""

import ast

from inf2lab.lint.examples import HANDLER, HANDLER_THAT_STACKS
from inf2lab.lint.handler import Handler, argument, name_called
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
            yield Hit(own.at(call.lineno), message)
        elif name_called(call) == "tokenizer" and argument(call, "return_tensors") and _leaves_lengths(call, own):
            message = "`return_tensors` without `padding`: prompts of unequal length raise ValueError"
            yield Hit(own.at(call.lineno), message)


def _encodes_each(node: ast.expr) -> bool:
    if not isinstance(node, ast.ListComp | ast.List):
        return False
    parts = [node.elt] * 2 if isinstance(node, ast.ListComp) else node.elts
    return len(parts) > 1 and all(isinstance(p, ast.Call) and name_called(p) == "encode" for p in parts)


def _leaves_lengths(call: ast.Call, own: Handler) -> bool:
    """Whether a tokenizer is given several texts and not told to fill them up, as far as the call says it."""
    if argument(call, "padding") or any(word.arg is None for word in call.keywords):
        return False
    return not (call.args and _is_one_text(call.args[0], own))


def _is_one_text(node: ast.expr, own: Handler) -> bool:
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int)
    if isinstance(node, ast.Name):
        loops = [one for one in own.nodes if isinstance(one, ast.For | ast.comprehension)]
        return any(node.id in {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)} for loop in loops)
    return isinstance(node, ast.Constant | ast.JoinedStr) or _gives_text(node)


def _gives_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and name_called(node) in ("get_as_string", "str", "join", "strip", "format")
