"""What this machine can do, subject by subject, and what to do about what is missing."""

from collections.abc import Callable

from inf2lab.doctor import engine, instance, machine, registry
from inf2lab.doctor.diagnosis import Diagnosis, Level
from inf2lab.doctor.neuron_ls import parse_neuron_ls
from inf2lab.settings import Settings

__all__ = ["Diagnosis", "Level", "examine", "parse_neuron_ls"]

_COMMON = (machine.python, machine.packages)
_REHEARSAL = (machine.memory, machine.disk, machine.port, machine.weights, machine.worker)
_CHIP = (
    instance.user,
    instance.driver,
    instance.devices,
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


def examine(settings: Settings) -> list[Diagnosis]:
    """Return a diagnosis of every subject for the lane of `settings`; none of the checks changes anything."""
    checks: tuple[Callable[[Settings], Diagnosis | None], ...]
    checks = _COMMON + (_REHEARSAL if settings.lane == "rehearsal" else _CHIP)
    return [diagnosis for check in checks if (diagnosis := check(settings))]
