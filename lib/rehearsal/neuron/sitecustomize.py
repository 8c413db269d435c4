"""What Python runs first in a worker: it makes the imports of PyTorch and transformers quicker, and changes no result.

Python looks for this name on its path (docs.python.org, `site`). Figures: tests/benchmarks/README.md.
"""

from __future__ import annotations

import gc
import importlib
import sys
from types import ModuleType
from typing import Any

_CHECKPOINT = "torch.utils.checkpoint"

# Imports make some hundred thousand objects that stay; looking for waste among them took an eighth of the time.
gc.set_threshold(200_000, *gc.get_threshold()[1:])


class _Later(ModuleType):
    """A module that is imported when something in it is used: every model of transformers imports this one.

    It brings SymPy, and does nothing where nobody trains: recomputing what training forgot.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "checkpoint":
            return lambda *words, **named: _imported().checkpoint(*words, **named)
        return getattr(_imported(), name)


def _imported() -> ModuleType:
    if isinstance(sys.modules.get(_CHECKPOINT), _Later):
        del sys.modules[_CHECKPOINT]
    return importlib.import_module(_CHECKPOINT)


sys.modules[_CHECKPOINT] = _Later(_CHECKPOINT)
