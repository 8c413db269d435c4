"""Kernels of tests that are forks of one process, as warm workers are: a notebook does not wait for imports.

A pytest plugin. What is imported before is what many notebooks need and others have written: nothing of inf2lab, so
that a notebook which forgets an import of it fails here too.
"""

from __future__ import annotations

import gc
import importlib
import os
from typing import Any

import warm_worker

NAME = "WARM_KERNELS"
INLINE = "module://matplotlib_inline.backend_inline"  # as ipykernel sets it, before matplotlib is imported
IMPORTED = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "matplotlib.figure",
    "matplotlib.font_manager",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib_inline.backend_inline",
    "requests",
    "aiohttp",
    "botocore.session",
    "ipywidgets",
    "yaml",
)


class Plugin(warm_worker.Plugin):
    """Starts the process that kernels are forks of."""

    name, source = NAME, __file__

    def told(self) -> dict[str, str]:
        """Return what matplotlib reads, and ipykernel, when they are imported."""
        return {"MPLBACKEND": INLINE, "JPY_PARENT_PID": str(os.getpid())}


def pytest_configure(config: Any) -> None:
    """Take part where this can be had, and not again in the processes of pytest-xdist."""
    if warm_worker.can_be_had(NAME):
        config.pluginmanager.register(Plugin())


def import_what_kernels_import() -> None:
    """Import it once."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    warm_worker.serve(import_what_kernels_import)
