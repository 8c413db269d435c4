"""What a migrated folder needs of this machine, in either lane: what its server asks for before it starts."""

from pathlib import Path

from inf2lab import catalog
from inf2lab.doctor import instance
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


def driver(settings: Settings, folder: Path) -> Diagnosis | None:
    """Whether the host's driver goes with the runtime in the image; nothing for a server that needs no Neuron device.

    AWS's tags name the SDK, and the SDK's manifest the runtime.
    """
    made = Migrated.read(folder)
    if not made.devices:
        return None
    name = settings.image or made.image
    release = catalog.release_in_tag(name)
    if release is None:
        remedy = "AWS's own tags name it, as in sdk2.28.0: keep that part in the tag of a copy"
        return Diagnosis("Neuron driver", Level.NOTE, f"not compared: {name} does not say which SDK it has", remedy)
    remedy = f"rent a machine whose image has {release}, or any driver in that range"
    accepted, owner = catalog.accepted_drivers(release.runtime), f"SDK {release.sdk}'s image"
    return instance.judge_driver(accepted, owner, remedy, unsaid=Level.NOTE)
