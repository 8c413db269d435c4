"""The model gets less time to load than a first load may take."""

import math

from inf2lab import catalog
from inf2lab.lint.examples import OLD_OPT_13B, OPT_13B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity
from neuron_rules import Span, load_seconds, load_steps

NAME, SEVERITY = "short-loading-timeout", Severity.WARNING
WHY = (
    "A first load fetches, splits and compiles. Nobody has published how long that takes: the bounds come from bytes "
    "and programs. What is less than DJLServing's own tests give a model of that size is called short. "
    "`option.model_loading_timeout` wins over MODEL_LOADING_TIMEOUT of the container, which wins over "
    "the server's 240 seconds; when it is over, the worker is killed."
)
CURE = "Write `option.model_loading_timeout=7200`, or 3600 where weights and compiled programs are kept."
BAD = OPT_13B + "option.dtype=fp16\noption.n_positions=2048\noption.model_loading_timeout=1200\n"
GOOD = BAD.replace("1200", "7200")
EXPECT = ["serving.properties:5 1200 s to load win over what the container allows; a first load may take 55 minutes"]
MORE = [
    Example(
        bad=OLD_OPT_13B,
        good=OLD_OPT_13B + "option.model_loading_timeout=7200\n",
        expect=("serving.properties:1 no `option.model_loading_timeout`: 0.21.0 gives up after 240 s",),
        profile="seed-0.21",
    )
]


def check(folder: Folder) -> Hits:
    if not (folder.built_in or folder.own):
        return
    entry, default = folder.properties.last("option.model_loading_timeout"), folder.profile.loading_timeout_s
    takes = _first_load(folder)
    if entry and entry.number is not None and 0 < entry.number < min(takes.high, _tested(folder)):
        yield Hit(
            entry,
            f"{entry.number} s to load win over what the container allows; "
            f"a first load may take {math.ceil(takes.high / 60)} minutes",
        )
    given = any("MODEL_LOADING_TIMEOUT" in run.env for run in folder.containers)
    if entry is None and default < takes.middle and not given:
        yield Hit(1, f"no `option.model_loading_timeout`: {folder.profile.djl} gives up after {default} s")


def _tested(folder: Folder) -> float:
    """The seconds that loads of such a model were seen to end in; of one that nobody knows, no number is too short."""
    return catalog.loading_facts().tested_s_per_billion * (folder.dims.parameters / 1e9 if folder.dims else 0)


def _first_load(folder: Folder) -> Span:
    """The bounds of the folder's first load; of a model that nobody knows, what the images came to allow."""
    dims = folder.dims
    if dims is None:
        generous = max(profile.loading_timeout_s for profile in catalog.profiles().values())
        return Span(generous, generous)
    rates, positions = catalog.loading_facts().rates, folder.n_positions or dims.max_positions
    vcpus = folder.instance.vcpus
    return load_seconds(load_steps(dims, dtype=folder.amp or "f16", n_positions=positions, vcpus=vcpus, rates=rates))
