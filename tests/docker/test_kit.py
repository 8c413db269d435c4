"""What opens the tutorial without an installation, as text: it names what is here, in the versions that are pinned."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.dockerfiles import instructions


@pytest.fixture
def workshop(root: Path) -> list[tuple[str, str]]:
    """The instructions of the workshop's image."""
    return instructions(root / "docker" / "workshop.Dockerfile")


def python_of(root: Path) -> set[str]:
    """The Pythons that the package takes."""
    requires = tomllib.loads((root / "pyproject.toml").read_text())["project"]["requires-python"]
    least, below = (int(minor) for minor in re.findall(r"3\.(\d+)", requires))
    return {f"3.{minor}" for minor in range(least, below)}


def test_the_workshops_image_is_the_tutorials_own_with_its_notebooks_executed(
    root: Path, workshop: list[tuple[str, str]]
) -> None:
    own = (root / "docker" / "rehearsal.Dockerfile").read_text()
    (base,) = [rest.removeprefix("BASE=") for name, rest in workshop if name == "ARG"]
    assert f"docker build -t {base} -f docker/rehearsal.Dockerfile ." in own
    (run,) = [rest for name, rest in workshop if name == "RUN"]
    builders = re.findall(r"python (\S+\.py)", run)
    assert builders == ["tools/notebooks/build_notebooks.py", "tools/translation/translate.py"]
    assert all((root / builder).exists() for builder in builders)
    assert "|| true" not in run  # a notebook that fails ends the build
    assert "INF2LAB_CLUSTER=recorded" in run  # neither Ray nor vLLM is in it
    assert "INF2LAB_COMPARISON=recorded" in run
    assert [name for name, _ in workshop] == ["ARG", "FROM", "RUN"]  # user, port, health and command are the base's


def test_the_dev_container_sets_up_what_a_laptop_has(root: Path) -> None:
    found = json.loads((root / ".devcontainer" / "devcontainer.json").read_text())
    (version,) = re.findall(r"/python:(\d\.\d+)-", found["image"])
    assert version in python_of(root)
    assert found["postCreateCommand"] == f"make setup PYTHON=python{version}"
    settings = found["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"].endswith("/.venv/bin/python")
    assert found["forwardPorts"] == [8888]


def test_binders_files_are_those_that_it_reads_and_its_python_is_taken(root: Path) -> None:
    folder = root / ".binder"
    assert sorted(path.name for path in folder.iterdir()) == ["apt.txt", "postBuild", "runtime.txt", "start"]
    assert (folder / "runtime.txt").read_text().strip().removeprefix("python-") in python_of(root)
    assert all(re.fullmatch(r"[a-z0-9.+-]+", name) for name in (folder / "apt.txt").read_text().split())


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_binders_scripts_are_programs_without_a_fault(root: Path, name: str) -> None:
    script = root / ".binder" / name
    assert script.read_text().startswith("#!/bin/bash\n")
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_binder_gets_the_laptops_environment_beside_its_own(root: Path) -> None:
    """Its packages and the worker's exclude each other, so the kernel comes from another environment."""
    text = (root / ".binder" / "postBuild").read_text()
    assert "set -euo pipefail" in text
    assert "make setup" in text
    assert '.venv/bin/python -m ipykernel install --prefix "$NB_PYTHON_PREFIX" --name python3' in text
    assert "rehearsal.server.workers.package" in text
    assert not re.search(r"pip install(?!ed)", text)  # every package is pinned in requirements.txt


def test_binders_start_hands_over_and_lets_its_own_jupyter_come_first(root: Path) -> None:
    text = (root / ".binder" / "start").read_text()
    assert 'PATH="$PATH:' in text
    assert text.rstrip().endswith('exec "$@"')


def test_nothing_of_the_kit_pins_a_package_a_second_time(root: Path) -> None:
    for path in (*(root / ".binder").iterdir(), root / ".devcontainer" / "devcontainer.json"):
        assert "==" not in path.read_text(), path.name
