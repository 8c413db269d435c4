"""low_cpu_mem_usage needs accelerate, which this image does not name."""

import ast

from inf2lab.lint.examples import HANDLER_OF_MODEL_ID
from inf2lab.lint.handler import argument
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "accelerate-by-luck", Severity.NOTE
WHY = (
    "transformers asks for accelerate when it reads a checkpoint this way. The image of 0.21.0 gets it "
    "only because transformers-neuronx lists it."
)
CURE = "Keep it, and look here first if the load says that accelerate is missing."
BAD = {
    "serving.properties": "option.model_id=facebook/opt-13b\noption.model_loading_timeout=7200\n",
    "model.py": HANDLER_OF_MODEL_ID.replace('["model_id"])', '["model_id"], low_cpu_mem_usage=True)'),
}
GOOD = BAD | {"model.py": HANDLER_OF_MODEL_ID}
EXPECT = ["model.py:7 `low_cpu_mem_usage` needs accelerate, which this image does not name"]
PROFILE = "seed-0.21"
_NAMED_SINCE = (0, 22, 1)


def check(folder: Folder) -> Hits:
    own = folder.own
    named = any(line.strip().lower().startswith("accelerate") for line in folder.requirements)
    if own is None or folder.release >= _NAMED_SINCE or named:
        return
    for call in own.calls:
        value = argument(call, "low_cpu_mem_usage")
        if isinstance(value, ast.Constant) and value.value is True:
            yield Hit(own.at(call.lineno), "`low_cpu_mem_usage` needs accelerate, which this image does not name")
