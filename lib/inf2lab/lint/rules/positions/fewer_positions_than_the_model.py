"""The model is compiled for fewer positions than it has."""

from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "fewer-positions-than-the-model", Severity.NOTE
WHY = (
    "n_positions is a limit on every request, prompt and answer together; what is longer fails, often "
    "with an empty message."
)
CURE = "Keep requests below it, or raise it to the longest text you will ask for."
BAD = OPT_1_3B + "option.n_positions=256\n"
GOOD = BAD.replace("256", "2048")
EXPECT = ["serving.properties:3 compiled for 256 of the model's 2048 positions: a request for more fails"]


def check(folder: Folder) -> Hits:
    entry, positions, dims = folder.option("n_positions"), folder.n_positions, folder.dims
    if folder.own and not folder.own.reads("n_positions"):
        return
    if entry and positions and dims and 0 < positions < dims.max_positions and dims.max_positions < 2**20:
        message = f"compiled for {positions} of the model's {dims.max_positions} positions: a request for more fails"
        yield Hit(entry, message)
