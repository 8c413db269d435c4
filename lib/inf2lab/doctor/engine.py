"""What the chip's lane needs of Docker: an engine this user may use, room, and an image with the profile's packages."""

import json
import shlex
from pathlib import Path

from inf2lab import catalog, paths
from inf2lab.doctor import instance
from inf2lab.doctor.diagnosis import Diagnosis, Level
from inf2lab.errors import EngineError
from inf2lab.serving import has_image, run_docker
from inf2lab.settings import Settings

# Runs inside the image: {package: version} of the names it is given.
_ASK = """
import json, sys
from importlib import metadata
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        found[name] = "none"
print(json.dumps(found))
"""


def engine(settings: Settings) -> Diagnosis:
    """Whether Docker is installed, runs, and lets this user in."""
    try:
        version = run_docker("version", "--format", "{{.Server.Version}}", what="docker version")
    except EngineError as error:
        return Diagnosis("Docker", Level.MISSING, error.said, error.remedy)
    return Diagnosis("Docker", Level.OK, version.strip())


def disk(settings: Settings) -> Diagnosis | None:
    """Whether the volume that Docker keeps images on has room; nothing where it is the clone's own, or not here."""
    try:
        root = Path(run_docker("info", "--format", "{{.DockerRootDir}}", what="docker info").strip())
    except EngineError:
        return None
    if not root.exists() or root.stat().st_dev == paths.root().stat().st_dev:
        return None
    return instance.room("disk of Docker", root)


def image(settings: Settings) -> Diagnosis | None:
    """Whether the image is here, and has the packages of the profile: asked in a container without a network.

    Nothing where there is no engine to ask.
    """
    name = settings.image or settings.stack.image
    if engine(settings).level != Level.OK:
        return None
    try:
        if not has_image(name):
            return Diagnosis("image", Level.NOTE, f"{name} is not here yet", "the first start pulls it")
        own = shlex.split(settings.docker_options)
        run = ("run", "--rm", "--network", "none", *own, "--entrypoint", "python3", name, "-c", _ASK)
        found = json.loads(run_docker(*run, *settings.stack.packages, what="docker run"))
    except (EngineError, ValueError) as error:
        remedy = "take the profile's own image: leave image= empty"
        said = error.said if isinstance(error, EngineError) else str(error)
        return Diagnosis("image", Level.NOTE, f"its packages cannot be read: {said}", remedy)
    wrong = [
        f"{package} {found[package]} instead of {wanted}"
        for package, wanted in settings.stack.packages.items()
        if not _is_of(found[package], wanted)
    ]
    if wrong:
        remedy = f"choose the profile that goes with the image (now {settings.profile}), or its own image"
        return Diagnosis("image", Level.MISSING, "; ".join(wrong), remedy)
    return Diagnosis("image", Level.OK, ", ".join(f"{package} {version}" for package, version in found.items()))


def _is_of(version: str, wanted: str) -> bool:
    """Whether a version is `wanted` or one of its builds: 0.8.268.12+abc is of 0.8.268, and 2.4.0.21 of 2.4.*."""
    return f"{version.partition('+')[0]}.".startswith(wanted.removesuffix("*").rstrip(".") + ".")


def metadata(settings: Settings) -> Diagnosis | None:
    """What a release that asks the instance's metadata for its cores needs; nothing for the others."""
    if not settings.stack.asks_metadata or settings.network == "host":
        return None
    row = catalog.trouble("metadata-out-of-reach")
    found = f"DJLServing {settings.stack.djl} asks the instance's metadata, over two hops"
    return Diagnosis("metadata", Level.NOTE, found, row.fix)
