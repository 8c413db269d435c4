"""Commands before a server runs: doctor, plan, lint."""

import json
from pathlib import Path
from typing import Annotated

import typer

from inf2lab.cli.common import DEFAULTS, Instance, Profile, one_sentence, show_table, with_settings
from inf2lab.settings import Settings

commands = typer.Typer()


@commands.command()
@with_settings("lane", "profile", "instance", "port")
def doctor(settings: Settings) -> None:
    """Say what this machine can do, and what to do about what is missing. Exit code 1 if something must be mended."""
    from inf2lab.doctor import Level, examine

    with one_sentence():
        examined = examine(settings)
    rows = ((each.level, each.subject, each.found, each.remedy) for each in examined)
    show_table(("", "subject", "found", "what to do"), rows)
    if any(each.level == Level.MISSING for each in examined):
        raise typer.Exit(1)


@commands.command()
def plan(
    model: Annotated[
        str, typer.Option(help="Short name (opt-13b), name on the hub, or a folder with config.json.")
    ] = DEFAULTS.model_id,
    instance: Instance = DEFAULTS.instance,
    profile: Profile = DEFAULTS.profile,
    tp: Annotated[int | None, typer.Option(help="Tensor parallel degree; left out: the smallest that fits.")] = None,
    batch: Annotated[int, typer.Option(help="Rows that are generated together.")] = 1,
    n_positions: Annotated[int, typer.Option(help="Longest text, prompt and answer together.")] = 2048,
    prompt: Annotated[int, typer.Option("--input", help="Tokens of a prompt.")] = 0,
    answer: Annotated[int, typer.Option("--output", help="Tokens of an answer.")] = 0,
    dtype: Annotated[str, typer.Option(help="Number format of weights and cache: f16, bf16, f32.")] = "f16",
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

    with one_sentence():
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
        list[Path], typer.Argument(help="Model folders; with them perhaps scripts (.sh) and request bodies (.json).")
    ],
    profile: Profile = DEFAULTS.profile,
    instance: Instance = DEFAULTS.instance,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended safely, then look again.")] = False,
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
