"""More copies of the model start than anybody meant."""

from inf2lab.lint.examples import OPT_13B, served
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "uncounted-copies", Severity.WARNING
WHY = (
    "The server starts one worker for every group of cores of the degree's size, each with its own copy: 16 cores are "
    "eight copies at degree 2 and two at degree 8, and they load one after the other."
)
CURE = "Pass as many devices as the copies you want need, or raise the degree."
_TWO = OPT_13B + "option.tensor_parallel_degree=2\noption.dtype=fp16\n"
BAD = served(_TWO, devices="--device /dev/neuron0 --device /dev/neuron1")
GOOD = served(_TWO)
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
