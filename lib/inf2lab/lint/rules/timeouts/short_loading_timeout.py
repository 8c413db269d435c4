"""The model gets less time to load than the images came to allow."""

from inf2lab import catalog
from inf2lab.lint.examples import OLD_OPT_13B, OPT_13B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "short-loading-timeout", Severity.WARNING
WHY = (
    "Reading, splitting and compiling a large model takes about 20 minutes. `option.model_loading_timeout` wins over "
    "MODEL_LOADING_TIMEOUT of the container, which wins over the server's 240 seconds; when it is over, the "
    "worker is killed."
)
CURE = "Write `option.model_loading_timeout=1200` or more."
BAD = OPT_13B + "option.model_loading_timeout=600\n"
GOOD = BAD.replace("600", "1200")
EXPECT = [("serving.properties:3 600 s to load win over what the container allows; images from 0.22.1 on allow 1200 s")]
MORE = [
    Example(
        bad=OLD_OPT_13B,
        good=OLD_OPT_13B + "option.model_loading_timeout=1200\n",
        expect=("serving.properties:1 no `option.model_loading_timeout`: 0.21.0 gives up after 240 s",),
        profile="seed-0.21",
    )
]


def check(folder: Folder) -> Hits:
    generous = max(profile.loading_timeout_s for profile in catalog.profiles().values())
    entry, default = folder.properties.last("option.model_loading_timeout"), folder.profile.loading_timeout_s
    if entry and entry.number is not None and 0 < entry.number < generous:
        yield Hit(
            entry,
            f"{entry.number} s to load win over what the container allows; images from 0.22.1 on allow {generous} s",
        )
    given = any("MODEL_LOADING_TIMEOUT" in run.env for run in folder.containers)
    if entry is None and default < generous and not given and (folder.built_in or folder.own):
        yield Hit(1, f"no `option.model_loading_timeout`: {folder.profile.djl} gives up after {default} s")
