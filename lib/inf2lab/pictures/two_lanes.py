"""What is the same in both lanes, and what plays the chip in the rehearsal."""

from inf2lab.pictures.canvas import BLUE, GREY, RED, SAND, Picture, arrow, box, canvas

WORDS = {
    "alt": "notebooks and model folder are shared; below them either this machine or an inf2 instance",
    "notebooks": "notebooks, client, plan\nthe same code in both lanes",
    "folder": "models/opt13b/serving.properties + model.py\nthe same files, byte for byte",
    "rehearsal": "rehearsal: this machine\nDJL's own worker, an emulated chip, small weights",
    "inf2": "inf2: an instance\nDJLServing's container, NeuronCores, OPT-13B",
}
# Left, bottom, width, height, colour.
PLACES = {
    "notebooks": (0.02, 0.70, 0.96, 0.24, GREY),
    "folder": (0.02, 0.38, 0.96, 0.22, SAND),
    "rehearsal": (0.02, 0.04, 0.46, 0.24, BLUE),
    "inf2": (0.52, 0.04, 0.46, 0.24, RED),
}


def lanes() -> Picture:
    """Draw what is the same in both lanes and what plays the chip in the rehearsal."""
    figure, axes = canvas(9, 3.6, WORDS["alt"])
    for name, place in PLACES.items():
        box(axes, *place, WORDS[name])
    for x in (0.25, 0.75):
        arrow(axes, (x, 0.70), (x, 0.60))
        arrow(axes, (x, 0.38), (x, 0.28))
    return figure
