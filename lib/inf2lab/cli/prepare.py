"""Commands before a server runs: doctor, plan, lint."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from inf2lab.cli.common import DEFAULTS, Instance, Profile, one_sentence, show_table, with_settings
from inf2lab.settings import Settings

commands = typer.Typer()


@commands.command()
@with_settings("lane", "profile", "instance", "port", "image")
def doctor(
    settings: Settings,
    folder: Annotated[
        Path | None, typer.Argument(help="A folder that `inf2lab migrate` wrote: what its server needs.")
    ] = None,
) -> None:
    """Say what this machine can do, and what to do about what is missing. Exit code 1 if something must be fixed."""
    from inf2lab.doctor import Level, examine

    with one_sentence():
        examined = examine(settings, folder)
    rows = ((each.level, each.subject, each.found, each.remedy) for each in examined)
    show_table(("", "subject", "found", "what to do"), rows)
    if any(each.level == Level.MISSING for each in examined):
        raise typer.Exit(1)


@commands.command()
def plan(
    folder: Annotated[
        Path | None, typer.Argument(help="A model folder, whose values hold where no option says another.")
    ] = None,
    commands: Annotated[
        list[Path] | None,
        typer.Argument(help="What starts it, with its variables: a script, compose, Kubernetes, SageMaker, .env."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help=f"Short name (opt-13b), name on the hub, or a folder with config.json; else {DEFAULTS.model_id}."
        ),
    ] = None,
    instance: Instance = DEFAULTS.instance,
    profile: Profile = DEFAULTS.profile,
    tp: Annotated[int | None, typer.Option(help="Tensor parallel degree; left out: the smallest that fits.")] = None,
    batch: Annotated[int | None, typer.Option(help="Rows that are generated together; left out: 1.")] = None,
    n_positions: Annotated[
        int | None, typer.Option(help="Longest text, prompt and answer together; left out: 2048.")
    ] = None,
    prompt: Annotated[int, typer.Option("--input", help="Tokens of a prompt.")] = 0,
    answer: Annotated[int, typer.Option("--output", help="Tokens of an answer.")] = 0,
    dtype: Annotated[
        str | None, typer.Option(help="Number format of weights and cache: f16, bf16, f32; left out: f16.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="int8 stores the layers' matrices in eight bits.")] = None,
    devices: Annotated[str | None, typer.Option(help="A list of --device flags to judge: 0,10,2,4.")] = None,
    price_basis: Annotated[str, typer.Option(help="on-demand or reserved.")] = "on-demand",
    rate: Annotated[float | None, typer.Option(help="Requests a second, over all replicas.")] = None,
    p99: Annotated[str, typer.Option(help="With --rate: the time that 99 % must keep.")] = "10s",
    curve: Annotated[
        Path | None, typer.Option(help="With --rate: one replica's sweep, from `inf2lab load --json`.")
    ] = None,
    use: Annotated[
        float | None, typer.Option(help="With --rate: the share of capacity to use at most; 0.8 unless given.")
    ] = None,
    spare: Annotated[int | None, typer.Option(help="With --rate: replicas that may be lost; 1 unless given.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit code 1 if this cannot be served.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Say what a configuration means before it is paid for: degrees, memory, copies, time, cost."""
    from inf2lab import planning

    asked = {
        "model": model,
        "tensor_parallel_degree": tp,
        "batch_size": batch,
        "n_positions": n_positions,
        "dtype": dtype,
        "weights": weights,
    }
    choices: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    choices |= {"input_tokens": prompt, "output_tokens": answer, "devices": devices, "price_basis": price_basis}
    with one_sentence():
        if folder:
            made = planning.plan_of_files(folder, commands or [], Settings(profile=profile, instance=instance), choices)
        else:
            made = planning.plan_for(**{"model": DEFAULTS.model_id} | choices, profile=profile, instance=instance)
        needed = None
        if rate is not None:
            points = planning.read_curve(curve) if curve else None
            needed = planning.capacity(
                made, rate=rate, p99_s=planning.read_seconds(p99), use=use, spare=spare, curve=points
            )
    if as_json:
        whole = planning.as_dict(made) | ({"scale": needed.as_dict()} if needed else {})
        print(json.dumps(whole, indent=2, ensure_ascii=False))
    else:
        further = planning.capacity_rows(needed) if needed else ()
        show_table(("subject", "found"), (*planning.rows(made), *further))
    if check and (made.problems or (needed and needed.replicas is None)):
        raise typer.Exit(1)


@commands.command()
def lint(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Model folders, perhaps with scripts and requests (.sh, .json); or what starts vLLM."),
    ],
    profile: Profile = DEFAULTS.profile,
    instance: Instance = DEFAULTS.instance,
    fix: Annotated[bool, typer.Option("--fix", help="Fix what can be fixed safely, then look again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    as_sarif: Annotated[bool, typer.Option("--sarif", help="Print them as SARIF 2.1.0.")] = False,
) -> None:
    """Say what in a model folder will not load, or not do what it says. Exit code 1 if there is an error."""
    from inf2lab.lint import Target, lint_paths, render

    with one_sentence():
        reports = lint_paths(paths, Target(profile, instance), fix=fix)
    print(render(reports, "sarif" if as_sarif else "json" if as_json else "text"))
    if not all(report.ok for report in reports):
        raise typer.Exit(1)
