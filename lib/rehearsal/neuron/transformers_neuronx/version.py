"""The version that the emulated generation reports."""

from __future__ import annotations

_VERSIONS = {"0.2": "0.2.0+rehearsal", "0.8": "0.8.268+rehearsal"}


def __getattr__(name: str) -> str:
    """`__version__` of the generation that the environment names."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from emulated_neuron.environment import read_environment

    return _VERSIONS[read_environment().generation.name]
