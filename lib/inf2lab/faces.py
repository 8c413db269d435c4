"""A room's face that loads what it offers on demand, so that entering it costs what is taken and no more."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def on_demand(face: str, offered: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a face that offers {module: names}, modules being named from the face on."""
    homes = {name: f"{face}.{module}" for module, names in offered.items() for name in names}

    def load(name: str) -> Any:
        if name in homes:
            return getattr(import_module(homes[name]), name)
        raise AttributeError(f"module {face!r} has no attribute {name!r}")

    return load
