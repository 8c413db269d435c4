"""`load_on_devices` names devices that are no NeuronCores, or groups of cores that overlap."""

import itertools
import re

from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "devices-that-collide", Severity.ERROR
WHY = (
    "`ncN` is a group's first core from 0.24.0 on, and its number before; a bare number is a GPU, which an Inf2 "
    "instance has not. Two groups that share a core cannot both load."
)
CURE = "Delete the line: the server finds the cores itself. Or name groups a degree apart, as in nc0;nc2."
BAD = OPT_1_3B + "option.tensor_parallel_degree=2\nload_on_devices=nc0;nc1\n"
GOOD = BAD.replace("nc1", "nc2")
EXPECT = ["serving.properties:4 nc0 and nc1 share cores at degree 2"]
MORE = [
    Example(
        bad=GOOD.replace("nc0;nc2", "nc0; nc2;NC4"),
        good=GOOD,
        expect=(
            "serving.properties:4 `nc2` with a blank is no device: the load ends in `Failed to parse device name`",
            "serving.properties:4 `NC4` is no device: the load ends in `Failed to parse device name`",
        ),
    )
]
_DEVICE = re.compile(r"[a-z]+\d*|[-+]?\d+|.*\+.*|")  # several are joined by +, and none is the CPU
_FIRST_CORE = (0, 24)  # from here on N in ncN is a core


def check(folder: Folder) -> Hits:
    entry = folder.properties.last("load_on_devices")
    degree = folder.degree or 1
    if entry is None or degree < 1:
        return
    names = [name.strip() for name in entry.value.split(";") if name.strip()]
    starts = sorted(int(m[1]) for name in names if (m := re.fullmatch(r"nc(\d{1,4})", name)))
    step = degree if folder.release >= _FIRST_CORE else 1
    for name in re.sub(";+$", "", entry.value).split(";") if entry.value != "*" else ():
        if not _DEVICE.fullmatch(name):
            blank = " with a blank" if name != name.strip() else ""
            yield Hit(entry, f"`{short(name)}`{blank} is no device: the load ends in `Failed to parse device name`")
    for name in names:
        if re.fullmatch(r"\d+", name):
            yield Hit(entry, f"`{short(name)}` is a GPU: the load ends in `No GPU device detected.`")
    for first, second in itertools.pairwise(starts):
        if second - first < step:
            yield Hit(entry, f"nc{first} and nc{second} share cores at degree {degree}")
    last_core = (starts[-1] if step == degree else starts[-1] * degree) + degree - 1 if starts else 0
    if last_core >= folder.instance.cores:
        yield Hit(
            entry,
            f"nc{starts[-1]} at degree {degree} ends at core {last_core}; "
            f"{folder.instance.name} has {folder.instance.cores}",
        )
