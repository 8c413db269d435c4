"""The library is given a model's name on the hub, where it takes a folder."""

import ast

from inf2lab.lint.examples import HANDLER
from inf2lab.lint.handler import argument, name_called, owner
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short
from inf2lab.lint.rules.model_py.argument_that_the_library_refuses import CLASSES

NAME, SEVERITY = "hub-name-for-a-folder", Severity.ERROR
WHY = (
    "Before 0.10 the library reads a checkpoint that save_pretrained_split has written (or one pytorch_model.bin), and "
    "downloads nothing: a name on the hub finds its configuration and then no weights, FileNotFoundError."
)
CURE = "Load the checkpoint with transformers, `save_pretrained_split` it into a folder, and give that folder."
_CODE = (
    "from transformers_neuronx.opt.model import OPTForSampling\n\n\n"
    'def load(properties):\n    return OPTForSampling.from_pretrained(properties["model_id"], amp="f16")\n\n\n'
) + HANDLER
BAD = {"serving.properties": "option.model_id=facebook/opt-13b\n", "model.py": _CODE}
GOOD = BAD | {"serving.properties": "option.model_id=/opt/ml/weights/opt-13b-split\n"}
EXPECT = ["model.py:5 OPTForSampling of transformers-neuronx 0.8.268 takes a folder, and gets `facebook/opt-13b`"]
_DOWNLOADS = (0, 10)  # release notes of 0.10.0.21


def check(folder: Folder) -> Hits:
    own, have = folder.own, folder.profile.packages["transformers-neuronx"]
    if own is None or tuple(int(part) for part in have.split(".")) >= _DOWNLOADS:
        return
    for call in own.calls_of("from_pretrained"):
        if owner(call) in CLASSES and (name := _hub_name(folder, call)):
            message = f"{owner(call)} of transformers-neuronx {have} takes a folder, and gets `{short(name)}`"
            yield Hit(call.lineno, message, file=own.file)


def _hub_name(folder: Folder, call: ast.Call) -> str | None:
    own, value = folder.own, argument(call, "pretrained_model_path", 0)
    if own is None or value is None:
        return None
    assigned = [given for name, given in own.assignments if isinstance(value, ast.Name) and name == value.id]
    literal = assigned[0] if len(assigned) == 1 and not own.holds(value, "model_id") else value
    if isinstance(literal, ast.Constant) and isinstance(literal.value, str):
        named: str | None = literal.value
    else:
        named = folder.text("model_id") if own.holds(value, "model_id") else None
    is_hub = named is not None and named.count("/") <= 1 and not named.startswith((".", "/", "~"))
    written = any(name_called(other) == "save_pretrained_split" for other in own.calls)
    return named if named and is_hub and not (written and literal is not value) else None
