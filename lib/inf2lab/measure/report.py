"""A load as one page that needs nothing else: figures inside it, tables beside them, no script and no request."""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template

from inf2lab.files import replace_file, write_file
from inf2lab.language import translated_html
from inf2lab.measure import figures
from inf2lab.measure.result import Result, Times
from inf2lab.measure.runner import Knee, knee
from inf2lab.measure.server_view import ServerView
from inf2lab.pictures import Picture
from inf2lab.planning import Plan, rows
from inf2lab.words import plural

PAGE = Path(__file__).with_name("report.html")
STAND_INS = (
    "<p>These times are of this machine, of small stand-in weights and of an emulated chip. They show that the "
    "measurement works, and what the shape of a curve means. They say <b>nothing</b> about the speed of the chip.</p>"
)
NOT_AVAILABLE, TOO_FEW = "n/a", "few"
QUANTILES = (0.5, 0.9, 0.99)


def summary(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of a table of loads: times in ms, `first` and `next` token as p50; n/a: not measured."""
    heads = ["load", "batch", "ok", "failed", "ok/s", "p50", "p90", "p99", "slowest", "tokens/s", "first", "next"]
    lines = []
    for result in results:
        errors = ", ".join(f"{count} x {code}" for code, count in result.errors.items()) or "0"
        lines.append(
            [
                result.load.title,
                str(result.target.rows),
                str(len(result.good)),
                errors,
                _number(result.requests_per_s, 2),
                *(_percentile(result.latency, quantile) for quantile in QUANTILES),
                _number(result.latency.at(1), 1),
                _number(result.tokens_per_s, 1),
                _number(result.first_token.at(0.5), 1),
                _number(result.between_tokens.at(0.5), 1),
            ]
        )
    return heads, lines


def table(results: Sequence[Result]) -> str:
    """Return the summary as text, with its lane."""
    heads, lines = summary(results)
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    text = "\n".join(
        "  ".join(cell.ljust(width) if not place else cell.rjust(width) for place, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in (heads, *lines))
    )
    few = f"; {TOO_FEW}: too few requests for it" if any(TOO_FEW in line for line in lines) else ""
    return f"{text}\n{figures.LANES[results[0].target.lane]}; times in ms; n/a: not measured{few}"


def page(results: Sequence[Result], *, plan: Plan | None = None, server: ServerView | None = None) -> str:
    """Return the report as HTML."""
    target, bend = results[0].target, knee(results)
    strong = [one.load.title for one in results if bend and not one.load.open and one.load.clients == bend.clients]
    made = Template(PAGE.read_text(encoding="utf-8")).substitute(
        model=html.escape(target.model),
        lane=target.lane,
        lane_words=html.escape(figures.LANES[target.lane]),
        stand_ins=STAND_INS if target.lane == "rehearsal" else "",
        sent=_table(["", ""], _sent(results), kind="pairs"),
        came_back=_table(*summary(results), strong=strong),
        bend=_bend(bend) if bend else "",
        latencies=_figure(figures.latencies(results)),
        throughput=_figure(figures.throughput(results)),
        noted=_noted(server) if server else "",
        chip=_chip(plan, results) if plan else "",
    )
    return translated_html(made)


def write_report(
    path: Path, results: Sequence[Result], *, plan: Plan | None = None, server: ServerView | None = None
) -> list[Path]:
    """Write the page to `path`, and all figures in one picture beside it; returns both paths."""
    write_file(path, page(results, plan=plan, server=server))
    picture = path.with_suffix(".png")
    with replace_file(picture) as file:
        figures.overview(results, plan).savefig(file, format="png", dpi=110)
    return [path, picture]


def _sent(results: Sequence[Result]) -> list[tuple[str, str]]:
    target, load = results[0].target, results[0].load
    tokens = [sum(row.prompt_tokens for row in r.rows if row.prompt_tokens) for r in results]
    asked = sum(len(r.rows) for r in results)
    return [
        ("endpoint", f"{target.url} ({target.shape.meaning})"),
        ("loop", "open: requests arrive by the clock" if load.open else "closed: a client waits for its answer"),
        ("prompts a request", str(target.rows)),
        ("tokens of a prompt", f"{sum(tokens) / asked / target.rows:.1f} on average" if sum(tokens) else NOT_AVAILABLE),
        ("tokens to write", str(target.output_tokens)),
        ("sent first, and not counted", ", ".join(str(r.load.warm_up) for r in results)),
        ("seed and fingerprint", f"{load.seed}, {', '.join(r.fingerprint for r in results)}"),
        ("p99 sent late by the generator", ", ".join(f"{_number(r.late.at(0.99), 1)} ms" for r in results)),
    ]


def _bend(bend: Knee) -> str:
    return (
        f"<p><b>The knee</b> is at {plural(bend.clients, 'client')}: the fewest that reach "
        f"nine tenths of the highest throughput ({bend.top_requests_per_s:.2f} answers a second). More clients "
        "than that mostly wait in the queue.</p>"
    )


def _noted(server: ServerView) -> str:
    lines = [
        (name, str(times.count), *(_percentile(times, quantile) for quantile in (0.5, 0.99)))
        for name, times in (("waiting for a worker", server.queue), ("the model", server.model))
    ]
    lines += [(f"answers {kind}", str(count), "", "") for kind, count in sorted(server.responses.items())]
    return f"<h2>What the server noted</h2>\n{_table(['', 'requests', 'p50', 'p99'], lines)}"


def _chip(plan: Plan, results: Sequence[Result]) -> str:
    parts = [
        "<h2>The chip: planned and published</h2>",
        "" if results[0].target.lane == "inf2" else "<p>Nothing in this section was measured by this load.</p>",
        _figure(figures.chip_rates(plan, results)),
        _figure(figures.chip_cost(plan, results)),
        _table(["", ""], rows(plan), kind="pairs"),
    ]
    return "\n".join(parts)


def _figure(picture: Picture) -> str:
    file = io.BytesIO()
    picture.savefig(file, format="png", dpi=110)
    data = base64.b64encode(file.getvalue()).decode()
    words = html.escape(picture.alt, quote=True)
    return f'<figure><img alt="{words}" src="data:image/png;base64,{data}"><figcaption>{words}</figcaption></figure>'


def _table(
    heads: Sequence[str], lines: Iterable[Sequence[str]], *, strong: Sequence[str] = (), kind: str = "numbers"
) -> str:
    head = "".join(f"<th>{html.escape(text)}</th>" for text in heads) if any(heads) else ""
    body = ""
    for line in lines:
        cells = "".join(f"<td>{html.escape(str(text))}</td>" for text in line)
        mark = ' class="knee"' if line[0] in strong else ""
        body += f"<tr{mark}>{cells}</tr>\n"
    return f'<div class="scroll"><table class="{kind}">{f"<tr>{head}</tr>" if head else ""}\n{body}</table></div>'


def _percentile(times: Times, quantile: float) -> str:
    """Return a percentile, or that the slowest request would stand for it; a median is one of any number."""
    if times.count and quantile > 0.5 and not times.tells(quantile):
        return TOO_FEW
    return _number(times.at(quantile), 1)


def _number(value: float | None, digits: int) -> str:
    return NOT_AVAILABLE if value is None else f"{value:.{digits}f}"
