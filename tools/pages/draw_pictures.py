"""Draws the pictures that pages and notebooks show, one file each in docs/pictures: python tools/pages/draw_pictures.py

Those of another language lie in a folder of its name. With --check it writes nothing and exits 1 if a file is out of
date. A picture that depends on a reader's parameters is drawn by the notebook itself and has no file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from inf2lab import Settings, pictures, plan
from inf2lab.language import languages
from inf2lab.pictures import Picture
from page_files import options, picture_file, write_pages

ARTICLE = Settings()
NODES = ("inf2.48xlarge", "inf2.48xlarge", "inf2.24xlarge")  # of notebook 09
# The name of a file in docs/pictures, and who draws it.
DRAWN: dict[str, Callable[[], Picture]] = {
    "layers": pictures.layers,
    "load_timeline": pictures.load_timeline,
    "padding": pictures.padding,
    "streaming": pictures.streaming,
    "batches": pictures.batches,
    "heads": lambda: pictures.heads(plan(ARTICLE), (2, 8, 24)),
    "matrix": lambda: pictures.matrix(ARTICLE.model),
    "deployments": lambda: pictures.deployments(ARTICLE.tensor_parallel_degree, 8, NODES),
    "symptoms": pictures.symptoms,
    "two_lanes": pictures.lanes,
}


def main() -> int:
    """Write what differs, or name it with --check; the same data gives the same files."""
    asked = options(__doc__).parse_args()
    made = {picture_file(name, each): draw().to_svg(each) for each in languages() for name, draw in DRAWN.items()}
    for folder in {file.parent for file in made}:
        folder.mkdir(parents=True, exist_ok=True)
    return write_pages(made, check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
