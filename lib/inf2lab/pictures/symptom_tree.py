"""A way from a symptom to a cause: what you see, what the log or the client says, what it means."""

from matplotlib.axes import Axes

from inf2lab.pictures.canvas import BLUE, GREY, INK, SAND, Picture, box, canvas

HEADS = ("What do you see?", "What does the log or the client say?", "What is the cause?")
# A symptom, and below it the words to look for with their cause.
TREE = {
    "No answer at all": (
        ("connection refused", "no server runs, or it still loads"),
        ("the client's time-out", "the answer takes longer than the client waits"),
    ),
    "The start fails": (
        ("Allocation Failure", "weights and KV cache exceed the cores' memory"),
        ("KeyError: 'dtype' or 'fp16'", "the other handler's word for the format"),
        ("heads cannot be divided", "the degree does not divide the heads"),
        ("No module named 'djl_python...'", "the entry point of another release"),
        ("TimeoutException", "the load takes longer than its time-out"),
    ),
    "The server answers\nwith an error": (
        ("404", "a wrong name in the URL: it wants the folder's"),
        ("204", "the request has no content type of JSON"),
        ("424, KeyError: 'seq_length'", "the body is for the other handler"),
        ("424 without words, StopIteration", "more tokens than n_positions has room for"),
        ("424, IndexError: index out of range", "the prompt is longer than the model's positions"),
        ("503, queue capacity exceeded", "more requests wait than the queue holds"),
        ("503, TimeoutException", "a slow answer: the worker is replaced"),
    ),
}
GAP = 0.45  # between two branches
LEFT, MIDDLE, RIGHT = (0.003, 0.182), (0.235, 0.325), (0.60, 0.40)  # of each column: where it begins, and its width


def symptoms() -> Picture:
    """Draw the tree from left to right: a symptom, the words, the cause."""
    rows = sum(len(leaves) for leaves in TREE.values())
    units = 1 + rows + GAP * (len(TREE) - 1)  # of a line's height
    figure, axes = canvas(9, 0.36 * units, _alt())
    step = 1 / units
    for head, (x, _) in zip(HEADS, (LEFT, MIDDLE, RIGHT), strict=True):
        axes.text(x, 1 - step / 2, head, va="center", fontsize=10.5, fontweight="bold", color=INK)
    top = 1 - step
    for symptom, leaves in TREE.items():
        _draw_branch(axes, symptom, leaves, top, step)
        top -= step * (len(leaves) + GAP)
    return figure


def _draw_branch(axes: Axes, symptom: str, leaves: tuple[tuple[str, str], ...], top: float, step: float) -> None:
    middle = top - step * len(leaves) / 2
    height = step * (1.7 if "\n" in symptom else 0.95)
    box(axes, LEFT[0], middle - height / 2, LEFT[1], height, BLUE, symptom, fontsize=9.5)
    edge = sum(LEFT)
    fork = (edge + MIDDLE[0]) / 2
    for number, (words, cause) in enumerate(leaves):
        y = top - step * (number + 0.5)
        axes.plot([edge, fork, fork, MIDDLE[0]], [middle, middle, y, y], color=GREY, lw=1.2, zorder=0)
        axes.plot([MIDDLE[0] + MIDDLE[1], RIGHT[0]], [y, y], color=GREY, lw=1.2, zorder=0)
        box(axes, MIDDLE[0], y - 0.42 * step, MIDDLE[1], 0.84 * step, SAND, words, fontsize=9.2)
        axes.text(RIGHT[0] + 0.008, y, cause, va="center", fontsize=9.5, color=INK)


def _alt() -> str:
    parts = []
    for symptom, leaves in TREE.items():
        told = "; ".join(f"{words}: {cause}" for words, cause in leaves)
        parts.append(f"{symptom.replace(chr(10), ' ')}. {told}")
    return ". ".join(parts)
