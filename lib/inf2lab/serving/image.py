"""Images of the chip's lane: the one that was asked for, or the folder's own, held to the digest its tag stood for."""

import json
from pathlib import Path

from inf2lab import paths
from inf2lab.files import write_file
from inf2lab.serving import docker
from inf2lab.words import Report


def pinned(tag: str) -> str:
    """Return an image by digest once it was pulled here by that tag, else the tag: it can move."""
    return _known_digests().get(tag, tag)


def pull_image(image: str, report: Report, *, pin: bool) -> None:
    """Pull an image if it is not here; with `pin` keep to its digest from then on. Raises EngineError."""
    name = pinned(image) if pin else image
    if docker.has_image(name):
        return
    report(f"pulling {name}: minutes the first time, and kept afterwards")
    docker.pull(name, report)
    digest = docker.digest(name)
    if digest and pin:
        write_file(_file(), json.dumps(_known_digests() | {image: digest}, indent=2) + "\n")
        report(f"the tag stands for {digest}: used from now on")


def _known_digests() -> dict[str, str]:
    """Return {tag: repository@sha256:...} of the images that were pulled here by tag."""
    try:
        return dict(json.loads(_file().read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _file() -> Path:
    return paths.container_cache() / "image-digests.json"
