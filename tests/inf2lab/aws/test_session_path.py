"""The path on the chip: loads, minutes and dollars, notebook by notebook, in one place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import write_path_cost
from inf2lab import Settings, aws
from inf2lab.aws.session_path import PATH


def test_the_table_adds_up_to_the_price_that_a_launch_says() -> None:
    """The README had one sum and each notebook minutes of its own, and nobody could add them up."""
    here = aws.Cloud("us-east-2")
    request = aws.launch_request(here, "inf2.8xlarge", aws.look_up_image(here), hours=4)
    said = re.search(r"(\d+\.\d\d to \d+\.\d\d) USD, likely", _said(here, request))
    assert said
    assert said[1] in aws.path_table().rows[-1][-1]


def _said(here: aws.Cloud, request: aws.LaunchRequest) -> str:
    return aws.first_session(request, aws.price_table(here, request), Settings())


def test_each_notebook_that_serves_loads_once() -> None:
    loads = {stop.notebook: stop.compiles + stop.warm for stop in PATH}
    assert (loads["03"], loads["04"], loads["05"], loads["06"], loads["99"]) == (1, 1, 1, 0, 0)


def test_the_rows_are_the_stops_and_their_sum() -> None:
    *stops, whole = aws.path_table().rows
    assert len(stops) == len(PATH)
    for column in (3, 4):
        parts = [float(re.findall(r"[\d.]+", row[column])[0]) for row in stops]
        assert sum(parts) == pytest.approx(float(re.findall(r"[\d.]+", whole[column])[0]), abs=len(stops) / 2)


def test_the_readme_has_the_table(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    assert write_path_cost.readme(text) == text, "run write_path_cost.py"
    assert "| all |" in text


def test_the_readmes_notebooks_say_as_many_loads(root: Path) -> None:
    """A load on the chip is minutes and money: the list of notebooks and the table must not disagree."""
    text = (root / "README.md").read_text(encoding="utf-8")
    for stop in PATH[1:-1]:
        (row,) = re.findall(rf"^\| \[{stop.notebook} .*$", text, re.MULTILINE)
        wanted = {(1, 0): "one load, which compiles", (0, 1): "one load", (0, 0): ""}[stop.compiles, stop.warm]
        cell = row.rstrip(" |").rpartition("| ")[2]
        assert cell == wanted if wanted else "one load" not in cell
