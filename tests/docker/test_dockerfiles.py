"""The Dockerfiles of this repository, as text: what they copy is here, nobody is root, nothing private goes in."""

from __future__ import annotations

import json
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.support.dockerfiles import instructions

FILES = sorted(path.name for path in (Path(__file__).resolve().parents[2] / "docker").glob("*.Dockerfile"))


@pytest.mark.parametrize("name", FILES)
def test_what_is_copied_from_here_is_here(root: Path, name: str) -> None:
    for instruction, rest in instructions(root / "docker" / name):
        words = [word for word in rest.split() if not word.startswith("--chown")]
        if instruction in ("COPY", "ADD") and not words[0].startswith("--from"):
            assert all((root / source).exists() for source in words[:-1]), rest


@pytest.fixture
def rehearsal(root: Path) -> list[tuple[str, str]]:
    """The instructions of the tutorial's own image."""
    return instructions(root / "docker" / "rehearsal.Dockerfile")


def last(found: list[tuple[str, str]], name: str) -> str:
    """The rest of the last instruction of that name."""
    return [rest for instruction, rest in found if instruction == name][-1]


def test_the_base_is_an_argument_and_the_user_is_not_root(rehearsal: list[tuple[str, str]]) -> None:
    assert rehearsal[0][0] == "ARG"
    assert rehearsal[1] == ("FROM", "${BASE}")
    assert last(rehearsal, "USER") not in ("root", "0")
    assert [name for name, _ in rehearsal].index("USER") < [name for name, _ in rehearsal].index("CMD")


def test_it_looks_after_its_health_and_keeps_jupyters_token(rehearsal: list[tuple[str, str]]) -> None:
    assert "127.0.0.1:8888/api" in last(rehearsal, "HEALTHCHECK")
    command = json.loads(last(rehearsal, "CMD"))
    assert not [word for word in command if "token" in word or "password" in word or "xsrf" in word]


def test_packages_come_before_what_changes_often(rehearsal: list[tuple[str, str]]) -> None:
    copies = [rest for name, rest in rehearsal if name == "COPY"]
    assert copies[0].startswith("requirements.txt constraints.txt")
    assert copies[-1].endswith(". .")


def test_what_git_ignores_does_not_go_into_an_image(root: Path) -> None:
    """Ray's and vLLM's environments went in where somebody had made them: 500 MB and up to 8 GB."""
    ignored = (root / ".dockerignore").read_text().split()
    assert {".git", "logs", "cache", "models/*/", "!models/tiny-opt/"} <= set(ignored)
    makefile = (root / "Makefile").read_text()
    environments = re.findall(r"^\w+ +:= (\.venv\S*)$", makefile, flags=re.MULTILINE)
    assert len(environments) == 3
    assert [name for name in environments if not any(fnmatch(name, pattern) for pattern in ignored)] == []
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout
    left_out = [name for name in listed.splitlines() if name.partition("/")[0] in (".venv", "logs", "cache")]
    assert left_out == ["logs/README.md"]


def test_the_documented_commands_publish_on_loopback_only(root: Path) -> None:
    for path in (*(root / "docker").iterdir(), root / "README.md"):
        for published in re.findall(r"(?:^|\s)-p (\S+:\d+)", path.read_text()):
            assert published.startswith("127.0.0.1:"), f"{path.name}: -p {published}"
