"""A stand-in for torch-neuronx: it can be imported, and says what is missing when it is used."""

from __future__ import annotations

from typing import Any, NoReturn

__version__ = "1.13.1.1.12.0+rehearsal"


class NotInRehearsal(RuntimeError):
    """Something that only a Neuron device can do was asked of the rehearsal."""


def _needs_device(name: str) -> NoReturn:
    raise NotInRehearsal(
        f"torch_neuronx.{name} compiles for a Neuron device, which the rehearsal does not emulate: "
        "run this model on an inf2 instance"
    )


def trace(*args: Any, **kwargs: Any) -> NoReturn:
    """Compiling a module: refused."""
    _needs_device("trace")


class DataParallel:
    """Running a traced module on several cores: refused."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _needs_device("DataParallel")
