"""The load command: put a load on a server of this lab or on any endpoint, and report what it showed."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from inf2lab import paths
from inf2lab.cli.common import DEFAULTS, console, one_sentence, read_numbers, show_table, with_settings
from inf2lab.errors import SettingsError
from inf2lab.files import check_place, write_file
from inf2lab.settings import Settings

if TYPE_CHECKING:
    from inf2lab.measure import Load, Mark, Result, ServerView, Target
    from inf2lab.planning import Plan

commands = typer.Typer()


class Arrivals(StrEnum):
    """How an open loop spaces its requests."""

    poisson = "poisson"
    even = "even"


@commands.command()
@with_settings("port", "profile", "instance")
def load(
    url: Annotated[
        str | None, typer.Option(help="An endpoint that this lab did not start; left out: the lab's server.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Of the endpoint: article, builtin[-stream], openai[-chat][-stream], raw.")
    ] = None,
    model: Annotated[str, typer.Option(help="The model's name at --url.")] = DEFAULTS.model_name,
    clients: Annotated[
        str, typer.Option(help="Closed loop: clients that wait for their answers. 1,2,4 is a sweep.")
    ] = "1",
    rate: Annotated[
        float | None, typer.Option(help="Open loop instead: requests a second, whatever is answered.")
    ] = None,
    arrivals: Annotated[Arrivals, typer.Option(help="Of the open loop.")] = Arrivals.poisson,
    requests: Annotated[
        int | None, typer.Option("-n", "--requests", help="Requests in all; in a sweep, of each client.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("-t", "--seconds", help="Or: for so long.")] = None,
    warm_up: Annotated[int, typer.Option(help="Requests sent first, not counted.")] = 1,
    prompts: Annotated[Path | None, typer.Option(help="A file with one prompt a line.")] = None,
    prompt_tokens: Annotated[
        str, typer.Option(help="Of each prompt: file (as it stands), 40, 16-64 or 40~12.")
    ] = "file",
    output_tokens: Annotated[int, typer.Option(help="To write in each answer.")] = 32,
    rows: Annotated[int, typer.Option(help="Prompts a request at --url.")] = 1,
    tokenizer: Annotated[
        Path | None, typer.Option(help="The model's tokenizer.json or its folder; left out: the folder's own model.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds after which a request has failed; left out: more than the server's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of prompts, lengths and arrivals.")] = 0,
    processes: Annotated[int, typer.Option(help="That share the work of sending.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures there, in the names of DJL's awscurl.")
    ] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write a line a request there.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with figures there, and a .png.")] = None,
    aiperf: Annotated[
        bool, typer.Option("--aiperf", help="Send nothing: print the same load as aiperf's command.")
    ] = False,
    *,
    settings: Settings,
) -> None:
    """Measure a running endpoint: latency, throughput, tokens, errors. Exit code 1 if a request failed."""
    from inf2lab import measure
    from inf2lab.endpoint import patience_s
    from inf2lab.serving import Server

    with one_sentence():
        counts = read_numbers("clients", clients, "use a number from 1 on, or several for a sweep: 1,2,4,8")
        for place in filter(None, (json_file, csv_file, report)):
            check_place(place)
        prompts = prompts or measure.Target.prompts
        server = Server.running(settings) if url is None else None
        asked: dict[str, Any] = {"output_tokens": output_tokens, "lengths": prompt_tokens, "prompts": prompts}
        if server:
            target = measure.Target.of(server, **asked)
        else:
            target = measure.Target(url=str(url), model=model, rows=rows, **asked)
        tokens = measure.Tokens(tokenizer) if tokenizer else target.tokens
        target = replace(target, tokens=tokens, kind=kind or target.kind)
        if tokens:
            tokens.count(["a"])  # one that cannot be read is to be known before the measurement
        plan = measure.plan_of(server) if server else None
        if requests is None and seconds is None:
            requests = 10
        if seconds == math.inf:
            raise SettingsError("seconds", seconds, "must be finite")
        one = measure.Load(
            clients=counts[0],
            rate=rate,
            requests=requests,
            seconds=seconds,
            arrivals=arrivals.value,
            warm_up=warm_up,
            seed=seed,
            timeout_s=timeout if timeout is not None else server.endpoint.timeout_s if server else patience_s(),
            processes=processes,
        )
        if aiperf:
            print(shlex.join(measure.aiperf_command(target, one)))
            return
        mark = measure.Mark.here(target.metrics) if target.metrics else None
        results = _measure(target, one, counts)
        _write(results, json_file, csv_file, report, plan, _view(mark))
    if any(result.errors for result in results):
        raise typer.Exit(1)


def _measure(target: Target, one: Load, counts: list[int]) -> list[Result]:
    """One result, or one for each number of clients, with a progress bar on the terminal."""
    from inf2lab import measure

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[failed]} failed"),
        console=console,
        transient=True,
    )
    several = len(counts) > 1
    total = one.requests * sum(counts) if several and one.requests else one.count
    with bar:
        task = bar.add_task(one.title, total=total, failed=0)

        def show(load: Load, done: int, failed: int) -> None:
            bar.update(task, description=load.title, completed=done, failed=failed)

        return measure.sweep(target, one, counts, show) if several else [measure.run(target, one, show)]


def _write(
    results: list[Result],
    json_file: Path | None,
    csv_file: Path | None,
    report: Path | None,
    plan: Plan | None,
    view: ServerView | None,
) -> None:
    """Print the table, and write the files that were asked for: each, whatever becomes of the others."""
    from inf2lab import measure

    show_table(*measure.summary(results))
    console.print(f"lane {results[0].target.lane}; times in ms; n/a: not measured")
    if view and view.queue.count:
        console.print(
            f"the server: waiting p50 {view.queue.at(0.5) or 0:.1f} ms, the model p50 {view.model.at(0.5) or 0:.1f} ms"
        )
    refused: list[OSError] = []
    page = partial(measure.write_report, plan=plan, server=view)
    for place, write in ((json_file, _write_json), (csv_file, _write_csv), (report, page)):
        try:
            for path in write(place, results) if place else ():
                console.print(f"wrote {paths.shown(path)}")
        except OSError as error:
            refused.append(error)
    if refused:
        raise refused[0]
    if json_file and len(results) > 1:
        console.print(f"replicas for 5 requests/s: inf2lab plan --rate 5 --curve {paths.shown(json_file)}")


def _write_json(place: Path, results: list[Result]) -> list[Path]:
    documents = [result.as_dict() for result in results]
    text = json.dumps(documents[0] if len(documents) == 1 else documents, indent=2)
    return [write_file(place, text + "\n")]


def _write_csv(place: Path, results: list[Result]) -> list[Path]:
    many = len(results) > 1
    places = [place.with_stem(f"{place.stem}-{one.load.clients}") if many else place for one in results]
    for path, result in zip(places, results, strict=True):
        result.write_csv(path)
    return places


def _view(mark: Mark | None) -> ServerView | None:
    from inf2lab.errors import MeasureError

    try:
        return mark.view() if mark else None
    except MeasureError:  # a server that keeps no metrics log
        return None
