"""Draws the pictures that README.md shows into docs/: python tools/pages/draw_pictures.py"""

from __future__ import annotations

import matplotlib

from inf2lab import pictures
from page_files import DOCS


def main() -> None:
    """Write docs/two_lanes.svg; the same input gives the same file."""
    matplotlib.rcParams["svg.hashsalt"] = "inf2lab"
    pictures.lanes().savefig(DOCS / "two_lanes.svg", metadata={"Date": None})
    print("docs/two_lanes.svg")


if __name__ == "__main__":
    main()
