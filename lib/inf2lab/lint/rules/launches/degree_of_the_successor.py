"""The degree is beyond the devices or the instance, or not among those that the successor's guide lists."""

from inf2lab.folder import Launch
from inf2lab.lint.examples import launched
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity
from neuron_rules import NXDI_DEGREES

NAME, SEVERITY = "degree-of-the-successor", Severity.ERROR
WHY = (
    "vLLM starts one copy on as many NeuronCores as --tensor-parallel-size says; with fewer it does not start. "
    "The guide of NxD Inference lists 1, 2, 4, 8 and 24 for Inf2, and its README's example with 32 fails there."
)
CURE = "Take a listed degree, and pass one device for every two of its cores."
BAD = launched("--tensor-parallel-size 8")
GOOD = launched("--tensor-parallel-size 2")
EXPECT = ["run.sh:3 degree 8 on the 2 cores of 1 device"]
_ALL = "--privileged -e NEURON_COMPILED_ARTIFACTS=/artifacts"
MORE = [
    Example(
        bad=launched("--tensor-parallel-size 32", _ALL),
        good=launched("--tensor-parallel-size 24", _ALL),
        expect=("run.sh:3 degree 32 on the 24 cores of inf2.48xlarge",),
    ),
    Example(
        bad=launched("--tensor-parallel-size 12", _ALL),
        good=GOOD,
        expect=("run.sh:3 degree 12 is not among 1, 2, 4, 8, 24, which the guide lists for inf2",),
    ),
]
_FLAG = "--tensor-parallel-size"


def check(folder: Folder) -> Hits:
    for launch in folder.launches:
        degree = launch.number(_FLAG)
        if degree is None or launch.row is None or folder.instance.family not in launch.row.families:
            continue
        message = _too_few(folder, launch, degree)
        listed = NXDI_DEGREES.get(folder.instance.family, ())
        if message:
            yield Hit(launch.at(_FLAG), message)
        elif listed and degree not in listed:
            names = ", ".join(map(str, listed))
            message = f"degree {degree} is not among {names}, which the guide lists for {folder.instance.family}"
            yield Hit(launch.at(_FLAG), message, severity=Severity.WARNING)


def _too_few(folder: Folder, launch: Launch, degree: int) -> str | None:
    here, run = folder.instance, launch.container
    if degree > here.cores:
        return f"degree {degree} on the {here.cores} cores of {here.name}"
    devices = len(run.visible(here.chips)) if run else here.chips
    cores = devices * here.cores_per_chip
    return f"degree {degree} on the {cores} cores of {devices} device{'s' * (devices != 1)}" if cores < degree else None
