"""An entry point beats the model.py beside it."""

from inf2lab.lint.examples import HANDLER, HANDLER_OF_MODEL_ID
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "bypassed-model-py", Severity.WARNING
WHY = "`option.entryPoint` is looked at first; where it names the built-in handler, model.py is never imported."
CURE = "Delete `option.entryPoint` to serve with model.py, or keep the two routes in two folders."
BAD = {
    "serving.properties": "option.entryPoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-13b\n",
    "model.py": HANDLER,
}
GOOD = {"serving.properties": "option.model_id=facebook/opt-13b\n", "model.py": HANDLER_OF_MODEL_ID}
EXPECT = ["serving.properties:1 `option.entryPoint` wins, so model.py is never run"]


def check(folder: Folder) -> Hits:
    if folder.entry_point and folder.handler and folder.built_in:
        yield Hit(folder.entry_point, f"`{folder.entry_point.written}` wins, so {folder.handler.file} is never run")
