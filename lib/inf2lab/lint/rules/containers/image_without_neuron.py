"""The tag is of an image that holds no Neuron."""

import re

from inf2lab.lint.examples import served
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "image-without-neuron", Severity.ERROR
WHY = (
    "One repository holds images for CPUs, GPUs and Neuron. Without `inf2` or `neuronx` in its tag an image has no "
    "transformers-neuronx: ModuleNotFoundError, or a model that answers slowly from the CPU."
)
CURE = "Name the tag that ends in -pytorch-inf2, or SageMaker's with neuronx."
BAD = served(tag="0.25.0")
GOOD = served()
EXPECT = ["run.sh:2 `deepjavalibrary/djl-serving:0.25.0` has no Neuron"]
_PUBLIC = re.compile(r"(?:.*/)?(?:deepjavalibrary/djl-serving|djl-inference)(?::(?P<tag>[\w.+-]+))?")


def check(folder: Folder) -> Hits:
    for run in folder.containers:
        match = _PUBLIC.fullmatch(run.image)
        if match and not re.search("inf2|neuron", match["tag"] or ""):
            yield Hit(run.command.at(run.image), f"`{short(run.image)}` has no Neuron")
