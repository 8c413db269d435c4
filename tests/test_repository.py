"""The repository as a whole: nothing private in tracked files, nothing too large, and the commands the README names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LARGEST_BYTES = 16 * 2**20  # the weights that ship; anything larger belongs in a release
BINARY = {".safetensors", ".png", ".npz", ".jar", ".gif", ".jpg", ".pt"}

# Written in two parts, so that this file does not hold what it looks for.
REGISTRIES = [
    re.escape("".join(parts))
    for parts in (
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("repo1.maven", ".org"),
        ("repo.maven.apache", ".org"),
        ("registry.npmjs", ".org"),
        ("crates", ".io"),
        ("proxy.golang", ".org"),
        ("deb.debian", ".org"),
    )
]
MACHINE_PATHS = [
    r"/home/(?!ubuntu\b|ec2-user\b)\w",  # the users of the instance's images are meant
    r"/Users/\w",
    r"/root/\.",
    r"/work/(?:main|shared)",
    r"\.pyenv/",
]
AUTHORING = [
    "".join(parts)
    for parts in (
        ("chat", "gpt"),
        ("clau", "de"),
        ("anth", "ropic"),
        ("co-authored", "-by"),
        ("sub", "agent"),
        ("coding ", "agent"),
        ("as an ", "ai"),
        ("this ", "session"),
        ("another ", "session"),
        ("previous ", "session"),
    )
]
FORBIDDEN = {
    "package registry": re.compile("|".join(REGISTRIES)),
    "path of a machine": re.compile("|".join(MACHINE_PATHS)),
    "word about how the text was written": re.compile(rf"\b(?:{'|'.join(AUTHORING)})\b", re.IGNORECASE),
}
SELF = {"tests/test_repository.py", "tests/notebooks/test_structure.py"}  # patterns of paths, not paths


def repository_files() -> list[Path]:
    """Tracked files, and new ones that are not ignored."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_no_file_holds_what_is_nobodys_business(kind: str) -> None:
    found = []
    for path in repository_files():
        if path.suffix in BINARY or (kind == "path of a machine" and str(path.relative_to(ROOT)) in SELF):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            # Pictures are one line of base64, in which any short word can turn up.
            if len(line) < 20_000 and (match := FORBIDDEN[kind].search(line)):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    assert not found, f"{kind} in: {found}"


def test_no_file_is_larger_than_the_model_that_ships() -> None:
    large = {
        str(path.relative_to(ROOT)): size
        for path in repository_files()
        if (size := path.stat().st_size) > LARGEST_BYTES
    }
    assert not large


def test_the_licence_is_there() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0" in text
    assert re.search(r"Copyright 20\d\d The authors", text)


def make_targets() -> dict[str, str]:
    """Each target that `make help` lists, with its sentence."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+):[^\n#]*## (.+)$", makefile, flags=re.MULTILINE))


def test_the_readme_names_the_two_commands_and_only_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake ([a-z-]+)\b", " ".join(re.findall(r"`[^`]+`|```.*?```", readme, flags=re.DOTALL))))
    assert {"run", "test"} <= named
    assert named <= set(make_targets())


def test_make_alone_lists_the_commands() -> None:
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"run", "test", "lab", "notebooks", "clean", "lint", "format", "setup"} <= set(make_targets())
    for name, sentence in make_targets().items():
        assert re.search(rf"^  make {name} +{re.escape(sentence)}$", printed, flags=re.MULTILINE)


def test_an_edition_that_is_not_there_is_refused_with_those_that_are() -> None:
    """It counted a file among the translations as one."""
    done = subprocess.run(["make", "run", "EDITION=xx"], cwd=ROOT, capture_output=True, text=True, check=False)
    editions = sorted(path.name for path in (ROOT / "notebooks").iterdir() if re.fullmatch("[a-z]{2}", path.name))
    assert done.returncode == 2
    assert f"there are editions in: {' '.join(editions)}.  Stop." in done.stderr


def test_an_old_python_is_refused_in_one_sentence(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.6" && exit 0\nexit 1\n')
    old.chmod(0o755)
    # Under `make test` a make of its own would say which folder it enters.
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "run", f"PYTHON={old}"]
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    (sentence,) = done.stdout.splitlines()
    assert sentence.startswith(f"{old} is Python 3.9.6: Python 3.11, 3.12 or 3.13 is needed")
    assert "make run PYTHON=" in sentence
    assert not (tmp_path / ".venv").exists()


def test_makefile_uses_nothing_newer_than_make_3_81() -> None:
    """macOS ships GNU make 3.81, which takes a newer construct for something else without a word."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    newer = [r"^\.ONESHELL", r"^\.RECIPEPREFIX", r"^[A-Z_]+\s*!=", r"\$\(file ", r"^[\w ]+&:", r"^undefine ", r":::="]
    assert not [pattern for pattern in newer if re.search(pattern, makefile, flags=re.MULTILINE)]


def test_no_test_is_in_neither_tier() -> None:
    """`make test-thorough` opens the files of tests that name the marker; continuous integration runs both tiers."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert '-m "not thorough" tests\n' in makefile
    assert "-m thorough $$(grep -rl --include='test_*.py' 'mark\\.thorough' tests)\n" in makefile
    assert re.findall(r"^make (test|test-thorough) ", steps, flags=re.MULTILINE) == ["test", "test-thorough"]
    marking = [path for path in (ROOT / "tests").rglob("*.py") if "mark.thorough" in path.read_text(encoding="utf-8")]
    assert marking
    assert [path.name for path in marking if not path.name.startswith("test_")] == []


def test_the_workflow_may_read_and_keeps_no_token() -> None:
    """What pip brings runs in the tests, and need not find the checkout's token in .git/config."""
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    (kept,) = [step["with"]["path"] for step in steps if "upload-artifact" in step.get("uses", "")]
    assert {"!logs/cloud/", "!logs/state/"} <= set(kept.split()), "run records and state files name accounts and paths"
