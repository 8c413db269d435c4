"""tools/notebooks/render_notebooks.py: a page of its own, with the files of its pictures in it, light or dark."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

import render_notebooks


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A notebook that shows a file beside its folder."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (tmp_path / "ring.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><circle r="4"/></svg>')
    cells = [nbformat.v4.new_markdown_cell("# Rings\n\n![a ring of one chip](../ring.svg)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "02_rings.ipynb")
    return folder / "02_rings.ipynb"


def test_a_page_holds_the_files_of_its_pictures(notebook: Path, tmp_path: Path) -> None:
    page = render_notebooks.render(notebook, tmp_path).read_text(encoding="utf-8")
    assert "<title>Rings</title>" in page
    assert 'src="data:image/svg+xml;base64,' in page
    assert 'alt="a ring of one chip"' in page


def test_a_dark_page_stands_beside_the_light_one(notebook: Path, tmp_path: Path) -> None:
    light, dark = (render_notebooks.render(notebook, tmp_path, theme=theme) for theme in render_notebooks.THEMES)
    assert (light.name, dark.name) == ("02_rings.html", "02_rings-dark.html")
    assert 'data-jp-theme-light="true"' in light.read_text(encoding="utf-8")
    assert 'data-jp-theme-light="false"' in dark.read_text(encoding="utf-8")
