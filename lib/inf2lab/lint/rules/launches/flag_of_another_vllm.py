"""A flag that the image's vLLM does not have yet, or has no more."""

from inf2lab import catalog
from inf2lab.lint.examples import launched
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "flag-of-another-vllm", Severity.ERROR
WHY = (
    "vLLM ends at a flag that it does not know. `--device neuron` and `--override-neuron-config` were flags of "
    "the forks up to 0.9.1, and guides still show them."
)
CURE = "Leave it out; settings of NxD Inference go into --additional-config, below override_neuron_config."
BAD = launched("--device neuron")
GOOD = launched("")
EXPECT = ["run.sh:3 `--device` ended with vLLM 0.10.2, and the image has 0.13.0"]


def check(folder: Folder) -> Hits:
    for launch in folder.launches:
        for flag in catalog.successor_flags().values() if launch.version else ():
            if launch.flag(flag.name) is not None and not flag.known_in(launch.version or ()):
                since = f"ended with vLLM {flag.until}" if flag.until else f"begins with vLLM {flag.since}"
                release = ".".join(map(str, launch.version or ()))
                yield Hit(launch.at(flag.name), f"`{flag.name}` {since}, and the image has {release}")
