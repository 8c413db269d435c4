"""The library is given a model's name on the hub, where it takes a folder."""

import ast

from inf2lab import catalog
from inf2lab.lint.examples import HANDLER
from inf2lab.lint.handler import argument, owner
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
    if own is None or folder.profile.library >= _DOWNLOADS:
        return
    for call in own.calls_of("from_pretrained"):
        if owner(call) in CLASSES and (name := _hub_name(folder, call)):
            message = f"{owner(call)} of transformers-neuronx {have} takes a folder, and gets `{short(name)}`"
            yield Hit(own.at(call.lineno), message)


def _hub_name(folder: Folder, call: ast.Call) -> str | None:
    """The name on the hub that is handed over; None for a folder, and where it cannot be seen."""
    own, value = folder.own, argument(call, "pretrained_model_path", 0)
    if own is None or value is None:
        return None
    if own.holds(value, "model_id"):
        named = folder.text("model_id")
    else:
        given = [one for name, one in own.assignments if isinstance(value, ast.Name) and name == value.id] or [value]
        literals = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        named = literals[0] if len(given) == len(literals) == 1 else None
    written = {ast.dump(part) for split in own.calls_of("save_pretrained_split") for part in split.args[1:]}
    if named is None or named.startswith((".", "/", "~")) or ast.dump(ast.Constant(named)) in written:
        return None
    return named if named.count("/") == 1 or catalog.described(named) else None
