"""A stand-in for diffusers: DJL's Neuron handler imports it for Stable Diffusion, which is not rehearsed."""

from __future__ import annotations

from typing import Any, NoReturn


class NotInRehearsal(RuntimeError):
    """Something that needs the real diffusers package was asked of the rehearsal."""


class Unavailable:
    """Can be imported and named in annotations, not used."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse(type(self).__name__)

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> NoReturn:
        """Loading a pipeline: refused."""
        _refuse(cls.__name__)


class StableDiffusionPipeline(Unavailable):
    """Refused on use."""


class DPMSolverMultistepScheduler(Unavailable):
    """Refused on use."""

    @classmethod
    def from_config(cls, *args: Any, **kwargs: Any) -> NoReturn:
        """Building a scheduler: refused."""
        _refuse(cls.__name__)


def _refuse(name: str) -> NoReturn:
    raise NotInRehearsal(
        f"diffusers.{name} belongs to Stable Diffusion, which the rehearsal does not serve: run it on an inf2 instance"
    )
