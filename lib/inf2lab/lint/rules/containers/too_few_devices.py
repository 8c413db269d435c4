"""The container gets fewer cores than one copy needs."""

from inf2lab.lint.examples import OPT_13B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "too-few-devices", Severity.ERROR
WHY = (
    "A copy needs as many visible cores as its degree: otherwise `Neuron devices are not enough to run N "
    "partitions`, or a server on the CPU without a word."
)
CURE = "Pass one device for every two cores of the degree, or every device with --privileged."
BAD = {
    "serving.properties": OPT_13B + "option.tensor_parallel_degree=8\noption.dtype=fp16\n",
    "run.sh": (
        "docker run -p 127.0.0.1:8080:8080 --device /dev/neuron0 -v $PWD:/opt/ml/model "
        "deepjavalibrary/djl-serving:0.25.0-pytorch-inf2\n"
    ),
}
GOOD = BAD | {
    "run.sh": BAD["run.sh"].replace(
        "--device /dev/neuron0",
        "--device /dev/neuron0 --device /dev/neuron1 --device /dev/neuron2 --device /dev/neuron3",
    )
}
MORE = [
    Example(
        bad=BAD | {"run.sh": BAD["run.sh"].replace("--device /dev/neuron0 ", "")},
        good=BAD | {"run.sh": BAD["run.sh"].replace("--device /dev/neuron0", "--privileged")},
        expect=("run.sh:1 no Neuron device is passed, and one copy needs 8 cores",),
    )
]
EXPECT = ["run.sh:1 1 device is 2 cores, and one copy needs 8"]


def check(folder: Folder) -> Hits:
    degree = folder.degree
    for run in folder.containers:
        count = len(run.visible(folder.instance.chips))
        cores = count * folder.instance.cores_per_chip
        if degree and cores < degree and "djl" in run.image:
            passed = f"{count} device{'s are' if count > 1 else ' is'} {cores} cores, and one copy needs {degree}"
            none = f"no Neuron device is passed, and one copy needs {degree} cores"
            yield Hit(run.command, passed if count else none)
