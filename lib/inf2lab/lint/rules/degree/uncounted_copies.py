"""More copies of the model start than anybody meant."""

from inf2lab.lint.examples import OPT_13B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "uncounted-copies", Severity.WARNING
WHY = (
    "The server starts one worker for every group of cores of the degree's size, each with its own copy: 16 cores are "
    "eight copies at degree 2 and two at degree 8, and they load one after the other."
)
CURE = "Pass as many devices as the copies you want need, or raise the degree."
BAD = {
    "serving.properties": OPT_13B + "option.tensor_parallel_degree=2\noption.dtype=fp16\n",
    "run.sh": (
        "docker run -p 127.0.0.1:8080:8080 --device /dev/neuron0 --device /dev/neuron1 \\\n"
        "  -v $PWD/models:/opt/ml/model deepjavalibrary/djl-serving:0.25.0-pytorch-inf2 serve\n"
    ),
}
GOOD = BAD | {"run.sh": BAD["run.sh"].replace("--device /dev/neuron1 ", "")}
EXPECT = ["run.sh:1 2 devices are 4 cores: 2 copies of the model at degree 2"]


def check(folder: Folder) -> Hits:
    degree = folder.degree
    if not degree or degree < 1 or not (folder.built_in or folder.own) or folder.properties.last("load_on_devices"):
        return
    for run in folder.serving:
        devices = len(run.visible(folder.instance.chips))
        if (copies := folder.copies_on(devices)) > 1:
            cores = devices * folder.instance.cores_per_chip
            text = f"{devices} devices are {cores} cores: {copies} copies of the model at degree {degree}"
            yield Hit(run.command, text)
