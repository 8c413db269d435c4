"""Compiled programs have no folder of their own: they go below the model, and are thrown away at each start."""

from inf2lab.lint.examples import launched
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "artefacts-without-a-folder", Severity.WARNING
WHY = (
    "Without NEURON_COMPILED_ARTIFACTS the plugin keeps programs in neuron-compiled-artifacts below the model, and "
    "empties that folder at every start: each start compiles, and a model that is mounted read-only does not load."
)
CURE = (
    "Set NEURON_COMPILED_ARTIFACTS to a mounted folder, for other flags to another one: what is found wins over them."
)
BAD = launched("", more="")
GOOD = launched("")
EXPECT = ["run.sh:2 NEURON_COMPILED_ARTIFACTS is not set: each start compiles anew"]
_MOUNTED = "-v $PWD/model:/model:ro"
MORE = [
    Example(
        bad=BAD | {"run.sh": launched("", more=_MOUNTED)["run.sh"].replace("meta-llama/Llama-3.1-8B", "/model")},
        good=GOOD,
        expect=("run.sh:2 NEURON_COMPILED_ARTIFACTS is not set, and /model is read-only: nothing can be compiled",),
    )
]
_NAME = "NEURON_COMPILED_ARTIFACTS"


def check(folder: Folder) -> Hits:
    for launch in folder.launches:
        run = launch.container
        if run is None or launch.row is None or launch.row.target != "vllm-nxdi" or _NAME in run.env:
            continue
        inside = [value.split(":")[1:] for value in run.all("volume") if value.count(":") > 1]
        model = f"{launch.model}/"
        closed = [at for at, *how in inside if at and "ro" in how and model.startswith(f"{at.rstrip('/')}/")]
        message = f"{_NAME} is not set: each start compiles anew"
        if closed:
            message = f"{_NAME} is not set, and {closed[0]} is read-only: nothing can be compiled"
        severity = Severity.ERROR if closed else None
        yield Hit(launch.at(run.image), message, severity=severity)
