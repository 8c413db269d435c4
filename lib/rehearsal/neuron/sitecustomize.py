"""What Python runs first in a worker: it makes the imports of PyTorch and transformers quicker, and changes no result.

Python looks for this name on its path (docs.python.org, `site`). Figures: tests/benchmarks/README.md.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Sequence
from functools import partial
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

_CHECKPOINT = "torch.utils.checkpoint"
_META = "torch._meta_registrations"
# What is imported and not used by what imports it. Each stands in an `import`, or behind `from package import`:
# a module whose names were taken at once would run at once.
_LATER = {
    _CHECKPOINT,  # recomputing what training forgot; brings SymPy
    _META,
    "boto3",  # accelerate's questions about SageMaker
    "torch.distributions",
    "torch.export",
    "torch.quantization",
}
_WITH_META = ("torch._decomp", "torch._prims", "torch._refs")
_IN_TURN = {*_WITH_META, "torch._prims_common.wrappers", "torch.utils._content_store"}  # import each other behind _META
_KERNELS = Path(__file__).with_name("meta_kernels.txt")
_MODULE_LOCK: Any = vars(vars(importlib)["_bootstrap"])["_ModuleLockManager"]  # Python's own: it knows of deadlocks
_stand_ins: dict[str, Any] = {}  # by name space, the libraries that hold kernels in the registrations' place
_ASKED_OF_ALL = {"__path__", "__wrapped__", "__warningregistry__"}  # in passing, by who means another module

# Imports make some hundred thousand objects that stay; looking for waste among them took an eighth of the time.
gc.set_threshold(200_000, *gc.get_threshold()[1:])


class _Later(ModuleType):
    """A module that runs when something in it is asked for, and is as any other from then on."""

    def __getattr__(self, name: str) -> Any:
        if name in _ASKED_OF_ALL:
            raise AttributeError(name)
        if name == "checkpoint" and self.__name__ == _CHECKPOINT:  # every model of transformers takes it by name
            return lambda *words, **named: vars(_run(self))[name](*words, **named)
        found = vars(_run(self))
        if name not in found:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return found[name]

    def __dir__(self) -> list[str]:
        return list(vars(_run(self)))


class _LaterLoader(Loader):
    """Gives a module that has not run, with the loader that will run it."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _Later
        if module.__name__ == _META and not _wait_for_meta():
            _run(module)


class _There(Loader):
    """Gives a module that was imported while it was looked for."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__
        module.__spec__ = ModuleSpec(module.__name__, self)  # which Python would load again

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


class _Finder:
    """Stands before Python's own ways to find a module."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        first = _META if name in _IN_TURN else name.rpartition(".")[0]
        if first in _LATER and _is_put_off(first):
            _run(sys.modules[first])
            if name in sys.modules:
                return ModuleSpec(name, _There(sys.modules[name]))
        spec = PathFinder.find_spec(name, path) if name in _LATER and target is None else None
        if spec is not None and spec.loader is not None:
            spec.loader = _LaterLoader(spec.loader)
        return spec


class _WithMeta:
    """One of torch's attributes that come with the registrations."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Any:
        _run(sys.modules[_META])
        return getattr(sys.modules[self.name], name)


def _is_put_off(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return spec is not None and isinstance(spec.loader, _LaterLoader)


def _run(module: ModuleType) -> ModuleType:
    """Run a module unless somebody has; an error leaves it to the next who asks."""
    spec = module.__spec__
    assert spec is not None
    with _MODULE_LOCK(spec.name):
        later = spec.loader
        if isinstance(later, _LaterLoader):
            spec.loader = module.__loader__ = later.loader
            try:
                later.loader.exec_module(module)
            except BaseException:
                spec.loader = later
                raise
            module.__class__ = ModuleType
    return module


def _wait_for_meta() -> bool:
    """Let the first operation on tensors without numbers run the registrations; False for a PyTorch not known here.

    They take a quarter of PyTorch's import, and no operation on numbers asks them.
    """
    torch = sys.modules["torch"]
    release, *names = _KERNELS.read_text(encoding="ascii").split()
    if torch.__version__.partition("+")[0] != release:
        return False
    for name in names:
        space = name.partition("::")[0]
        if space not in _stand_ins:
            _stand_ins[space] = torch._C._dispatch_library("IMPL", space, "Meta", __file__, 0)
        _stand_ins[space].impl(name, "Meta", partial(_first, name), False)
    for name in _WITH_META:
        setattr(torch, name.rpartition(".")[2], _WithMeta(name))
    return True


def _first(name: str, *words: Any, **named: Any) -> Any:
    """Stand in for one operation: the registrations take its place, and it is called again."""
    _run(sys.modules[_META])
    space, _, rest = name.partition("::")
    packet, _, overload = rest.partition(".")
    operation = getattr(getattr(sys.modules["torch"].ops, space), packet)
    return getattr(operation, overload or "default")(*words, **named)


sys.meta_path.insert(0, _Finder())
