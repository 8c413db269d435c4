"""Commands about instances: launch, extend, sweep. In the rehearsal lane they show everything and ask nobody."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from inf2lab import catalog, paths
from inf2lab.cli.common import console, one_sentence, with_settings
from inf2lab.settings import Settings

commands = typer.Typer()

DEFAULT_REGION = "us-east-2"
Region = Annotated[str, typer.Option(help="AWS region.", envvar=["INF2LAB_REGION", "AWS_DEFAULT_REGION"])]


@commands.command()
@with_settings("lane", "instance", "profile", instance=catalog.cloud_facts().instance)
def launch(
    settings: Settings,
    region: Region = DEFAULT_REGION,
    hours: Annotated[int, typer.Option(help="The instance ends itself after so many hours.")] = 4,
    image: Annotated[str, typer.Option(help="Machine image (ami-...); left out: one whose driver fits.")] = "",
    subnet: Annotated[str, typer.Option(help="Subnet (subnet-...); left out: one of the default network's.")] = "",
    spot: Annotated[bool, typer.Option("--spot", help="Cheaper, and AWS may take it back.")] = False,
    disk: Annotated[int | None, typer.Option(help="GiB of the root volume.")] = None,
    repository: Annotated[str, typer.Option(help="Address that the instance clones this repository from.")] = "",
    bucket: Annotated[
        str, typer.Option(help="S3 bucket of yours that keeps weights and programs.", envvar="INF2LAB_BUCKET")
    ] = "",
    idle: Annotated[int, typer.Option(help="End it after so many minutes without work, too; 0: not.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every call with all its parameters as JSON, and end.")
    ] = False,
    another: Annotated[bool, typer.Option("--another", help="Although a run is on record.")] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="Send it: from here on it bills.")] = False,
) -> None:
    """Show the launch request and its price; with --lane inf2 ask AWS (a dry run), with --confirm start it."""
    from inf2lab import aws
    from inf2lab.serving import require_image

    with one_sentence():
        here = aws.connect(settings, region=region)
        offered = aws.offering(here, settings.instance)
        found = aws.look_up_image(here, image_id=image, profile=settings.profile)
        request = aws.launch_request(
            here,
            settings.instance,
            found,
            hours=hours,
            offered=offered,
            spot=spot,
            disk_gib=disk,
            repository=repository,
            subnet=aws.look_up_subnet(here, subnet) if subnet else None,
            bucket=bucket,
            idle_minutes=idle,
        )
        if as_json:
            print(json.dumps([asdict(call) for call in request.calls], indent=2))
            return
        console.print(f"{here}\n{offered}\n{aws.quota(here, settings.instance, spot=spot)}\n{found}\n")
        price = aws.price_table(here, request)
        console.print(f"{aws.describe_calls(request)}\n\n{request}\n\n{price}\n")
        console.print(f"{aws.first_session(request, price, settings)}\n")
        if here.live:
            console.print(f"{require_image(settings, region)}\n")
        if not confirm:
            console.print(f"{aws.first_try(region, repository)}\n")
        done = aws.launch(here, request, confirm=confirm, another=another, report=console.print)
        console.print(str(done))
        if done.run:
            if not repository:
                console.print(f"{aws.fill_commands(done.run.instance_id, region, found.user)}\n")
            console.print(aws.tunnel_command(done.run.instance_id, region))
            console.print(aws.token_command(done.run.instance_id, region))


@commands.command()
def extend(
    hours: Annotated[int, typer.Option(help="Hours to add; -1 brings the end nearer.")],
    run: Annotated[str, typer.Option(help="Run id; left out: the one run that is open.")] = "",
) -> None:
    """Move a running instance's deadline."""
    from inf2lab import aws
    from inf2lab.errors import SettingsError

    with one_sentence():
        open_runs = [one for one in aws.open_runs() if run in ("", one.id)]
        if len(open_runs) != 1:
            known = ", ".join(one.id for one in aws.open_runs()) or "none"
            raise SettingsError("run", run, f"names no single run that is open; open runs: {known}")
        (found,) = open_runs
        if not found.region:
            raise SettingsError(
                "run", found.id, f"its record {paths.shown(found.path)} cannot be read: `inf2lab sweep`"
            )
        here = aws.connect(Settings(lane="inf2"), region=found.region)
        moved = aws.extend(here, found, hours=hours, report=console.print)
        console.print(f"run {moved.id} ends at {moved.deadline}")


@commands.command()
def sweep(
    run: Annotated[str, typer.Option(help="A run that is not on record here; needs --region.")] = "",
    region: Annotated[list[str] | None, typer.Option(help="Look there too; may be repeated.")] = None,
    kept: Annotated[bool, typer.Option("--kept", help="Delete what was kept in a bucket, too.")] = False,
) -> None:
    """Terminate what was launched from here, remove what it left, prove it. Exit code 1 while anything is left."""
    from inf2lab import aws

    with one_sentence():
        there = list(region or ())
        swept = aws.sweep_on_record(Settings(lane="inf2"), run=run, regions=there, kept=kept, report=console.print)
    console.print(str(swept))
    if not swept.clean:
        raise typer.Exit(1)
