"""What this machine can do, subject by subject, and what to do about what is missing."""

from collections.abc import Callable
from pathlib import Path

from inf2lab.doctor import engine, instance, machine, registry, successor
from inf2lab.doctor.diagnosis import Diagnosis, Level
from inf2lab.doctor.neuron_ls import parse_neuron_ls
from inf2lab.folder import Migrated
from inf2lab.settings import Settings

__all__ = ["Diagnosis", "Level", "examine", "parse_neuron_ls"]

_COMMON = (machine.python, machine.packages)
_REHEARSAL = (machine.memory, machine.disk, machine.port, machine.weights, machine.worker)
_CHIP = (
    instance.user,
    instance.driver,
    instance.devices,
    instance.permission,
    instance.cores_in_use,
    instance.memory,
    engine.engine,
    instance.disk,
    engine.disk,
    machine.port,
    engine.image,
    registry.published,
    engine.metadata,
)


_MIGRATED = {
    "rehearsal": (machine.memory, machine.disk, machine.port),
    "inf2": (instance.devices, instance.cores_in_use, engine.engine, instance.disk, engine.disk, machine.port),
}


def examine(settings: Settings, folder: Path | None = None) -> list[Diagnosis]:
    """Return a diagnosis of every subject for the lane of `settings`; none of the checks changes anything.

    For a `folder` that `inf2lab migrate` wrote, of what its successor needs; raises FolderError for any other.
    """
    checks: tuple[Callable[[Settings], Diagnosis | None], ...]
    checks = _COMMON + (_REHEARSAL if settings.lane == "rehearsal" else _CHIP)
    if folder:
        Migrated.read(folder)
        checks = _COMMON + _MIGRATED[settings.lane]
    found = [diagnosis for check in checks if (diagnosis := check(settings))]
    own = (successor.server, successor.image, successor.driver)[: 3 if settings.lane == "inf2" else 1]
    return found + ([one for check in own if (one := check(settings, folder))] if folder else [])
