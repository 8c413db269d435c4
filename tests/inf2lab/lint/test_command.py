"""`inf2lab lint`: exit codes, forms, --fix, and the hook that other repositories use."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.testing import CliRunner, Result

from inf2lab.cli import app
from inf2lab.folder.article import write_article
from inf2lab.lint.__main__ import main

if TYPE_CHECKING:
    from conftest import Write

CLEAN = (
    "engine=Python\noption.entryPoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-13b\n"
    "option.tensor_parallel_degree=2\noption.n_positions=2048\noption.dtype=fp16\n"
)
BROKEN = CLEAN.replace("fp16", "f16")


def run(*words: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "40", "NO_COLOR": "1"}).invoke(app, ["lint", *map(str, words)])


def test_exit_code_0_is_clean(write: Write) -> None:
    result = run(write(CLEAN))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "clean\n", "")


def test_exit_code_0_with_warnings_only(write: Write) -> None:
    result = run(write(CLEAN + "option.n_positions=2048\n"))
    assert result.exit_code == 0
    assert "1 warning" in result.stdout


def test_exit_code_1_is_an_error_in_the_folder(write: Write) -> None:
    folder = write(BROKEN)
    result = run(folder)
    assert result.exit_code == 1
    first = result.stdout.splitlines()[0]  # one line, however narrow the terminal
    assert first.startswith(f"{folder}/serving.properties:6 D001 error the built-in handler of 0.25.0")
    assert first.endswith("Fix: write `fp16`")


@pytest.mark.parametrize(
    "words", [["nowhere"], [".", "--profile", "latest"], [".", "--instance", "p4d.24xlarge"]], ids=" ".join
)
def test_exit_code_2_could_not_run(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("inf2lab: ")
    assert result.stderr.count("\n") == 1


def test_a_release_without_neuron_is_code_1(write: Write) -> None:
    result = run(write(CLEAN), "--profile", "djl-0.35")
    assert result.exit_code == 1
    assert "N001 error" in result.stdout


@pytest.mark.parametrize("profile", ["0.25.0", "djl-0.29", "lmi-0.30", "djl-0.30"])
def test_every_release_can_be_linted_for(write: Write, profile: str) -> None:
    assert run(write(CLEAN), "--profile", profile, "--instance", "inf2.xlarge").exit_code == 0


def test_json_and_sarif_are_all_that_is_printed(tmp_path: Path) -> None:
    folder = write_article("built-in", tmp_path)
    result = run(folder, "--profile", "seed-0.21", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["errors"] == 4
    result = run(folder, "--profile", "seed-0.21", "--sarif")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["version"] == "2.1.0"


def test_fix_mends_and_says_how_much(write: Write) -> None:
    folder = write(BROKEN)
    result = run(folder, "--fix")
    assert (result.exit_code, result.stdout) == (0, "clean, 1 fixed\n")
    assert (folder / "serving.properties").read_text() == CLEAN


def test_several_folders_and_a_file_of_one(write: Write) -> None:
    result = run(write(CLEAN) / "serving.properties", write(BROKEN))
    assert result.exit_code == 1
    assert "1 error" in result.stdout


def test_the_hook_asks_for_no_package_beside_those_that_the_package_brings(root: Path) -> None:
    hook = the_hook(root)
    assert hook["language"] == "python"
    assert "additional_dependencies" not in hook


def test_the_hook_runs_where_there_is_no_clone(root: Path, write: Write, tmp_path: Path) -> None:
    site = tmp_path / "site"
    for package in ("inf2lab", "neuron_rules"):
        shutil.copytree(root / "lib" / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    hook = the_hook(root)
    folder = write({"serving.properties": BROKEN, "model.py": "x = 1\n"})
    chosen = [str(path) for path in sorted(folder.iterdir()) if re.search(hook["files"], str(path))]
    program, *words = hook["entry"].split()
    assert program == "python"
    # -P: not the current folder, which here is the clone's.
    done = subprocess.run(
        [sys.executable, "-P", *words, *chosen, "--format", "json"],
        env={k: v for k, v in os.environ.items() if not k.startswith("INF2LAB_")} | {"PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    (name,) = json.loads(done.stdout)["folders"]
    assert name == str(folder)


@pytest.mark.parametrize(
    ("words", "code"), [(["."], 2), (["--profile", "latest", "."], 2), (["nowhere", "--fix"], 2)], ids=str
)
def test_the_module_cannot_run_in_one_sentence(
    words: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_the_module_and_the_command_say_the_same(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(BROKEN)
    for words, form in ([], "text"), (["--json"], "json"), (["--sarif"], "sarif"):
        assert main([str(folder), "--format", form]) == 1
        assert capsys.readouterr().out == run(folder, *words).stdout
    assert main([str(folder), "--fix"]) == 0


def the_hook(root: Path) -> dict:
    (hook,) = yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    return hook
