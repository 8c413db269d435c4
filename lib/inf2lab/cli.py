"""The `inf2lab` command: it parses, calls one library function and prints.

Exit codes: 0 done, 1 found something that needs mending, 2 could not run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from inf2lab import paths
from inf2lab.errors import LabError
from inf2lab.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Serve a model folder on Inferentia2, or rehearse it here.",
)
console = Console(highlight=False, markup=False, soft_wrap=True)  # a command or an error is not to be folded

DEFAULTS = Settings()
Lane = Annotated[
    str, typer.Option(help="rehearsal (this machine) or inf2 (an instance).", envvar="INF2LAB_LANE")
]
Profile = Annotated[str, typer.Option(help="Generation of the serving stack.", envvar="INF2LAB_PROFILE")]
Instance = Annotated[
    str, typer.Option(help="Instance, emulated in the rehearsal.", envvar="INF2LAB_INSTANCE")
]
Port = Annotated[int, typer.Option(help="Port on 127.0.0.1.", envvar="INF2LAB_PORT")]


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Print a LabError as one line on stderr and leave with code 2."""
    try:
        yield
    except LabError as error:
        print(f"inf2lab: {error}", file=sys.stderr)
        raise typer.Exit(2) from error


@app.command()
def doctor(
    lane: Lane = DEFAULTS.lane,
    profile: Profile = DEFAULTS.profile,
    instance: Instance = DEFAULTS.instance,
    port: Port = DEFAULTS.port,
) -> None:
    """Say what this machine can do, and what to do about what is missing. Exit code 1 if something must be mended."""
    from inf2lab.doctor import examine

    with _one_sentence():
        findings = examine(Settings(lane=lane, profile=profile, instance=instance, port=port))
    table = Table("", "subject", "found", "what to do", box=None, pad_edge=False)
    for finding in findings:
        table.add_row(finding.level, finding.subject, finding.found, finding.remedy)
    console.print(table, soft_wrap=False)
    if any(finding.level == "missing" for finding in findings):
        raise typer.Exit(1)


@app.command()
def plan(
    model: Annotated[
        str, typer.Option(help="Short name (opt-13b), name on the hub, or a folder with config.json.")
    ] = DEFAULTS.model_id,
    instance: Instance = DEFAULTS.instance,
    profile: Profile = DEFAULTS.profile,
    tp: Annotated[
        int | None, typer.Option(help="Tensor parallel degree; left out: the smallest that fits.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Rows that are generated together.")] = 1,
    n_positions: Annotated[int, typer.Option(help="Longest text, prompt and answer together.")] = 2048,
    prompt: Annotated[int, typer.Option("--input", help="Tokens of a prompt.")] = 0,
    answer: Annotated[int, typer.Option("--output", help="Tokens of an answer.")] = 0,
    dtype: Annotated[str, typer.Option(help="Number format of weights and cache: f16, bf16, f32.")] = "f16",
    weights: Annotated[
        str | None, typer.Option(help="int8 stores the layers' matrices in eight bits.")
    ] = None,
    devices: Annotated[str | None, typer.Option(help="A list of --device flags to judge: 0,10,2,4.")] = None,
    price_basis: Annotated[str, typer.Option(help="on-demand or reserved.")] = "on-demand",
    check: Annotated[bool, typer.Option("--check", help="Exit code 1 if this cannot be served.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Say what a configuration means before it is paid for: degrees, memory, copies, time, cost."""
    from inf2lab import planning

    with _one_sentence():
        made = planning.plan_for(
            model,
            profile=profile,
            instance=instance,
            tensor_parallel_degree=tp,
            batch_size=batch,
            n_positions=n_positions,
            input_tokens=prompt,
            output_tokens=answer,
            dtype=dtype,
            weights=weights,
            devices=devices,
            price_basis=price_basis,
        )
    if as_json:
        print(json.dumps(planning.as_dict(made), indent=2, ensure_ascii=False))
    else:
        table = Table("subject", "found", box=None, pad_edge=False)
        for subject, found in planning.rows(made):
            table.add_row(subject, found)
        console.print(table, soft_wrap=False)
    if check and made.problems:
        raise typer.Exit(1)


@app.command()
def lint(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Model folders; with them perhaps scripts (.sh) and request bodies (.json)."),
    ],
    profile: Profile = DEFAULTS.profile,
    instance: Instance = DEFAULTS.instance,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what can be mended safely, then look again.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    as_sarif: Annotated[bool, typer.Option("--sarif", help="Print them as SARIF 2.1.0.")] = False,
) -> None:
    """Say what in a model folder will not load, or not do what it says. Exit code 1 if there is an error."""
    from inf2lab.lint import Target, lint_paths, render

    with _one_sentence():
        reports = lint_paths(paths, Target(profile, instance), fix=fix)
    print(render(reports, "sarif" if as_sarif else "json" if as_json else "text"))
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


@app.command()
def serve(
    folder: Annotated[
        Path, typer.Argument(help="Model folder with serving.properties and perhaps model.py.")
    ],
    lane: Lane = DEFAULTS.lane,
    profile: Profile = DEFAULTS.profile,
    instance: Instance = DEFAULTS.instance,
    port: Port = DEFAULTS.port,
    wait: Annotated[bool, typer.Option(help="Wait until the model answers.")] = True,
) -> None:
    """Serve a model folder; the folder's own files say what and how."""
    from inf2lab.serving import Server

    with _one_sentence():
        settings = Settings(lane=lane, profile=profile, instance=instance, port=port)
        Server.start(settings, folder, wait=wait, report=console.print)


@app.command()
def status() -> None:
    """Show every server this clone has started. Exit code 1 if one of them failed."""
    from inf2lab.serving import all_servers

    with _one_sentence():
        found = [(server, server.status()) for server in all_servers()]
    if not found:
        console.print("no server was started here")
    for server, now in found:
        workers = ", ".join(f"{worker.device} {worker.status}" for worker in now.workers)
        console.print(
            f"{server.folder.name} at {server.url}: {now.state}{f' ({workers})' if workers else ''}"
        )
        console.print(f"  {now.detail}\n  log: {paths.shown(server.log_path)}")
    if any(now.state == "failed" for _, now in found):
        raise typer.Exit(1)


@app.command()
def logs(
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="How many of the last lines.")] = 40,
    port: Port = DEFAULTS.port,
) -> None:
    """Print the end of a server's log."""
    from inf2lab.serving import Server

    with _one_sentence():
        text = Server.of(Settings(port=port)).logs(lines)
    if not text:
        print(f"inf2lab: no log for port {port}: no server was started on it", file=sys.stderr)
        raise typer.Exit(1)
    print("\n".join(text))


@app.command()
def stop() -> None:
    """Stop every server this clone has started, and whatever a killed one left behind."""
    from inf2lab.serving import left_over, stop_everything

    with _one_sentence():
        ended = stop_everything()
    left = left_over()
    console.print(f"{ended} stopped, {len(left)} left")
    for line in left:
        console.print(f"  {line}")
    if left:
        raise typer.Exit(1)


@app.command()
def call(
    prompts: Annotated[list[str], typer.Argument(help="One prompt for each row of the compiled batch.")],
    seq_length: Annotated[int, typer.Option(help="Tokens of prompt and answer together.")] = 128,
    model: Annotated[str, typer.Option(help="Model name in the URL.")] = DEFAULTS.model_name,
    port: Port = DEFAULTS.port,
    as_json: Annotated[bool, typer.Option("--json", help="Print the texts as a JSON list.")] = False,
) -> None:
    """Ask the article's handler for one text a prompt."""
    from inf2lab.endpoint import Endpoint

    with _one_sentence():
        texts = Endpoint(f"http://127.0.0.1:{port}", model).generate(prompts, seq_length)
    if as_json:
        print(json.dumps(texts, ensure_ascii=False))
        return
    for number, text in enumerate(texts, 1):
        print(f"[{number}] {text}")


if __name__ == "__main__":
    app()
