"""inf2lab.paths: folders from the environment, from the current folder, or from the package's own place."""

from __future__ import annotations

from pathlib import Path

import pytest

from inf2lab import paths
from inf2lab.errors import LabError


def test_root_is_the_named_folder(clone: Path) -> None:
    assert paths.root() == clone
    assert paths.models() == clone / "models"


def test_root_is_found_from_a_folder_inside_a_clone(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INF2LAB_ROOT")
    monkeypatch.chdir(clone / "notebooks")
    assert paths.root() == clone


def test_root_is_found_from_the_package_when_the_current_folder_is_elsewhere(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.root() == root


def test_outside_any_clone_the_error_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "site-packages" / "paths.py"))
    with pytest.raises(LabError, match="INF2LAB_ROOT"):
        paths.root()


def test_logs_and_cache_are_made_where_the_environment_says(logs: Path, cache: Path) -> None:
    assert paths.logs() == logs
    assert paths.cache() == cache
    assert logs.is_dir()
    assert cache.is_dir()


def test_logs_default_to_the_clone(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INF2LAB_LOGS")
    assert paths.logs() == clone / "logs"


@pytest.mark.parametrize(
    ("platform", "expected"), [("linux", "xdg/inf2lab"), ("darwin", "home/Library/Caches/inf2lab")]
)
def test_cache_defaults_to_the_users(
    platform: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INF2LAB_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("sys.platform", platform)
    assert paths.cache() == (tmp_path / expected).resolve()


def test_a_path_is_shown_relative_to_the_clone_only_if_it_lies_inside(clone: Path) -> None:
    assert paths.shown(clone / "models" / "opt13b") == "models/opt13b"
    assert paths.shown(clone.parent / "elsewhere") == str(clone.parent / "elsewhere")


def test_a_parameter_is_read_from_the_given_environment_and_empty_means_none() -> None:
    environment = {"INF2LAB_PORT": "8081", "INF2LAB_LANE": ""}
    assert paths.parameter_from_environment("port", environment) == "8081"
    assert paths.parameter_from_environment("lane", environment) is None
    assert paths.parameter_from_environment("dtype", environment) is None


def test_a_notebook_enters_the_clone_from_wherever_it_was_started(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone / "notebooks")
    paths.enter_repository()
    assert Path.cwd() == clone


@pytest.mark.parametrize(
    ("folder", "named", "language"),
    [
        ("notebooks/ja", None, "ja"),
        ("notebooks/ja/exercises", None, "ja"),
        ("notebooks/ja", "en", "en"),
        ("notebooks", None, None),
        ("notebooks/exercises", None, None),
        (".", "ja", "ja"),
        ("..", None, None),
    ],
)
def test_a_notebook_of_another_language_sets_it(
    clone: Path, monkeypatch: pytest.MonkeyPatch, folder: str, named: str | None, language: str | None
) -> None:
    monkeypatch.setenv("INF2LAB_LANGUAGE", named or "")
    if named is None:
        monkeypatch.delenv("INF2LAB_LANGUAGE")
    (clone / folder).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(clone / folder)
    paths.enter_repository()
    assert paths.language() == language
    assert Path.cwd() == clone
