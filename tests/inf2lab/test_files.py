"""Whole or not at all: a reader sees the old file or the new one, and nothing is left beside it."""

import errno
import os
import stat
from pathlib import Path

import pytest

from inf2lab.files import make_folder, remove_leftovers, replace_file, write_file
from inf2lab.weights.cache import Repository


def test_text_is_utf_8_and_folders_are_made(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a" / "b.txt", "é\n")
    assert path.read_bytes() == "é\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_bytes_stay_as_they_are(tmp_path: Path) -> None:
    assert write_file(tmp_path / "b", b"\r\n\xff").read_bytes() == b"\r\n\xff"


def test_a_file_keeps_its_mode_and_a_given_mode_wins(tmp_path: Path) -> None:
    path = write_file(tmp_path / "b", "1", mode=0o640)
    write_file(path, "2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    write_file(path, "3", mode=0o644)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_the_old_file_is_there_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = write_file(tmp_path / "b", "old")
    with replace_file(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = write_file(tmp_path / "b", "old")
    with pytest.raises(TypeError), replace_file(path) as file:
        file.writelines([b"half", 1])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut leaves the name with nothing behind it."""
    done: list[str] = []
    monkeypatch.setattr("inf2lab.files.os.fsync", lambda number: done.append("written"))
    monkeypatch.setattr("inf2lab.files.os.replace", lambda old, new: done.append("named"))
    write_file(tmp_path / "b", "new")
    assert done == ["written", "named"]


def test_half_a_file_is_not_found_by_its_ending(tmp_path: Path) -> None:
    with replace_file(tmp_path / "run.json"):
        assert not list(tmp_path.glob("*.json"))


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model"
    with make_folder(target) as folder:
        (folder / "config.json").write_text("{}")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["config.json"]


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no room"), make_folder(tmp_path / "model"):
        raise ValueError("no room")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    """The system names nothing then."""
    with pytest.raises(OSError, match="No space") as refused, replace_file(tmp_path / "new"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert refused.value.filename == str(tmp_path / "new")


def test_a_refusal_names_the_file_of_the_folder_that_was_asked_for(tmp_path: Path) -> None:
    """`.moved.741a5467` is nobody's folder."""
    with pytest.raises(OSError, match="No space") as refused, make_folder(tmp_path / "new") as beside:
        raise OSError(errno.ENOSPC, "No space left on device", str(beside / "ask.sh"))
    assert refused.value.filename == str(tmp_path / "new" / "ask.sh")


@pytest.mark.parametrize("filled", [False, True])
def test_nobody_is_told_of_a_folder_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filled: bool
) -> None:
    """An empty folder at the place (a mount point, of a full disk) was success; no right beside it a RuntimeError."""
    target = tmp_path / "model"
    target.mkdir()
    with pytest.raises(OSError, match="No space"), make_folder(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr("inf2lab.files.os.replace", _busy)
    with pytest.raises(OSError, match="busy"), make_folder(target) as folder:
        (folder / "mine").write_text("") if filled else None
    monkeypatch.setattr("inf2lab.files.secrets.token_hex", lambda count: 300 * "x")  # no such name can be made
    with pytest.raises(OSError, match="too long"), make_folder(target):
        pass
    assert [path.name for path in tmp_path.glob("**/*")] == ["model"]


def _busy(old: Path, new: Path) -> None:
    raise OSError(errno.EBUSY, "Device or resource busy", str(old))


def test_a_run_that_was_first_keeps_its_folder(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with pytest.raises(OSError, match="not empty"), make_folder(target):
        write_file(target / "theirs", "")
    assert [path.name for path in tmp_path.glob("**/*")] == ["model", "theirs"]


def test_a_snapshot_that_another_run_wrote_first_is_taken(tmp_path: Path) -> None:
    repository = Repository(tmp_path, "mycorp/llama")

    def fill(folder: Path) -> None:
        repository.write("one", lambda other: (other / "theirs").touch())
        (folder / "mine").touch()

    assert [path.name for path in repository.write("one", fill).iterdir()] == ["theirs"]
    with pytest.raises(OSError, match="No space"):
        repository.write("two", _full)
    assert [path.name for path in repository.snapshot("one").parent.iterdir()] == ["one"]


def _full(folder: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_a_killed_run_left_goes_after_a_day(tmp_path: Path) -> None:
    """The 183 MB of a killed fetch stayed for ever."""
    names = (".a.json.0123abcd", ".fetch-x1", ".fetch-new", "a.json", ".b.json", ".c.json.backup12")
    for name in names:
        (tmp_path / name).mkdir() if name.startswith(".fetch") else (tmp_path / name).write_text("")
        (tmp_path / name / "weights").write_text("") if name.startswith(".fetch") else None
        if name != ".fetch-new":
            os.utime(tmp_path / name, (0, 0))
    remove_leftovers(tmp_path, ".fetch-*")
    assert {path.name for path in tmp_path.iterdir()} == set(names) - {".a.json.0123abcd", ".fetch-x1"}
    remove_leftovers(tmp_path / "missing", ".fetch-*")
