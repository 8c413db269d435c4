"""The engine is not one that DJL has."""

from inf2lab import catalog
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "unknown-engine", Severity.ERROR
WHY = "The name is compared letter by letter; with an unknown one the load fails. Handlers for Neuron are Python."
CURE = "Write `engine=Python`."
BAD = "engine=python\noption.model_id=facebook/opt-13b\n"
GOOD = "engine=Python\noption.model_id=facebook/opt-13b\n"
_OF_GPUS = ("MPI", "DeepSpeed")  # DJL's Python worker in a process for each GPU
MORE = [
    Example(
        bad=BAD.replace("python", "MPI"),
        good=GOOD,
        expect=("serving.properties:1 `engine=MPI` shares the machine's GPUs out, and an Inf2 instance has none",),
    )
]
EXPECT = ["serving.properties:1 `python` is not an engine of DJL"]


def check(folder: Folder) -> Hits:
    entry = folder.properties.last("engine")
    if entry and entry.value.strip() and entry.value.strip() not in catalog.options().engines:
        meant = entry.value.strip().lower() == "python"
        message = f"`{short(entry.value)}` is not an engine of DJL"
        yield Hit(entry, message, edit=entry.with_value("Python") if meant else None)
    mode = folder.properties.last("option.mpi_mode")
    line = mode or (entry if entry and entry.value in _OF_GPUS else None)
    if line and (mode is None or mode.value.lower() == "true"):
        text = f"`{line.written}={short(line.value)}` shares the machine's GPUs out, and an Inf2 instance has none"
        yield Hit(line, text)
