"""inf2lab.folder's serving.properties: read as Java reads it, written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inf2lab import read_properties, write_properties
from inf2lab.errors import FolderError

ARTICLE = {
    "engine": "Python",
    "option.model_id": "facebook/opt-13b",
    "option.tensor_parallel_degree": 2,
    "option.batch_size": 2,
}


def read(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "serving.properties"
    path.write_bytes(text.encode("latin-1"))
    return read_properties(path)


def test_what_is_written_is_read_back_in_order(tmp_path: Path) -> None:
    path = write_properties(tmp_path / "serving.properties", ARTICLE)
    assert list(read_properties(path).items()) == [(key, str(value)) for key, value in ARTICLE.items()]


def test_the_articles_file_is_written_as_a_person_would_write_it(tmp_path: Path) -> None:
    path = write_properties(tmp_path / "serving.properties", ARTICLE)
    assert path.read_text().splitlines() == [
        "engine=Python",
        "option.model_id=facebook/opt-13b",
        "option.tensor_parallel_degree=2",
        "option.batch_size=2",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1\na=2\n", {"a": "2"}),
        ("option.env=A=1,\\\n   B=2\n", {"option.env": "A=1,B=2"}),
        ("# comment\n! comment\n\n a = 1 \n", {"a": "1 "}),
        ("a:1\nb 2\nc\n", {"a": "1", "b": "2", "c": ""}),
        ("path=C:\\\\models\\ttab\n", {"path": "C:\\models\ttab"}),
        ("name=\\u30e2\\u30c7\\u30eb\n", {"name": "モデル"}),
        ("name=caf\xc3\xa9\n", {"name": "caf\xc3\xa9"}),
        ("a=1\r\nb=2\r\n", {"a": "1", "b": "2"}),
        ("key\\=with\\:signs=1", {"key=with:signs": "1"}),
        ("#option.s3url=s3://bucket\\\na=1\n", {"a": "1"}),
        ("", {}),
    ],
    ids=[
        "duplicate",
        "continued",
        "comments",
        "separators",
        "escapes",
        "unicode",
        "read as latin-1",
        "crlf",
        "signs",
        "a comment does not continue",
        "empty",
    ],
)
def test_a_file_is_read_by_javas_rules(tmp_path: Path, text: str, expected: dict[str, str]) -> None:
    assert read(tmp_path, text) == expected


@pytest.mark.parametrize("text", ["# caf\xe9\na=1\n", "a=1\nname=\xe2\x82\n", "a=\xed\xa0\x80\n"])
def test_bytes_that_are_no_utf8_are_refused_as_djl_does(tmp_path: Path, text: str) -> None:
    """Java reads the file as latin-1, and DJL once more as UTF-8."""
    with pytest.raises(FolderError, match=r"line \d: bytes that are no UTF-8"):
        read(tmp_path, text)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_refused_with_the_remedy_that_mends_it(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "serving.properties"
    path.write_bytes("\ufeffa=\\u12\n".encode(codec))
    with pytest.raises(FolderError, match=r"is UTF-16.*Save it as UTF-8"):
        read_properties(path)


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_any_text_comes_back_unchanged(tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("any") / "serving.properties"
    assert read_properties(write_properties(path, values)) == values


def test_text_of_any_script_is_escaped(tmp_path: Path) -> None:
    path = write_properties(tmp_path / "serving.properties", {"name": "モデル"})
    assert path.read_bytes().isascii()
    assert read_properties(path) == {"name": "モデル"}


def test_the_same_values_make_the_same_bytes(tmp_path: Path) -> None:
    first = write_properties(tmp_path / "one" / "serving.properties", ARTICLE)
    second = write_properties(tmp_path / "two" / "serving.properties", ARTICLE)
    assert first.read_bytes() == second.read_bytes()


def test_another_user_can_read_the_file_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        path = write_properties(tmp_path / "serving.properties", ARTICLE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


class Unprintable:
    """A value that cannot be written."""

    def __str__(self) -> str:
        raise ValueError("no text for this")


@pytest.mark.parametrize("step", ["value", "write", "move"])
def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_properties(tmp_path / "serving.properties", {"a": "old"})
    values: dict[str, object] = {"a": "new", "b": Unprintable() if step == "value" else "new"}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if step != "value":
        monkeypatch.setattr(os, "chmod" if step == "write" else "replace", full)
    with pytest.raises((ValueError, OSError)):
        write_properties(path, values)
    assert [entry.name for entry in tmp_path.iterdir()] == ["serving.properties"]
    assert read_properties(path) == {"a": "old"}


def test_a_missing_file_names_the_notebook_that_writes_it(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"serving\.properties: cannot be read .*notebooks 03 and 04 write one"):
        read_properties(tmp_path / "serving.properties")


def test_a_folder_in_the_files_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "serving.properties").mkdir()
    with pytest.raises(FolderError, match="cannot be read"):
        read_properties(tmp_path / "serving.properties")


def test_a_broken_escape_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="four hexadecimal digits"):
        read(tmp_path, "path=C:\\users\n")
