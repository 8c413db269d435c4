"""A load as one page that needs nothing else: figures inside it, tables beside them, no script and no request."""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from inf2lab.measure import figures
from inf2lab.measure.result import Result
from inf2lab.measure.runner import knee
from inf2lab.measure.server_view import ServerView
from inf2lab.pictures import Picture
from inf2lab.planning import Plan, rows
from inf2lab.words import plural

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; border-bottom: 2px solid #bbb; }
.lane { display: inline-block; border: 3px solid #222; padding: .2rem .8rem; font-weight: bold; }
.lane.rehearsal { border-style: dashed; } .lane.inf2 { border-style: double; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { padding: .25rem .7rem; text-align: right; }
th { border-bottom: 2px solid #222; } td { border-bottom: 1px solid #ccc; }
th:first-child, td:first-child, .pairs td { text-align: left; } tr.knee td { font-weight: bold; }
.scroll { overflow-x: auto; }
figure { margin: 1.5rem 0; } img { max-width: 100%; height: auto; } figcaption { color: #444; font-size: .9rem; }
"""
# Nothing may be fetched, whatever a prompt or a model's name contains.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
NOT_AVAILABLE = "n/a"


def summary(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of a table of loads: times in ms, `first` and `next` token as p50; n/a: not measured."""
    heads = ["load", "batch", "ok", "failed", "ok/s", "p50", "p90", "p99", "tokens/s", "first", "next"]
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
                *(_number(result.latency.at(quantile), 1) for quantile in (0.5, 0.9, 0.99)),
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
    return f"{text}\n{figures.LANES[results[0].target.lane]}; times in ms; n/a: not measured"


def page(results: Sequence[Result], *, plan: Plan | None = None, server: ServerView | None = None) -> str:
    """Return the report as HTML."""
    target, bend = results[0].target, knee(results)
    lane = target.lane
    parts = [
        f"<h1>Load on {html.escape(target.model)}</h1>",
        f'<p class="lane {lane}">{html.escape(figures.LANES[lane])}</p>',
    ]
    if lane == "rehearsal":
        parts.append(
            "<p>These times are of this machine, of small stand-in weights and of an emulated chip. They show that "
            "the measurement works, and what the shape of a curve means. They say <b>nothing</b> about the speed of "
            "the chip.</p>"
        )
    parts += [
        "<h2>What was sent</h2>",
        _table(["", ""], _sent(results), kind="pairs"),
        "<h2>What came back</h2>",
        _table(
            *summary(results), strong=[result.load.title for result in results if bend and _is(result, bend.clients)]
        ),
        "<p>Times in ms. A percentile is one of the measured values (nearest rank); <i>first</i> and <i>next</i> are "
        "the median times to the first token and between tokens. <i>n/a</i>: not measured, because the answers did "
        "not stream or no tokenizer counts them.</p>",
    ]
    if bend:
        parts.append(
            f"<p><b>The knee</b> is at {plural(bend.clients, 'client')}: the fewest that reach "
            f"nine tenths of the highest throughput ({bend.top_requests_per_s:.2f} answers a second). More clients "
            "than that mostly wait in the queue.</p>"
        )
    parts += [_figure(figures.latencies(results)), _figure(figures.throughput(results))]
    if server:
        parts += ["<h2>What the server noted</h2>", _table(["", "requests", "p50", "p99"], _noted(server))]
    if plan:
        parts += [
            "<h2>The chip: planned and published</h2>",
            "<p>Nothing in this section was measured by this load.</p>" if lane != "inf2" else "",
            _figure(figures.chip_rates(plan, results)),
            _figure(figures.chip_cost(plan, results)),
            _table(["", ""], rows(plan), kind="pairs"),
        ]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>Load on {html.escape(target.model)}</title><style>{STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def write_report(
    path: Path, results: Sequence[Result], *, plan: Plan | None = None, server: ServerView | None = None
) -> list[Path]:
    """Write the page to `path`, and all figures in one picture beside it; returns both paths."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(results, plan=plan, server=server), encoding="utf-8")
    picture = path.with_suffix(".png")
    figures.overview(results, plan).savefig(picture, dpi=110)
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


def _noted(server: ServerView) -> list[tuple[str, ...]]:
    table = [
        (name, str(times.count), _number(times.at(0.5), 1), _number(times.at(0.99), 1))
        for name, times in (("waiting for a worker", server.queue), ("the model", server.model))
    ]
    return [*table, *((f"answers {kind}", str(count), "", "") for kind, count in sorted(server.responses.items()))]


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


def _is(result: Result, clients: int) -> bool:
    return not result.load.open and result.load.clients == clients


def _number(value: float | None, digits: int) -> str:
    return NOT_AVAILABLE if value is None else f"{value:.{digits}f}"
