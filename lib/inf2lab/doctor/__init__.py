"""What this machine can do, finding by finding, and what to do about what is missing."""

from __future__ import annotations

from collections.abc import Callable

from inf2lab.doctor import _engine, _instance, _machine
from inf2lab.doctor._finding import Finding
from inf2lab.doctor._neuron_ls import NeuronDevice, NeuronProcess, parse_neuron_ls
from inf2lab.settings import Settings

__all__ = ["Finding", "NeuronDevice", "NeuronProcess", "examine", "parse_neuron_ls"]

_COMMON = (_machine.python, _machine.packages)
_REHEARSAL = (_machine.memory, _machine.disk, _machine.port, _machine.weights, _machine.worker)
_CHIP = (
    _instance.user,
    _instance.driver,
    _instance.devices,
    _instance.cores_in_use,
    _instance.memory,
    _engine.engine,
    _instance.disk,
    _engine.disk,
    _machine.port,
    _engine.image,
    _engine.metadata,
)


def examine(settings: Settings) -> list[Finding]:
    """Return every finding for the lane of `settings`; none of the checks changes anything."""
    checks: tuple[Callable[[Settings], Finding | None], ...]
    checks = _COMMON + (_REHEARSAL if settings.lane == "rehearsal" else _CHIP)
    return [finding for check in checks if (finding := check(settings))]
