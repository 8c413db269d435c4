"""Two prompts of unequal length in one batch: filled up on the left, which is right, and on the right."""

from matplotlib.axes import Axes

from inf2lab.pictures.canvas import BLUE, GREY, LETTERS, RED, SAND, Picture, box, canvas

WORDS = {
    "alt": (
        "two rows of tokens. Correct: four blanks stand before the short prompt, its start_ids is 4, "
        "and the new tokens of both rows begin in the same column. Wrong: the short prompt is "
        "followed by four blanks, and its new tokens come after the blanks"
    ),
    "left": "Correct: filled up on the left",
    "right": "Wrong: filled up on the right",
    "start_ids": "start_ids {}",
    "new": "new",
    "blank": "blank",
    "why left": "each row continues\nafter its own last token",
    "why right": "the short row continues after blanks:\nstatus 200, but the text is not its continuation",
}
PROMPTS = (("a", "large", "chip", "runs", "two", "rows"), ("a", "dog"))
CELL, HEIGHT, NEW = 0.0545, 0.13, 2


def padding() -> Picture:
    """Draw the two rows with `start_ids`, and beside them the same rows filled up on the wrong side."""
    figure, axes = canvas(9, 2.7, WORDS["alt"])
    longest = max(map(len, PROMPTS))
    for left, title, why in ((0.005, "left", "why left"), (0.56, "right", "why right")):
        axes.text(left, 0.95, WORDS[title], va="center", fontsize=LETTERS + 1, weight="bold")
        axes.text(left + 4 * CELL, 0.1, WORDS[why], va="center", ha="center", fontsize=LETTERS)
        for row, prompt in enumerate(PROMPTS):
            blanks = [WORDS["blank"]] * (longest - len(prompt))
            places = [*blanks, *prompt] if title == "left" else [*prompt, *blanks]
            _row(axes, left, 0.62 - row * 0.27, places)
            if title == "left":
                words = WORDS["start_ids"].format(len(blanks))
                axes.text(left + 8.15 * CELL, 0.62 - row * 0.27 + HEIGHT / 2, words, va="center", fontsize=LETTERS)
    return figure


def _row(axes: Axes, left: float, bottom: float, places: list[str]) -> None:
    for at, word in enumerate([*places, *[WORDS["new"]] * NEW]):
        colour = {WORDS["blank"]: GREY, WORDS["new"]: SAND}.get(word, BLUE)
        box(axes, left + at * CELL, bottom, CELL * 0.93, HEIGHT, colour, word, fontsize=9)
    after = left + len(places) * CELL - CELL * 0.035
    axes.plot([after, after], [bottom - 0.04, bottom + HEIGHT + 0.04], color=RED, lw=2)
