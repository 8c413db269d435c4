"""docs/workshop.md: its tracks exist in the notebooks and fit their minutes, and its prices are the catalog's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nbformat import NotebookNode

import count_notebooks
from inf2lab import catalog
from notebook_files import NOTEBOOKS, ROOT, read_notebook

PAGE = ROOT / "docs" / "workshop.md"
SEATS = 30
SLACK = 1.25  # a text may grow a little before a track must be planned anew
TRACK = re.compile(r"^### (\d+) minutes: .*\n\n((?:\|.*\n)+)", re.MULTILINE)
ROW = re.compile(r"^\| (?P<minutes>\d+) \| (?P<what>.*?) \| (?P<far>.*?) ?\|$", re.MULTILINE)
NOTEBOOK = re.compile(r"\]\(\.\./notebooks/(?P<name>\d\d_\w+)\.ipynb\)")


def tracks() -> dict[int, list[re.Match[str]]]:
    """The rows of each track, by its minutes."""
    found = TRACK.findall(PAGE.read_text(encoding="utf-8"))
    return {int(minutes): list(ROW.finditer(table)) for minutes, table in found}


def rows_of_notebooks() -> list[tuple[str, str, int]]:
    """A notebook, how far it is read, and the minutes for it."""
    rows = [(NOTEBOOK.search(row["what"]), row) for track in tracks().values() for row in track]
    return [(found["name"], row["far"], int(row["minutes"])) for found, row in rows if found]


def up_to(path: Path, far: str) -> list[NotebookNode]:
    """The cells of a notebook before a heading; all of them where it is read whole."""
    cells: list[NotebookNode] = []
    heading = far.removeprefix("up to *").removesuffix("*")
    for cell in read_notebook(path).cells:
        before, found, _ = cell.source.partition(f"## {heading}\n")
        if cell.cell_type == "markdown" and found:
            return [*cells, NotebookNode({**cell, "source": before})]
        cells.append(cell)
    assert far == "whole", f"{path.name} has no heading {heading!r}"
    return cells


@pytest.mark.parametrize("minutes", [90, 120, 180])
def test_a_track_takes_the_minutes_that_it_says(minutes: int) -> None:
    assert sum(int(row["minutes"]) for row in tracks()[minutes]) == minutes


@pytest.mark.parametrize(("name", "far", "minutes"), rows_of_notebooks())
def test_a_part_of_a_notebook_is_there_and_can_be_read_in_its_minutes(name: str, far: str, minutes: int) -> None:
    """Reading, code, outputs and predictions, counted as for the short path."""
    part = count_notebooks.Notebook(name[:2], up_to(NOTEBOOKS / f"{name}.ipynb", far))
    assert part.minutes <= SLACK * minutes


def test_who_serves_the_folder_of_notebook_04_without_reading_it_is_told_to_run_it() -> None:
    """A clone that is new, or a seat that was reset, has no models/opt13b, and notebook 05 serves it."""
    named = {minutes: {NOTEBOOK.search(row["what"]) for row in track} for minutes, track in tracks().items()}
    read = {minutes: {found["name"] for found in links if found} for minutes, links in named.items()}
    assert [minutes for minutes, names in read.items() if "04_model_py" not in names] == [90, 120]
    before_the_tables = PAGE.read_text(encoding="utf-8").partition("## Tracks")[2].partition("### ")[0]
    assert "notebooks/04_model_py.ipynb" in before_the_tables


def test_every_link_of_the_page_leads_somewhere() -> None:
    for address in re.findall(r"\]\((\S+?)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / address).exists(), address


@pytest.mark.parametrize("name", ["inf2.xlarge", "inf2.8xlarge", "inf2.48xlarge"])
def test_quota_and_price_of_thirty_seats_are_the_catalogs(name: str) -> None:
    one = catalog.instance(name)
    assert one.usd_per_hour is not None
    row = f"| {name} | {SEATS * one.vcpus} | {SEATS * one.usd_per_hour:.2f} |"
    assert row in PAGE.read_text(encoding="utf-8")


def test_the_shared_chip_is_the_default_and_has_the_catalogs_price() -> None:
    one = catalog.instance("inf2.8xlarge")
    text = PAGE.read_text(encoding="utf-8")
    assert f"| **one inf2.8xlarge, shown by you** | **{one.vcpus}** | **{one.usd_per_hour:.2f}** |" in text
    assert "**Take the last row.**" in text


def test_the_quota_has_the_name_that_aws_gives_it() -> None:
    assert f"*{catalog.cloud_facts().quotas['on-demand'].name}*" in PAGE.read_text(encoding="utf-8")


def test_the_commands_of_the_page_are_there() -> None:
    text, makefile = PAGE.read_text(encoding="utf-8"), (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make (\w+)", text)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for file in set(re.findall(r"docker/\w+\.Dockerfile|\.devcontainer/\S+?json", text)):
        assert (ROOT / file).exists(), file
