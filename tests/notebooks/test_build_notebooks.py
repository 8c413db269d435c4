"""tools/notebooks/build_notebooks.py: what a source file becomes, and that drift is found and named."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from nbformat import NotebookNode

import build_notebooks
from notebook_files import NotebookToolError, read_notebook, write_notebook

if TYPE_CHECKING:
    from conftest import Tutorial


def test_cells_keep_the_ids_tags_and_text_of_their_source(tutorial: Tutorial) -> None:
    notebook = build_notebooks.build(tutorial.source / "00_start.py")
    assert [cell.id for cell in notebook.cells] == [f"nb00-c{number:02}" for number in range(1, 7)]
    assert notebook.cells[1].metadata == {"tags": ["parameters"]}
    assert notebook.cells[5].metadata == {}
    assert notebook.cells[5].source == ("%%writefile serving.properties\n# a comment\noption.model_id=facebook/opt-13b")


@pytest.mark.parametrize("first_line", ["# %%", '# %% id="nb06-c04"', '# %% id="nb00-4"'])
def test_a_cell_without_an_id_of_this_notebook_is_refused(tutorial: Tutorial, first_line: str) -> None:
    tutorial.edit("00_start.py", '# %% id="nb00-c04"', first_line)
    with pytest.raises(NotebookToolError, match=r"begins 'import subprocess' .* `# %% id=\"nb00-c07\"`"):
        build_notebooks.build(tutorial.source / "00_start.py")


def test_an_unclosed_header_is_named(tutorial: Tutorial) -> None:
    path = tutorial.source / "00_start.py"
    path.write_text("# ---\n# jupyter:\n#   kernelspec: {}\n\n" + path.read_text())
    with pytest.raises(NotebookToolError, match=r"00_start\.py: the header at its top is not closed"):
        build_notebooks.build(path)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("%%writefile a.py\n# import os\n#\n# # why\n#     x", "%%writefile a.py\nimport os\n\n# why\n    x"),
        ("%%writefile a.py\n# why\nimport os", "%%writefile a.py\n# why\nimport os"),
        ("# only\n# comments", "# only\n# comments"),
        ("%%time", "%%time"),
    ],
)
def test_a_magic_cell_that_is_commented_out_whole_is_uncommented_whole(written: str, meant: str) -> None:
    assert build_notebooks.uncommented(written) == meant


def change_text(notebook: NotebookNode) -> None:
    notebook.cells[3].source = notebook.cells[3].source.replace("120", "240")


def change_tags(notebook: NotebookNode) -> None:
    notebook.cells[1].metadata["tags"] = []


def change_id(notebook: NotebookNode) -> None:
    notebook.cells[3].id = "1a2b3c4d"


def add_editor_metadata(notebook: NotebookNode) -> None:
    notebook.cells[3].metadata["jupyter"] = {"source_hidden": True}


def change_kernel(notebook: NotebookNode) -> None:
    notebook.metadata["kernelspec"]["name"] = "my-kernel"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_text, "cell nb00-c04: text differs: line 5: source 'server = "),
        (change_tags, "cell nb00-c02: tags differs: source ['parameters'], notebook []"),
        (change_id, "-1a2b3c4d +nb00-c04"),
        (add_editor_metadata, "cell nb00-c04: metadata differs"),
        (change_kernel, "the notebook's metadata differs"),
    ],
)
def test_check_names_what_differs(
    tutorial: Tutorial, capsys: pytest.CaptureFixture[str], change: Callable[[NotebookNode], None], said: str
) -> None:
    arguments = tutorial.build_arguments()
    assert build_notebooks.main([*arguments, "--no-execute"]) == 0
    assert build_notebooks.main([*arguments, "--check"]) == 0
    stored = read_notebook(tutorial.notebooks / "00_start.ipynb")
    change(stored)
    write_notebook(stored, tutorial.notebooks / "00_start.ipynb")
    capsys.readouterr()
    assert build_notebooks.main([*arguments, "--check"]) == 1
    printed = capsys.readouterr().out
    assert "00_start.ipynb" in printed
    assert said in printed


def test_check_finds_notebooks_without_source_and_sources_without_notebook(
    tutorial: Tutorial, capsys: pytest.CaptureFixture[str]
) -> None:
    build_notebooks.main([*tutorial.build_arguments(), "--no-execute"])
    (tutorial.notebooks / "06_call.ipynb").rename(tutorial.notebooks / "07_measure.ipynb")
    capsys.readouterr()
    assert build_notebooks.main([*tutorial.build_arguments(), "--check"]) == 1
    printed = capsys.readouterr().out
    assert "06_call.ipynb is missing" in printed
    assert "07_measure.ipynb has no source 07_measure.py" in printed


def test_building_without_executing_keeps_the_outputs_of_unchanged_cells(tutorial: Tutorial) -> None:
    arguments = [*tutorial.build_arguments(), "--no-execute"]
    build_notebooks.main(arguments)
    path = tutorial.notebooks / "00_start.ipynb"
    stored = read_notebook(path)
    for count, cell in enumerate((cell for cell in stored.cells if cell.cell_type == "code"), 1):
        cell.execution_count = count
    write_notebook(stored, path)
    tutorial.edit("00_start.py", "time.sleep(120)", "time.sleep(60)")
    assert build_notebooks.main(arguments) == 0
    counts = {cell.id: cell.execution_count for cell in read_notebook(path).cells if cell.cell_type == "code"}
    assert counts == {"nb00-c02": 1, "nb00-c04": None, "nb00-c06": 3}


@pytest.mark.thorough
def test_two_builds_give_the_same_bytes(tutorial: Tutorial) -> None:
    arguments = tutorial.build_arguments()
    assert build_notebooks.main(arguments) == 0
    first = {path.name: path.read_bytes() for path in tutorial.notebooks.iterdir()}
    (tutorial.work / "serving.properties").unlink()
    assert build_notebooks.main(arguments) == 0
    assert {path.name: path.read_bytes() for path in tutorial.notebooks.iterdir()} == first
    assert set(first) == {"00_start.ipynb", "06_call.ipynb", "99_clean_up.ipynb"}


def test_a_failing_build_leaves_what_it_built_and_the_stored_notebook_and_cleans_up(
    tutorial: Tutorial, capsys: pytest.CaptureFixture[str]
) -> None:
    before = b"the last good build"
    (tutorial.notebooks / "06_call.ipynb").write_bytes(before)
    tutorial.edit("06_call.py", '"answer"', '"raise"')
    assert build_notebooks.main(tutorial.build_arguments()) == 1
    printed = capsys.readouterr().out
    assert "cell nb06-c04" in printed
    assert "degree is 3" in printed
    assert (tutorial.notebooks / "06_call.ipynb").read_bytes() == before
    assert (tutorial.logs / "06_call.ipynb").exists()
    executed = read_notebook(tutorial.notebooks / "00_start.ipynb").cells
    assert [cell.execution_count for cell in executed if cell.cell_type == "code"] == [1, 2, 3]
    assert executed[3].outputs[0].text == "8081 1.5 False\n"
    assert not (tutorial.work / "server.pid").exists(), "the clean-up notebook did not run"
