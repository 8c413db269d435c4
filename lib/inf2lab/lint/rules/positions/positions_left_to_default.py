"""Without `option.n_positions` the handler compiles for 128 positions."""

from inf2lab import catalog
from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "positions-left-to-default", Severity.WARNING
WHY = "Up to 0.29.0 the default is 128, prompt and answer together; a longer request finds no program to run in."
CURE = "Set `option.n_positions` to the longest text you will ask for."
BAD = OPT_1_3B
GOOD = BAD + "option.n_positions=512\n"
EXPECT = ["serving.properties:1 no `option.n_positions`: 0.25.0 compiles for 128 positions"]


def check(folder: Folder) -> Hits:
    default = catalog.options().options["n_positions"].default_in(folder.release)
    if folder.built_in and folder.option("n_positions") is None and default:
        place = folder.entry_point or 1
        yield Hit(place, f"no `option.n_positions`: {folder.profile.djl} compiles for {default} positions")
