"""The steps of a proof in their order, each a question that nobody can answer without the chip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inf2lab.prove.machine_steps import find_cores, initialise_runtime, pull_image, read_versions
from inf2lab.prove.serving_steps import answer, keep_caches, load, measure
from inf2lab.prove.site import Site


@dataclass(frozen=True)
class Step:
    """One question; `check` answers it on a site, or raises. `minutes` are planned; those of a load the planner has."""

    name: str
    asks: str
    minutes: int
    check: Callable[[Site], None]


# Minutes are planned from sizes and rates of AWS's pages, and nobody has measured them: the proof does.
STEPS = (
    Step("image", "the container's image can be pulled", 10, pull_image),
    Step("driver", "driver and runtime say their versions", 1, read_versions),
    Step("cores", "the driver shows as many NeuronCores as the catalog says", 1, find_cores),
    Step("nrt_init", "the image's runtime starts on the host's driver", 1, initialise_runtime),
    Step("load", "OPT-1.3B loads within the folder's own time-out", 0, load),
    Step("caches", "weights and compiled programs lie on the volume", 1, keep_caches),
    Step("answers", "two prompts get two texts", 2, answer),
    Step("pace", "memory and time a token are what was planned", 4, measure),
)
LAUNCH = Step("launch", "an instance starts, boots and takes commands", 0, lambda site: None)
CLEAN_UP = Step("clean-up", "a sweep finds nothing left", 0, lambda site: None)
