"""The image of the chip's lane: the one that was asked for, or the profile's, held to the digest its tag stood for."""

import json
from pathlib import Path

from inf2lab import paths
from inf2lab.files import write_file
from inf2lab.serving import docker
from inf2lab.serving.interface import Report
from inf2lab.settings import Settings


def image_of(settings: Settings) -> str:
    """Return the image that was asked for, else the profile's, by digest once it was pulled here: a tag can move."""
    return settings.image or _known_digests().get(settings.stack.image, settings.stack.image)


def pull_image(settings: Settings, report: Report) -> None:
    """Pull the image if it is not here, and keep to its digest from then on; raises EngineError."""
    name = image_of(settings)
    if docker.has_image(name):
        return
    report(f"pulling {name}: minutes the first time, and kept afterwards")
    docker.pull(name, report)
    pinned = docker.digest(name)
    if pinned and not settings.image:
        digests = _known_digests() | {settings.stack.image: pinned}
        write_file(_file(), json.dumps(digests, indent=2) + "\n")
        report(f"the tag stands for {pinned}: used from now on")


def _known_digests() -> dict[str, str]:
    """Return {tag: repository@sha256:...} of the images that were pulled here by tag."""
    try:
        return dict(json.loads(_file().read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _file() -> Path:
    return paths.container_cache() / "image-digests.json"
