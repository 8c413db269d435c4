"""inf2lab.folder.ModelFolder: its name in URLs, its options, what makes it servable, and its fingerprint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inf2lab import ModelFolder
from inf2lab.errors import FolderError

if TYPE_CHECKING:
    from conftest import WriteFolder


def test_a_named_folder_lies_in_the_clones_model_store(clone: Path) -> None:
    assert ModelFolder.named("opt13b").path == clone / "models" / "opt13b"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("opt13b", "opt13b"),
        ("opt-13b", "opt_13b"),
        ("My Model-1.5b", "My_Model_1_5b"),
        ("text_list", "text_list"),
        ("モデル", "___"),
    ],
)
def test_the_url_name_is_the_folders_with_other_characters_replaced(folder: str, name: str) -> None:
    assert ModelFolder(Path("models") / folder).name == name


def test_an_option_is_read_with_its_prefix_then_plain_then_the_default(write_folder: WriteFolder) -> None:
    folder = write_folder("m", {"option.batch_size": 2, "batch_size": 4, "engine": "Python"})
    assert folder.option("batch_size") == "2"
    assert folder.option("engine") == "Python"
    assert folder.option("dtype", "f16") == "f16"
    assert folder.option("dtype") == ""


def test_a_folder_with_only_a_handler_has_defaults_for_every_option(write_folder: WriteFolder) -> None:
    folder = write_folder("m", handler="def handle(inputs): ...\n")
    assert folder.option("model_id") == ""
    assert folder.option("tensor_parallel_degree", "1") == "1"


def test_properties_of_a_folder_without_the_file_are_an_error(write_folder: WriteFolder) -> None:
    with pytest.raises(FolderError, match="notebooks 03 and 04"):
        write_folder("m", handler="").properties()


@pytest.mark.parametrize(
    ("properties", "handler"),
    [({"engine": "Python"}, None), (None, "def handle(inputs): ...\n"), ({"engine": "Python"}, "x = 1\n")],
    ids=["properties", "handler", "both"],
)
def test_a_folder_with_either_file_can_be_served(
    write_folder: WriteFolder, properties: dict[str, str] | None, handler: str | None
) -> None:
    folder = write_folder("m", properties, handler=handler)
    assert folder.check() is folder


def test_a_missing_folder_is_named_with_the_notebooks_that_write_it(clone: Path) -> None:
    with pytest.raises(FolderError) as caught:
        ModelFolder.named("opt13b").check()
    assert str(caught.value).startswith("models/opt13b: no such model folder; notebooks 03 and 04")


def test_an_empty_folder_is_named_with_what_it_lacks(write_folder: WriteFolder) -> None:
    with pytest.raises(FolderError, match=r"neither serving\.properties nor model\.py"):
        write_folder("m").check()


def test_a_folder_with_a_broken_file_is_refused_before_the_start(write_folder: WriteFolder) -> None:
    folder = write_folder("m", handler="x = 1\n")
    folder.properties_path.write_text("path=\\users\n")
    with pytest.raises(FolderError, match="hexadecimal"):
        folder.check()


def test_equal_fingerprints_are_equal_bytes(write_folder: WriteFolder) -> None:
    folder = write_folder("m", {"engine": "Python"}, handler="x = 1\n")
    before = folder.fingerprint()
    assert list(before) == ["model.py", "serving.properties"]
    assert all(len(digest) == 12 for digest in before.values())
    folder.handler_path.write_text("x = 2\n")
    after = folder.fingerprint()
    assert after["model.py"] != before["model.py"]
    assert after["serving.properties"] == before["serving.properties"]


def test_a_fingerprint_ignores_what_python_compiles(write_folder: WriteFolder) -> None:
    folder = write_folder("m", {"engine": "Python"})
    before = folder.fingerprint()
    (folder.path / "__pycache__").mkdir()
    (folder.path / "__pycache__" / "model.pyc").write_bytes(b"compiled")
    assert folder.fingerprint() == before
