"""A seat for its next reader: notebooks as committed, what was changed kept, written model folders gone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import reset_seat


@pytest.fixture
def seat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two notebooks, and what a reader did to it."""
    root = tmp_path / "seat"
    for name, text in {
        "notebooks/01.ipynb": "one",
        "notebooks/exercises/02.ipynb": "two",
        "models/tiny-opt/config.json": "{}",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git = ["git", "-C", str(root), "-c", "user.name=me", "-c", "user.email=me@here"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "as committed"]):
        subprocess.run([*git, *words], check=True)
    (root / "notebooks/exercises/02.ipynb").write_text("an answer")
    (root / "notebooks/exercises/02-Copy1.ipynb").write_text("a copy")
    for name, size in (("opt13b", 10), ("exercise_04", 10), ("opt13b_large", reset_seat.LARGEST + 1)):
        (root / "models" / name).mkdir()
        (root / "models" / name / "file").write_bytes(b"x" * size)
    monkeypatch.setenv("INF2LAB_ROOT", str(root))
    monkeypatch.setenv("INF2LAB_LOGS", str(tmp_path / "logs"))
    return root


def test_the_notebooks_come_back_and_the_readers_are_kept(seat: Path, tmp_path: Path) -> None:
    assert reset_seat.main([]) == 0
    assert (seat / "notebooks/exercises/02.ipynb").read_text() == "two"
    assert not (seat / "notebooks/exercises/02-Copy1.ipynb").exists()
    kept = {path.name: path.read_text() for path in (tmp_path / "logs" / "kept").rglob("*.ipynb")}
    assert kept == {"02.ipynb": "an answer", "02-Copy1.ipynb": "a copy"}


def test_written_model_folders_go_and_weights_stay(seat: Path) -> None:
    reset_seat.main([])
    assert sorted(path.name for path in (seat / "models").iterdir()) == ["opt13b_large", "tiny-opt"]


def test_it_can_be_done_twice(seat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reset_seat.main([])
    capsys.readouterr()
    assert reset_seat.main([]) == 0
    assert "kept" not in capsys.readouterr().out


def test_without_git_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("INF2LAB_ROOT", str(tmp_path))
    monkeypatch.setenv("INF2LAB_LOGS", str(tmp_path / "logs"))
    assert reset_seat.main([]) == 2
    assert "start a new container" in capsys.readouterr().err
