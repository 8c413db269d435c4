"""What a migrated folder needs of this machine, in either lane: what its server asks for before it starts."""

from pathlib import Path

from inf2lab.doctor.diagnosis import Diagnosis, Level
from inf2lab.errors import EngineError, LabError
from inf2lab.folder import Migrated
from inf2lab.serving import Server, has_image
from inf2lab.settings import Settings


def server(settings: Settings, folder: Path) -> Diagnosis:
    """Whether the server could be started: its files, vLLM's environment, or the devices of its container."""
    made = Server.of(settings, folder)
    try:
        made.check()
    except LabError as error:
        return Diagnosis("successor", Level.MISSING, str(error))
    return Diagnosis("successor", Level.OK, f"{made.name}: {Migrated.read(folder).target}")


def image(settings: Settings, folder: Path) -> Diagnosis:
    """Whether the container's image is here."""
    name = settings.image or Migrated.read(folder).image
    try:
        there = has_image(name)
    except EngineError as error:
        return Diagnosis("image", Level.NOTE, error.said, error.remedy)
    if there:
        return Diagnosis("image", Level.OK, name)
    return Diagnosis(
        "image", Level.NOTE, f"{name} is not here yet", "the first start pulls it, from --image ADDRESS/NAME"
    )
