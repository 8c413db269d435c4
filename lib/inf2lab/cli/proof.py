"""The command that proves on the chip what nobody can see without it; in the rehearsal lane it shows the plan."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from inf2lab.cli.cloud import DEFAULT_REGION, Region
from inf2lab.cli.common import console, one_sentence, with_settings
from inf2lab.settings import Settings

commands = typer.Typer()


@commands.command()
@with_settings("lane", "profile")
def prove(
    settings: Settings,
    region: Region = DEFAULT_REGION,
    instance: Annotated[str, typer.Option(help="Left out: the cheapest that serves OPT-1.3B.")] = "",
    max_usd: Annotated[float, typer.Option(help="Refuse a plan that may cost more.")] = 1.5,
    max_minutes: Annotated[int, typer.Option(help="Stop after so many minutes, and sweep.")] = 60,
    out: Annotated[Path | None, typer.Option(help="Folder of the evidence; left out: docs/evidence.")] = None,
    another: Annotated[bool, typer.Option("--another", help="Although a run is on record.")] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="Do it: from here on it bills.")] = False,
) -> None:
    """Show the plan of a proof on the chip and its price; with --lane inf2 --confirm rent, prove, sweep, write it down.

    Exit code 1 if a step did not pass.
    """
    from inf2lab import aws
    from inf2lab.errors import SettingsError
    from inf2lab.prove import plan_proof
    from inf2lab.prove import prove as make_proof

    with one_sentence(), tempfile.TemporaryDirectory(prefix="inf2lab-prove-") as store:
        here = aws.connect(settings, region=region)
        planned = plan_proof(here, settings, Path(store), instance=instance, max_usd=max_usd, max_minutes=max_minutes)
        console.print(f"{here}\n{planned}\n\n{planned.price}\n")
        if not confirm:
            console.print("nothing was sent, so it bills nothing; `--lane inf2 --confirm` does it")
            return
        if not here.live:
            raise SettingsError("confirm", True, f"{here.why}: nothing is asked; use --lane inf2 to spend money")
        evidence, path = make_proof(here, planned, another=another, folder=out, report=console.print)
    console.print(f"\n{evidence}\n\n{path}")
    if not evidence.complete:
        raise typer.Exit(1)
