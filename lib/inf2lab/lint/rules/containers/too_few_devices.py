"""The container gets fewer cores than one copy needs."""

from inf2lab.lint.examples import OPT_13B, served
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "too-few-devices", Severity.ERROR
WHY = (
    "A copy needs as many visible cores as its degree: otherwise `Neuron devices are not enough to run N "
    "partitions`, or a server on the CPU without a word."
)
CURE = "Pass one device for every two cores of the degree, or every device with --privileged."
_EIGHT = OPT_13B + "option.tensor_parallel_degree=8\noption.dtype=fp16\n"
BAD = served(_EIGHT)
GOOD = served(_EIGHT, devices=" ".join(f"--device /dev/neuron{number}" for number in range(4)))
MORE = [
    Example(
        bad=served(_EIGHT, devices=""),
        good=served(_EIGHT, devices="--privileged"),
        expect=("run.sh:1 no Neuron device is passed, and one copy needs 8 cores",),
    )
]
EXPECT = ["run.sh:1 1 device is 2 cores, and one copy needs 8"]
_WHOLE = "Take a larger instance, all of whose devices are passed, or a lower degree."
_ASKED = (
    "Ask for one device for every two cores of the degree: `devices` in compose, aws.amazon.com/neuron in Kubernetes."
)


def check(folder: Folder) -> Hits:
    degree = folder.degree
    for run in folder.containers:
        count = len(run.visible(folder.instance.chips))
        cores = count * folder.instance.cores_per_chip
        if degree and cores < degree and "djl" in run.image:
            passed = f"{count} device{'s are' if count > 1 else ' is'} {cores} cores, and one copy needs {degree}"
            none = f"no Neuron device is passed, and one copy needs {degree} cores"
            fix = None if run.command.words else _WHOLE if run.privileged else _ASKED
            yield Hit(run.command, passed if count else none, fix=fix)
