"""An installed wheel carries the data files and the license, answers without the clone, and no transformers_neuronx."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.timeout(600)  # fetching the build backend takes what the network takes


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of this repository, unpacked: what an environment would hold."""
    copy, site = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("site")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "lib", copy / "lib", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    # An isolated build, as pip makes for everybody: it fetches the build backend that pyproject.toml asks for.
    command = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "wheel",
        "--quiet",
        "--no-deps",
        ".",
    ]
    environment = {**os.environ, "PIP_RETRIES": "1"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if re.search(r"Could not find a version|No matching distribution|Connection(Error| refused)", done.stderr):
        pytest.skip("the build backend (setuptools) cannot be fetched here")
    assert done.returncode == 0, done.stderr
    (built,) = copy.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(site)
    return site


def files(folder: Path, *patterns: str) -> set[str]:
    """Names of files below a folder, relative to it."""
    return {str(path.relative_to(folder)) for pattern in patterns for path in folder.rglob(pattern)}


def test_every_data_file_of_the_packages_is_in_it(wheel: Path) -> None:
    for package in ("inf2lab", "rehearsal/server", "neuron_rules"):
        wanted = files(ROOT / "lib" / package, "*.json", "*.csv", "*.yaml", "*.toml", "*.in", "*.sh")
        missing = {name for name in wanted if not (wheel / package / name).is_file()}
        assert not missing, f"{package}: add to package-data in pyproject.toml: {sorted(missing)}"
    assert len(files(wheel / "inf2lab" / "catalog", "*.json")) >= 7


def test_every_module_is_in_it_and_nothing_that_plays_the_chip(wheel: Path) -> None:
    assert files(ROOT / "lib" / "inf2lab", "*.py") == files(wheel / "inf2lab", "*.py")
    assert not files(wheel, "*transformers_neuronx*", "*torch_neuronx*")


@pytest.mark.parametrize(
    "words",
    [["plan", "--model", "opt-13b", "--tp", "2", "--json"], ["lint", "folder", "--json"]],
    ids=" ".join,
)
def test_it_answers_where_there_is_no_clone(wheel: Path, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "serving.properties").write_text("option.dtype=f16\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "inf2lab.cli", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found.get("workers") == 12 or found["findings"]
