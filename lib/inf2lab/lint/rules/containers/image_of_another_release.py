"""The docker command starts another release than the folder is written for."""

import re

from inf2lab import catalog
from inf2lab.lint.examples import served
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "image-of-another-release", Severity.WARNING
WHY = (
    "Entry point, options and request change with the release; a folder is right for the image that "
    "serves it, and 0.35.0 has no Neuron at all."
)
CURE = "Lint under the image's profile, or name this profile's image."
BAD = served(tag="0.21.0-pytorch-inf2")
GOOD = served()
EXPECT = ["run.sh:2 the image is of 0.21.0, and the folder is linted for 0.25.0"]
MORE = [
    Example(
        bad=served(tag="0.36.0-pytorch-inf2"),
        good=GOOD,
        expect=("run.sh:2 the image is of 0.36.0: DJLServing removed its Neuron code in 0.35.0",),
    )
]
_TAG = re.compile(r".*djl-(?:serving|inference):(\d{1,4}\.\d{1,4}(?:\.\d{1,4})?)[^/]*")


def check(folder: Folder) -> Hits:
    for run in folder.containers:
        match = _TAG.fullmatch(run.image)
        if match is None or tuple(map(int, match[1].split(".")))[:2] == folder.release[:2]:
            continue
        removed = catalog.neuron_removed(match[1])
        message = (
            f"the image is of {match[1]}: DJLServing removed its Neuron code in {catalog.neuron_removed_in()}"
            if removed
            else f"the image is of {match[1]}, and the folder is linted for {folder.profile.djl}"
        )
        yield Hit(run.command.at(run.image), message, severity=Severity.ERROR if removed else None)
