"""The requirement files: exact pins, each with its reason, and the chip's packages on the chip only."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import lock

ROOT = Path(__file__).resolve().parents[1]
FILES = ["requirements.txt", "requirements-inf2.txt", "requirements-scale.txt"]
CHIP_ONLY = {"torch-neuronx", "transformers-neuronx", "neuronx-cc"}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def requirement_lines(name: str) -> list[str]:
    """The lines that name a package: no comments, no options."""
    lines = (line.strip() for line in text_of(name).splitlines())
    return [line for line in lines if line and not line.startswith(("#", "-"))]


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_pinned_exactly_and_says_why(name: str) -> None:
    lines = requirement_lines(name)
    assert lines
    wrong = [line for line in lines if not re.fullmatch(r"[\w.-]+(?:\[\w+\])?==\d[\w.]*(?:\.\*)?\s+#\s+\S.{7,}", line)]
    assert not wrong, f"write `name==version  # reason`: {wrong}"


@pytest.mark.parametrize("name", FILES)
def test_no_requirement_stands_twice(name: str) -> None:
    names = [lock.normal(line.split("==")[0]) for line in requirement_lines(name)]
    assert len(names) == len(set(names))


def test_the_laptop_never_installs_the_chips_packages() -> None:
    laptop = lock.pins(text_of("requirements.txt")) | lock.pins(text_of("constraints.txt"))
    assert CHIP_ONLY.isdisjoint(laptop)
    assert set(lock.pins(text_of("requirements-inf2.txt"))) > CHIP_ONLY


def test_the_instances_pins_are_the_catalogs() -> None:
    catalog = json.loads(text_of("lib/inf2lab/catalog/profiles.json"))
    packages = catalog["profiles"]["djl-0.25"]["packages"]
    for name, version in lock.pins(text_of("requirements-inf2.txt")).items():
        prefix = version.removesuffix(".*").split(".")
        assert packages[name].split(".")[: len(prefix)] == prefix, f"{name}: catalog {packages[name]}, file {version}"


def test_every_pin_installs_on_the_oldest_python_that_is_promised() -> None:
    """Debian 12 has Python 3.11.2; a package that asks for 3.11.5 would end `make setup` there."""
    pins = lock.pins(text_of("requirements.txt")) | lock.pins(text_of("constraints.txt"))
    wanted = {}
    for found in metadata.distributions():
        name = lock.normal(found.metadata["Name"])
        if name in pins:
            wanted[name] = SpecifierSet(found.metadata["Requires-Python"] or "")
    assert len(wanted) > len(pins) / 2, "the environment has hardly anything of the pins"
    assert [name for name, pythons in wanted.items() if not pythons.contains("3.11.2")] == []


def test_what_both_environments_hold_is_the_same() -> None:
    scale, laptop = lock.pins(text_of("requirements-scale.txt")), lock.pins(text_of("requirements.txt"))
    shared = scale.keys() & laptop.keys()
    assert shared
    assert {name: scale[name] for name in shared} == {name: laptop[name] for name in shared}


def test_constraints_hold_what_the_requirements_pull_in_and_nothing_else() -> None:
    constraints = lock.pins(text_of("constraints.txt"))
    assert constraints, "write constraints.txt with `make lock`"
    lines = [line for line in text_of("constraints.txt").splitlines() if not line.startswith("#")]
    assert lines == [f"{name}=={version}" for name, version in sorted(constraints.items())]
    assert not constraints.keys() & lock.pins(text_of("requirements.txt")).keys()


def test_what_torch_brings_for_one_system_is_not_constrained() -> None:
    frozen = "torch==2.7.1+cpu\nTriton==3.3.1\nnvidia-cublas-cu12==12.6\nJinja2==3.1\nlocal @ file:///x\nrequests==2\n"
    assert lock.constraints(frozen, "requests==2  # the client\n") == f"{lock.HEADER}jinja2==3.1\ntorch==2.7.1\n"


def test_pythons_that_the_makefile_and_the_workflow_take_are_the_projects() -> None:
    allowed = tomllib.loads(text_of("pyproject.toml"))["project"]["requires-python"]
    assert allowed == ">=3.11,<3.14"
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in text_of("Makefile")
    assert 'python: ["3.11", "3.13"]' in text_of(".github/workflows/ci.yml")
