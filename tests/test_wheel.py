"""An installed wheel carries the data files and the license, answers without the clone, and no transformers_neuronx."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOT_REACHED = re.compile(r"Could not find a version|No matching distribution|Connection(Error| refused)")
DATA = ("*.json", "*.csv", "*.yaml", "*.toml", "*.in", "*.sh", "*.txt", "*.html", "*.jsonl", "*.properties")
PACKAGES = ("inf2lab", "rehearsal/server", "neuron_rules")
pytestmark = pytest.mark.timeout(600)  # fetching the build backend takes what the network takes


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of this repository."""
    copy = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "lib", copy / "lib", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    # An isolated build, as pip makes for everybody: it fetches the build backend that pyproject.toml asks for.
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps", "."]
    environment = {**os.environ, "PIP_RETRIES": "1", "PIP_NO_COMPILE": "1"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if NOT_REACHED.search(done.stderr):
        pytest.skip("the build backend (setuptools) cannot be fetched here")
    assert done.returncode == 0, done.stderr
    (built,) = copy.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked: what an environment would hold."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(site)
    return site


def files(folder: Path, *patterns: str) -> set[str]:
    """Names of files below a folder, relative to it."""
    return {str(path.relative_to(folder)) for pattern in patterns for path in folder.rglob(pattern)}


@pytest.mark.parametrize("folder", PACKAGES)
def test_every_data_file_of_the_packages_is_declared(folder: str) -> None:
    package = folder.partition("/")[0]
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    declared = {path for pattern in patterns.get(package, []) for path in (ROOT / "lib" / package).glob(pattern)}
    missing = {path for pattern in DATA for path in (ROOT / "lib" / folder).rglob(pattern)} - declared
    assert not missing, f"{package}: add to package-data in pyproject.toml: {sorted(missing)}"


@pytest.mark.thorough
def test_every_data_file_of_the_packages_is_in_it(wheel: Path) -> None:
    for package in PACKAGES:
        wanted = files(ROOT / "lib" / package, *DATA)
        missing = {name for name in wanted if not (wheel / package / name).is_file()}
        assert not missing, f"{package}: add to package-data in pyproject.toml: {sorted(missing)}"
    assert len(files(wheel / "inf2lab" / "catalog", "*.json")) >= 7


@pytest.mark.thorough
def test_every_module_is_in_it_and_nothing_that_plays_the_chip(wheel: Path) -> None:
    assert files(ROOT / "lib" / "inf2lab", "*.py") == files(wheel / "inf2lab", "*.py")
    named = files(wheel, "*transformers_neuronx*", "*torch_neuronx*")
    assert not {name for name in named if not name.endswith(".json")}, "rows of the catalog may be named after them"


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment into which `pip install inf2lab` was typed, and nothing else."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment)
    # This environment's pip installs into the other: making one there would take longer than all the rest.
    words = ["--python", environment, "install", "--quiet", "--no-compile", "--retries", "1", built]
    done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False)
    if NOT_REACHED.search(done.stderr):
        pytest.skip("what the package needs cannot be fetched here")
    assert done.returncode == 0, done.stderr
    # Compiled, as it is after its first use, it takes twice that.
    assert size_mb(environment) < 20, "the base has grown: what `lint`, `plan` and `explain` need is small"
    return environment / "bin/inf2lab"


def size_mb(folder: Path) -> float:
    """What the files below a folder take."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def answer(command: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """What the installed command says where there is no clone."""
    return subprocess.run([command, *words], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.thorough
def test_the_base_alone_lints_plans_and_explains(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "serving.properties").write_text("option.dtype=f16\n")
    (tmp_path / "log").write_text("RuntimeError: nrt_tensor_copy status=2 message=heads\n")
    linted = answer(installed, "lint", "folder", "--json", cwd=tmp_path)
    planned = answer(installed, "plan", "--model", "opt-13b", "--tp", "2", "--json", cwd=tmp_path)
    explained = answer(installed, "explain", "log", cwd=tmp_path)
    assert (linted.stderr, planned.stderr, explained.stderr) == ("", "", "")
    assert json.loads(linted.stdout)["findings"]
    assert json.loads(planned.stdout)["workers"] == 12
    assert explained.stdout.startswith("log, line 1: The degree does not divide")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("status", "rehearsal"),
        ("serve folder", "rehearsal"),
        ("load", "rehearsal"),
        ("scale kubernetes folder", "scale"),
    ],
)
def test_a_command_without_its_extra_says_how_to_get_it(
    installed: Path, tmp_path: Path, words: str, extra: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "serving.properties").write_text("option.model_id=facebook/opt-13b\n")
    said = answer(installed, *words.split(), cwd=tmp_path)
    assert said.returncode == 2
    assert re.fullmatch(rf"inf2lab: `\w+` needs \w+, .*pip install 'inf2lab\[{extra}\]'\n", said.stderr)
