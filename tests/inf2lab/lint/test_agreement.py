"""The linter and the planner agree: what one calls an error in a folder stands in the other's way too."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from inf2lab import ModelFolder, Settings, catalog
from inf2lab.errors import LabError
from inf2lab.lint import Target, lint
from inf2lab.lint.finding import Severity
from inf2lab.planning import plan_of

FOLDERS = 40  # of each profile
OFTEN = ("seed-0.21", "djl-0.25", "lmi-0.30", "djl-0.34")  # each of another generation or image; the others between
CHOICES: dict[str, list[Any]] = {
    "model_id": [
        "facebook/opt-1.3b",
        "facebook/opt-66b",
        "gpt2-xl",
        "EleutherAI/gpt-j-6b",
        "EleutherAI/pythia-2.8b",
        "cyberagent/open-calm-7b",
        "bigscience/bloom-7b1",
        "meta-llama/Llama-2-13b-hf",
        "meta-llama/Llama-3.1-8B",
        "mistralai/Mistral-7B-Instruct-v0.2",
    ],
    "tensor_parallel_degree": [1, 2, 3, 5, 8, 12, 24],
    "batch_size": [1, 4, 16],
    "n_positions": [512, 2048, 4096],
    "dtype": ["fp32", "fp16"],
    "load_in_8bit": [None, None, "true"],
}
INSTANCES = ["inf2.xlarge", "inf2.24xlarge", "inf2.48xlarge"]
# The rules that judge what a plan judges; the others are about files, words and habits.
SHARED = {"T001", "T003", "O002", "I004", "I005"}
# What differs, and why: where rows are left to the release's default, which the environment of a container may change,
# T003 warns, and the plan counts with the default.
WARNS = {"T003"}


def drawn(profile: str) -> list[tuple[str, dict[str, Any]]]:
    """Folders of one release as (instance, options), drawn with a seed."""
    chance = random.Random(profile)
    return [
        (chance.choice(INSTANCES), {name: chance.choice(values) for name, values in CHOICES.items()})
        for _ in range(FOLDERS)
    ]


def problems(folder: Path, profile: str, instance: str) -> list[str]:
    """What stands in the way by the plan; a value that it refuses altogether is one."""
    try:
        return list(plan_of(ModelFolder(folder), Settings(profile=profile, instance=instance)).problems)
    except LabError as error:
        return [str(error)]


@pytest.mark.parametrize(
    "profile",
    [pytest.param(name, marks=[] if name in OFTEN else [pytest.mark.thorough]) for name in catalog.profiles()],
)
def test_lint_and_plan_agree_on_random_folders(profile: str, tmp_path: Path) -> None:
    stack, differ, errors = catalog.profile(profile), [], 0
    for number, (instance, options) in enumerate(drawn(profile)):
        folder = tmp_path / str(number) / "m"
        folder.mkdir(parents=True)
        lines = [f"option.{name}={value}" for name, value in options.items() if value is not None]
        text = "\n".join(["engine=Python", f"option.entryPoint={stack.entry_point}", *lines, ""])
        (folder / "serving.properties").write_text(text)
        report = lint(folder, Target(profile, instance))
        severe = [f for f in report.findings if f.severity is Severity.ERROR or f.rule in WARNS]
        linted = [str(f) for f in severe if f.rule in SHARED]
        planned = problems(folder, profile, instance)
        errors += bool(linted)
        if bool(linted) != bool(planned):
            differ.append((instance, options, linted, planned))
    assert differ == []
    assert errors >= 5
