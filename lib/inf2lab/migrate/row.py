"""One line of a report: what is in use, what becomes of it on the target, and what says so."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from inf2lab import catalog
from inf2lab.catalog import Fate, Verdict


@dataclass(frozen=True)
class Row:
    """`where` is a file and line, or a word for what no line says; `what` is shown without secrets."""

    where: str
    what: str
    verdict: Verdict
    becomes: str
    says: str
    source: str
    sure: str


def of_fate(where: str, what: str, fate: Fate) -> Row:
    """Return the row of a verdict in the catalog."""
    source = catalog.successor_sources()[fate.source]
    return Row(where, what, fate.judged, fate.becomes, fate.says, source, fate.sure)


def of_rule(what: str, verdict: Verdict, says: str) -> Row:
    """Return the row of one of the target's rules for a degree, heads or memory."""
    source = "feature guide and gqa.py of NxD Inference (2026-07-28)"
    return Row("rules", what, verdict, "", says, source, "source")


def lost(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the rows of which nothing is left on the target."""
    return (row for row in rows if row.verdict.lost)


def counts(rows: Sequence[Row]) -> str:
    """Return how many rows have each verdict, in words."""
    found = {verdict: sum(row.verdict is verdict for row in rows) for verdict in Verdict}
    return ", ".join(f"{number} {verdict.said}" for verdict, number in found.items() if number)
