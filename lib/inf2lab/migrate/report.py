"""A migration as JSON, and as one page that needs nothing else."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from inf2lab.migrate.row import Row, counts

if TYPE_CHECKING:
    from inf2lab.migrate.migration import Migration

HEADS = ("where", "in use", "verdict", "becomes", "because", "source")
PAGE = Path(__file__).with_name("report.html")


def as_json(made: Migration, *, text: bool = False) -> Any:
    """Return the report as an object, or as text: every row with its source and how sure it is."""
    state = made.state
    found = {
        "folder": state.name,
        "profile": state.stated.profile.name,
        "to": state.target.name,
        "image": state.image_name,
        "vllm": state.image.vllm,
        "ok": made.ok,
        "lost": [row.what for row in made.lost],
        "nearest": list(made.nearest),
        "command": list(made.launch.words),
        "environment": made.launch.environment,
        "sections": {name: [_row(row) for row in rows] for name, rows in made.sections.items()},
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n" if text else found


def _row(row: Row) -> dict[str, str]:
    return asdict(row) | {"verdict": row.verdict.said}


def verdict_line(made: Migration) -> str:
    """Return the one sentence that says how it ends."""
    if made.ok:
        return f"everything in use has a successor ({counts(made.rows)})"
    what = ", ".join(dict.fromkeys(row.what for row in made.lost))
    return f"no successor for {what} ({counts(made.rows)})"


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """Yield a section for a terminal: what is in use and what becomes of it, and below it why."""
    rows = list(rows)
    widths = [
        max(len(cell) for cell in column) for column in zip(*((r.where, r.verdict.said) for r in rows), strict=True)
    ]
    for row in rows:
        arrow = f"  ->  {row.becomes}" if row.becomes else ""
        yield f"  {row.verdict.said:<{widths[1]}}  {row.where:<{widths[0]}}  {row.what}{arrow}"
        if row.says:
            yield f"  {'':<{widths[1]}}  {'':<{widths[0]}}    {row.says}"


def page(made: Migration) -> str:
    """Return the report as HTML."""
    tables = "".join(f"<h2>{html.escape(name)}</h2>{_table(rows)}" for name, rows in made.sections.items() if rows)
    near = "".join(f"<li>{html.escape(one)}</li>" for one in made.nearest)
    values = {
        "title": html.escape(made.title),
        "verdict": html.escape(verdict_line(made)),
        "nearest": f"<h2>nearest</h2><ul>{near}</ul>" if near else "",
        "tables": tables,
    }
    return Template(PAGE.read_text(encoding="utf-8")).substitute(values)


def _table(rows: Iterable[Row]) -> str:
    heads = "".join(f"<th>{head}</th>" for head in HEADS)
    lines = []
    for row in rows:
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(row))
        lines.append(f"<tr{' class=lost' if row.verdict.lost else ''}>{cells}</tr>")
    return f"<table><tr>{heads}</tr>{''.join(lines)}</table>"


def _cells(row: Row) -> tuple[str, ...]:
    return row.where, row.what, row.verdict.said, row.becomes, row.says, f"{row.source} ({row.sure})"
