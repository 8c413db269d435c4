"""More positions than the model was trained with."""

from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "positions-beyond-the-model", Severity.ERROR
WHY = (
    "A learned position table has a last row; the library refuses n_positions above it with ValueError while it loads."
)
CURE = "Write at most the model's own number of positions."
BAD = OPT_1_3B + "option.n_positions=4096\n"
GOOD = BAD.replace("4096", "2048")
EXPECT = ["serving.properties:3 4096 positions; facebook/opt-1.3b has 2048"]


def check(folder: Folder) -> Hits:
    entry, positions, dims = folder.option("n_positions"), folder.n_positions, folder.dims
    if folder.own and not folder.own.reads("n_positions"):
        return
    if entry and positions and dims and positions > dims.max_positions:
        learned = dims.family.positions == "learned"
        message = f"{positions} positions; {short(dims.name)} has {dims.max_positions}"
        yield Hit(entry, message, severity=None if learned else Severity.WARNING)
