"""The notebooks' pictures, made by code from the same data as the tables: one picture a file.

Colour never speaks alone: hatch, marks and words say what it does. The words of a picture stand at the top of its file.
"""

from typing import TYPE_CHECKING

from inf2lab import faces

if TYPE_CHECKING:
    from inf2lab.pictures.batches_in_time import batches
    from inf2lab.pictures.canvas import BLUE, GREY, INK, RED, SAND, Picture
    from inf2lab.pictures.copies_on_devices import ring, rings
    from inf2lab.pictures.core_memory import memory_bars, verdicts
    from inf2lab.pictures.events import timeline
    from inf2lab.pictures.five_layers import layers
    from inf2lab.pictures.load_steps import load_timeline
    from inf2lab.pictures.one_layer import matrix
    from inf2lab.pictures.padded_rows import padding
    from inf2lab.pictures.price_ranges import costs
    from inf2lab.pictures.symptom_tree import symptoms
    from inf2lab.pictures.two_lanes import lanes
    from inf2lab.pictures.ways_to_deploy import deployments
    from inf2lab.pictures.whole_heads import heads
    from inf2lab.pictures.whole_or_stream import streaming

__all__ = [
    "BLUE",
    "GREY",
    "INK",
    "RED",
    "SAND",
    "Picture",
    "batches",
    "costs",
    "deployments",
    "heads",
    "lanes",
    "layers",
    "load_timeline",
    "matrix",
    "memory_bars",
    "padding",
    "ring",
    "rings",
    "streaming",
    "symptoms",
    "timeline",
    "verdicts",
]

# A file is not named as what it offers: importing it would set its name in the function's place.
__getattr__ = faces.on_demand(__name__)
