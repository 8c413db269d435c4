"""The container gets Neuron devices with gaps between their numbers."""

from inf2lab.lint.examples import OPT_13B, served
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "scattered-devices", Severity.ERROR
WHY = (
    "The runtime wants devices 0, 1, 2 and so on (`Could not open the nd1`, `Neuron cores are not contiguous`), "
    "and the cores of one copy should be neighbours on the ring."
)
CURE = "Pass devices from 0 on without gaps; map others as --device /dev/neuron6:/dev/neuron0."
_FOUR = OPT_13B + "option.tensor_parallel_degree=4\noption.dtype=fp16\n"
BAD = served(_FOUR, devices="--device /dev/neuron0 --device /dev/neuron2")
GOOD = served(_FOUR, devices="--device /dev/neuron0 --device /dev/neuron2:/dev/neuron1")
EXPECT = ["run.sh:1 the container sees devices 0, 2: not 0 to 1"]


def check(folder: Folder) -> Hits:
    for run in folder.serving:
        devices = sorted(set(run.devices))
        if devices and devices != list(range(len(devices))):
            seen = ", ".join(map(str, devices))
            yield Hit(run.command.at("/dev/neuron"), f"the container sees devices {seen}: not 0 to {len(devices) - 1}")
