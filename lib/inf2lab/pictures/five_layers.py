"""The five layers from HTTP down to the chip, and a request's way through them."""

from inf2lab import catalog
from inf2lab.pictures.canvas import BLUE, GREY, INK, RED, SAND, Picture, arrow, box, canvas

# Top to bottom: colour, name, what it is, what it does once while the model loads, and with each request.
LAYERS = (
    (GREY, "HTTP", "your client and a web address", "opens last, when all is ready", "carries your prompts, as JSON"),
    (
        SAND,
        "DJLServing and its worker",
        "the model server; Python",
        "reads the model folder",
        "the handler makes tokens",
    ),
    (
        SAND,
        "transformers-neuronx",
        "the library for the model",
        "cuts weights into slices",
        "asks for token after token",
    ),
    (BLUE, "Neuron", "compiler, runtime, driver", "compiles the programs", "starts the programs"),
    (RED, "{chip}", "{cores} NeuronCores, {memory} GiB", "takes programs and weights", "the cores compute together"),
)
HEADS = ("once, at load", "at each request")
CHIP = "Inferentia2 chip"
DOWN, UP = "request", "answer"
ALT = "five layers, top to bottom: {layers}; a request goes down through all of them, its answer comes back up"
HEIGHT, GAP, TOP, COLUMNS = 0.135, 0.06, 0.925, (0.48, 0.75)


def layers() -> Picture:
    """Draw the layers, and at each the step that a request takes there."""
    chip = catalog.instance("inf2.xlarge")
    facts = {"chip": CHIP, "cores": chip.cores // chip.chips, "memory": chip.device_gib // chip.chips}
    words = [(colour, *(text.format(**facts) for text in texts)) for colour, *texts in LAYERS]
    figure, axes = canvas(9, 5.4, ALT.format(layers=", ".join(name for _, name, *_ in words)))
    for x, head in zip(COLUMNS, HEADS, strict=True):
        axes.text(x, 0.97, head, color=INK, fontsize=10, weight="bold", va="center")
    for row, (colour, name, what, *steps) in enumerate(words):
        bottom = TOP - HEIGHT - row * (HEIGHT + GAP)
        box(axes, 0.01, bottom, 0.43, HEIGHT, colour, f"{name}\n{what}", linespacing=1.6)
        for x, step in zip(COLUMNS, steps, strict=True):
            axes.text(x, bottom + HEIGHT / 2, step, color=INK, fontsize=10, va="center")
        if row:
            edge = bottom + HEIGHT
            arrow(axes, (0.15, edge + GAP), (0.15, edge))
            arrow(axes, (0.32, edge), (0.32, edge + GAP), ls="--", arrowstyle="-|>")
    between = TOP - HEIGHT - GAP / 2
    for x, word in ((0.14, DOWN), (0.31, UP)):
        axes.text(x, between, word, color=INK, fontsize=9, ha="right", va="center")
    return figure
