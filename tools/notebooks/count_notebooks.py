"""Counts what each notebook asks of a reader: python tools/notebooks/count_notebooks.py

Minutes are those of somebody who reads all of it for the first time: 200 words a minute, five seconds a line of code,
250 words of output a minute, one minute a prediction.
"""

from __future__ import annotations

import argparse
import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from nbformat import NotebookNode

from notebook_files import NOTEBOOKS, read_notebook, tags_of

WORDS_A_MINUTE, OUTPUT_WORDS_A_MINUTE, LINES_A_MINUTE = 200, 250, 12
SHORT_PATH = ("00", "02", "03", "04", "05", "06", "08", "99")
SHORT_PATH_ENDS = "## You may stop here"  # the rest of a notebook is for another day
FOLDED = re.compile(r"<details>[\s\S]*?</details>")
IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<address>[^)\s]+)\)")
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<address>[^)\s]+)\)")
_TAG = re.compile(r"<[^>]+>")
_FENCED = re.compile(r"^```[\s\S]*?^```", re.MULTILINE)
_LISTS = re.compile(r"^\*\*(?:Further reading|Seen on the chip).*(?:\n.+)*", re.MULTILINE)
_TABLE = re.compile(r"^\|.*$", re.MULTILINE)


@dataclass(frozen=True)
class Notebook:
    """The counts of one notebook, or of its first cells."""

    number: str
    cells: list[NotebookNode]

    @cached_property
    def texts(self) -> list[NotebookNode]:
        """Its markdown cells."""
        return [cell for cell in self.cells if cell.cell_type == "markdown"]

    @cached_property
    def code(self) -> list[NotebookNode]:
        """Its code cells."""
        return [cell for cell in self.cells if cell.cell_type == "code"]

    @property
    def words(self) -> int:
        """Words of its text with its tables; what is folded is for who did the task."""
        return sum(len(plain(FOLDED.sub("", cell.source)).split()) for cell in self.texts)

    @property
    def lines(self) -> int:
        """Lines of its code that are not blank."""
        return sum(bool(line.strip()) for cell in self.code for line in cell.source.splitlines())

    @property
    def output_words(self) -> int:
        """Words of its outputs, those that a prediction folds too."""
        return sum(len(shown(output).split()) for cell in self.code for output in cell.outputs)

    @property
    def predictions(self) -> int:
        """Cells that ask a reader for an answer before it is shown."""
        return sum("predict" in tags_of(cell) for cell in self.code)

    @property
    def pictures(self) -> int:
        """Files in its text, and pictures among its outputs."""
        drawn = sum(len(IMAGE.findall(cell.source)) for cell in self.texts)
        return drawn + sum(pictures_of(output) for cell in self.code for output in cell.outputs)

    @property
    def links(self) -> list[str]:
        """Addresses outside of the repository that its text names."""
        found = (LINK.finditer(cell.source) for cell in self.texts)
        return [link["address"] for links in found for link in links if link["address"].startswith("http")]

    @property
    def minutes(self) -> float:
        """Minutes of a person who reads it for the first time."""
        reading = self.words / WORDS_A_MINUTE + self.output_words / OUTPUT_WORDS_A_MINUTE
        return reading + self.lines / LINES_A_MINUTE + self.predictions

    @property
    def said_minutes(self) -> float:
        """The minutes that its opening table names first."""
        (row,) = re.findall(r"^\| \*\*Time\*\* \|(.*)\|$", self.cells[0].source, re.MULTILINE)
        return float(re.findall(r"\d+", row)[0])


def plain(text: str) -> str:
    """Return markdown as it is read: no addresses, tags, pictures, signs of tables and headings."""
    text = LINK.sub(lambda link: link["text"], IMAGE.sub("", text))
    return re.sub(r"[|#>*`-]+(?=\s|$)|(?<!\S)[|#>*-]+", " ", _TAG.sub(" ", text))


def prose(text: str) -> str:
    """Return what is to be read in one go: without tables, lists of links, folded answers and examples."""
    for part in (FOLDED, _FENCED, _LISTS, _TABLE):
        text = part.sub("", text)
    return plain(text)


def shown(output: NotebookNode) -> str:
    """Return an output's words: a folded prediction's are in its page."""
    if output.output_type == "stream":
        return output.text
    data = output.get("data", {})
    page = data.get("text/html", "")
    if "<details" not in page:
        return data.get("text/plain", "")
    # A prediction is opened; what another table folds is for who looks for it.
    return html.unescape(_TAG.sub(" ", page if page.startswith("<details") else FOLDED.sub("", page)))


def pictures_of(output: NotebookNode) -> int:
    """Count the pictures of an output."""
    data = output.get("data", {})
    return int("image/png" in data) + data.get("text/html", "").count("<img ")


def read_all() -> dict[str, Notebook]:
    """Return the committed notebooks by number."""
    paths = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    return {path.stem[:2]: Notebook(path.stem[:2], read_notebook(path).cells) for path in paths}


def short_path(notebooks: dict[str, Notebook]) -> list[Notebook]:
    """Return the notebooks of the short path, each as far as it goes."""
    return [as_far_as(notebooks[number]) for number in SHORT_PATH]


def as_far_as(notebook: Notebook) -> Notebook:
    """Return a notebook up to the heading where the short path leaves it."""
    cells: list[NotebookNode] = []
    for cell in notebook.cells:
        before, found, _ = cell.source.partition(f"{SHORT_PATH_ENDS}\n")
        cells.append(NotebookNode({**cell, "source": before}))
        if found:
            break
    return Notebook(notebook.number, cells)


def minutes(notebooks: Iterable[Notebook]) -> float:
    """Return the minutes of several."""
    return sum(notebook.minutes for notebook in notebooks)


def main() -> None:
    """Print the counts, a line a notebook."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    print("nb    words  longest  code  outputs  predict  pictures  links  minutes  said")
    read = read_all()
    for one in read.values():
        longest = max(len(prose(cell.source).split()) for cell in one.texts)
        print(
            f"{one.number} {one.words:8} {longest:8} {one.lines:5} {one.output_words:8} {one.predictions:8} "
            f"{one.pictures:9} {len(one.links):6} {one.minutes:8.0f} {one.said_minutes:5.0f}"
        )
    print(f"pictures: {sum(one.pictures for one in read.values())}")
    print(f"the short path: {minutes(short_path(read)):.0f} minutes", end=" = ")
    print(*(f"{one.number}: {one.minutes:.0f}" for one in short_path(read)), sep=" + ")


if __name__ == "__main__":
    main()
