"""When a user reads the first word: of an answer that comes whole, and of one that comes as it is drawn."""

from inf2lab.pictures.canvas import BLUE, GREY, INK, LETTERS, RED, Picture
from inf2lab.planning import plan_for, planned_pace

WORDS = {
    "alt": (
        "one request of {tokens} tokens on the chip, by the planner: answered whole, the first word is read after "
        "{whole:.0f} s; streamed, after {first:.1f} s; the last word comes after {whole:.0f} s in both"
    ),
    "whole": "whole answer\n(model.py)",
    "stream": "streamed\n(not this handler)",
    "waits": "the user sees nothing",
    "reads": "the user reads",
    "all": "all {tokens} tokens at once",
    "axis": "seconds since the request, by the planner (nobody has measured it)",
}
PROMPT, NEW = 9, 2039  # the article's request


def streaming() -> Picture:
    """Draw both ways for the article's request."""
    made = plan_for("opt-13b", tensor_parallel_degree=2, batch_size=2, input_tokens=PROMPT, output_tokens=NEW)
    whole = planned_pace(made).seconds
    first = made.service.ttft_ms.mid / 1e3
    words = {"tokens": PROMPT + NEW, "whole": whole, "first": first}
    figure = Picture(9, 2.2, WORDS["alt"].format(**words))
    axes = figure.subplots()
    axes.barh(0, whole, height=0.5, color=GREY, hatch="xx", edgecolor="white", label=WORDS["waits"])
    axes.barh(1, whole - first, left=first, height=0.5, color=BLUE, edgecolor="white", label=WORDS["reads"])
    axes.plot(whole, 0, marker="D", color=RED, markersize=9)
    axes.text(whole * 1.03, 0, WORDS["all"].format(**words), va="center", fontsize=LETTERS, color=INK)
    axes.set_yticks([0, 1], [WORDS["whole"], WORDS["stream"]], fontsize=LETTERS)
    axes.invert_yaxis()
    axes.set(xlabel=WORDS["axis"], xlim=(0, whole * 1.3))
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, 1.3), ncols=2, fontsize=LETTERS, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
