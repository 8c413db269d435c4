"""More than one worker for the same NeuronCores."""

from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.handler import Handler
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "several-workers-a-group", Severity.WARNING
WHY = (
    "A NeuronCore belongs to one process. The server already starts one worker for every group of cores; a second one "
    "in a group finds its cores taken (djl-serving #1079)."
)
CURE = "Write 1, or delete the line: 1 is the default on NeuronCores."
BAD = OPT_1_3B + "maxWorkers=2\n"
GOOD = OPT_1_3B + "minWorkers=1\nmaxWorkers=1\n"
EXPECT = ["serving.properties:3 `maxWorkers=2`: two processes cannot share NeuronCores"]


def check(folder: Folder) -> Hits:
    if not folder.built_in and not (folder.own and _imports_library(folder.own)):
        return
    for name, workers in zip(("minWorkers", "maxWorkers"), folder.workers_a_group, strict=True):
        entry = folder.limit(name)
        if entry and workers > 1:
            message = f"`{entry.written}={entry.number}`: two processes cannot share NeuronCores"
            yield Hit(entry, message, edit=entry.with_value("1"))


def _imports_library(own: Handler) -> bool:
    return any(taken.module.startswith("transformers_neuronx") for taken in own.taken)
