"""inf2lab's public list: sorted, complete, and importable without heavy packages."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types

import pytest

PACKAGES = (
    "inf2lab",
    "inf2lab.catalog",
    "inf2lab.aws",
    "inf2lab.folder",
    "inf2lab.measure",
    "inf2lab.planning",
    "inf2lab.scale",
    "inf2lab.serving",
)
HEAVY = ("torch", "transformers", "matplotlib", "boto3", "numpy", "tokenizers", "rehearsal")


@pytest.mark.parametrize("name", PACKAGES)
def test_the_public_list_is_sorted_and_is_what_the_package_offers(name: str) -> None:
    package = importlib.import_module(name)
    assert list(package.__all__) == sorted(package.__all__)
    offered = {
        key
        for key, value in vars(package).items()
        if not key.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert set(package.__all__) == offered


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_has_a_docstring(name: str) -> None:
    package = importlib.import_module(name)
    bare = [key for key in package.__all__ if not (getattr(package, key).__doc__ or "").strip()]
    assert not bare


@pytest.mark.parametrize("module", ["inf2lab.cli", "inf2lab.doctor", "inf2lab"])
def test_importing_loads_no_heavy_package(module: str) -> None:
    program = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
