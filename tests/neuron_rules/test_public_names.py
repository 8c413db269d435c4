"""The package's public list is sorted, complete, and needs nothing but the standard library."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import neuron_rules


def test_list_names_everything_that_is_public() -> None:
    public = {
        name
        for name, value in vars(neuron_rules).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert set(neuron_rules.__all__) == public


def test_every_public_function_and_class_explains_itself() -> None:
    mute = [name for name in neuron_rules.__all__ if callable(o := getattr(neuron_rules, name)) and not o.__doc__]
    assert mute == []


def test_importing_it_loads_no_third_party_package() -> None:
    code = (
        "import sys; before = set(sys.modules); import neuron_rules; "
        "print([m for m in set(sys.modules) - before if m.split('.')[0] in ('torch', 'numpy', 'transformers')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
