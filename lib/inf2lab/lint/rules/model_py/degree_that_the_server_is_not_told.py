"""model.py takes more cores than the server gives a worker, because serving.properties names no degree."""

import ast

from inf2lab.lint.examples import HANDLER
from inf2lab.lint.handler import argument
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "degree-that-the-server-is-not-told", Severity.ERROR
WHY = (
    "The server sets NEURON_RT_VISIBLE_CORES for every worker, by `option.tensor_parallel_degree`. Without it one core "
    "is visible, and a model that wants two finds too few: the load fails on the chip."
)
CURE = "Write `option.tensor_parallel_degree` with the degree of the code, and let the code read it."
_CODE = (
    "from transformers_neuronx.opt.model import OPTForSampling\n\n"
    'MODEL = OPTForSampling.from_pretrained("/split", amp="f16", tp_degree=2)\n\n\n' + HANDLER
)
BAD = {"serving.properties": "engine=Python\n", "model.py": _CODE}
GOOD = BAD | {"serving.properties": "option.tensor_parallel_degree=2\n"}
EXPECT = ["model.py:3 2 cores are taken, and without `option.tensor_parallel_degree` the server shows a worker 1"]
MORE = [
    Example(
        bad=GOOD | {"model.py": _CODE.replace("tp_degree=2", "tp_degree=4")},
        good=GOOD,
        expect=("model.py:3 4 cores are taken, and by `option.tensor_parallel_degree=2` the server shows a worker 2",),
    )
]
# Releases whose Connection.java was read: it sets the variable wherever the device is a NeuronCore.
_SINCE, _READ_UP_TO = (0, 22, 1), (0, 29)


def check(folder: Folder) -> Hits:
    own, entry = folder.own, folder.properties.last("option.tensor_parallel_degree")
    seen = entry.number if entry else 1
    if own is None or seen is None or folder.release < _SINCE:
        return
    what = f"by `{entry.written}={entry.number}`" if entry else "without `option.tensor_parallel_degree`"
    for call in own.calls_of("from_pretrained"):
        value = argument(call, "tp_degree")
        taken = value.value if isinstance(value, ast.Constant) and isinstance(value.value, int) else 0
        if taken > max(seen, 1):
            message = f"{taken} cores are taken, and {what} the server shows a worker {max(seen, 1)}"
            softer = Severity.WARNING if folder.release[:2] > _READ_UP_TO else None
            yield Hit(own.at(call.lineno), message, severity=softer)
