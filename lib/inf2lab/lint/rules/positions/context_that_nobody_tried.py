"""More positions than the vendor names for the image's library."""

from inf2lab import catalog
from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "context-that-nobody-tried", Severity.WARNING
WHY = (
    "A program for a prompt grows with its square, and long ones took kernels of their own: contexts of 32k came with "
    "transformers-neuronx 0.11.351, of 128k with 0.12.313. That an older one fails is likely, and not sure."
)
CURE = "Use fewer positions, or a later profile; and try it before anybody depends on it."
_LLAMA = OPT_1_3B.replace("facebook/opt-1.3b", "meta-llama/Llama-3.1-8B")
BAD = _LLAMA + "option.n_positions=65536\n"
GOOD = _LLAMA + "option.n_positions=8192\n"
EXPECT = [
    "serving.properties:3 65536 positions are uncertain: the vendor names contexts above 32768 from "
    "transformers-neuronx 0.12.313 on with option.shard_over_sequence, and 0.29.0 has 0.11.351"
]
PROFILE = "djl-0.29"


def check(folder: Folder) -> Hits:
    entry, positions = folder.option("n_positions"), folder.n_positions
    if not (folder.built_in or (folder.own and folder.own.reads("n_positions"))):
        return
    if entry and positions and (said := catalog.untried_context(positions, folder.profile)):
        yield Hit(entry, said)
