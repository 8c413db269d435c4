"""The scale commands: the same model folder past one machine."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inf2lab import paths
from inf2lab.cli import scale_ray
from inf2lab.cli.cloud import DEFAULT_REGION, Region
from inf2lab.cli.common import DEFAULTS, Variables, console, one_sentence, show_table, with_settings, with_variables
from inf2lab.settings import Settings

if TYPE_CHECKING:
    from inf2lab.folder import ModelFolder

commands = typer.Typer()
scale = typer.Typer(no_args_is_help=True, help="Serve the folder on more machines than one.")
commands.add_typer(scale, name="scale")
scale.command()(scale_ray.ray)

Folder = Annotated[Path | None, typer.Argument(help="A model folder; left out: models/opt13b.")]


@scale.command()
@with_settings("profile", "instance")
def kubernetes(
    folder: Folder = None,
    fewest: Annotated[int, typer.Option(help="Replicas at least.")] = 1,
    most: Annotated[int, typer.Option(help="Replicas at most.")] = 6,
    copies: Annotated[int, typer.Option(help="Copies of the model in one replica.")] = 1,
    image: Annotated[str, typer.Option(help="The container's image; left out: the profile's.")] = "",
    namespace: Annotated[str, typer.Option(help="Kubernetes namespace.")] = "inf2lab",
    cluster: Annotated[str, typer.Option(help="The cluster whose network Karpenter uses.")] = "inf2lab",
    storage_class: Annotated[
        str, typer.Option(help="Keep weights and programs on a claim of this class (ReadWriteMany, as EFS has).")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Write the manifests there; left out: show them.")] = None,
    env: Variables = None,
    *,
    settings: Settings,
) -> None:
    """Render the manifests of a folder for Kubernetes, with what they mean and cost; nothing is applied."""
    from inf2lab.scale.kubernetes import render, summary

    with one_sentence():
        settings = with_variables(replace(settings, copies=copies, image=image), env)
        made = render(
            settings,
            _folder(folder),
            replicas=(fewest, most),
            namespace=namespace,
            cluster=cluster,
            storage_class=storage_class,
        )
        show_table(("subject", "found"), summary(made))
        if out:
            for path in made.write(out):
                console.print(f"wrote {paths.shown(path)}")
            return
    for name, data in made.files().items():
        if name.endswith(".yaml"):
            print(f"\n# ---- {name}\n{data.decode()}", end="")


@scale.command()
@with_settings("lane", "region", "profile", "instance", instance="inf2.8xlarge")
def sagemaker(
    folder: Folder = None,
    bucket: Annotated[
        str, typer.Option(help="S3 bucket that takes the folder's copy.", envvar="INF2LAB_BUCKET")
    ] = "YOUR-BUCKET",
    fewest: Annotated[int, typer.Option(help="Instances at least.")] = 1,
    most: Annotated[int, typer.Option(help="Instances at most.")] = 2,
    hours: Annotated[int, typer.Option(help="The endpoint is deleted after so many hours.")] = 4,
    image: Annotated[str, typer.Option(help="The container's image; left out: the profile's.")] = "",
    ask: Annotated[str, typer.Option(help="Ask an endpoint that is in service, by name; --prompt says what.")] = "",
    prompt: Annotated[list[str] | None, typer.Option(help="A prompt of --ask; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every call as JSON, and end.")] = False,
    another: Annotated[bool, typer.Option("--another", help="Although a run is on record.")] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="Send it: from here on it bills.")] = False,
    env: Variables = None,
    region: Region = DEFAULT_REGION,
    *,
    settings: Settings,
) -> None:
    """Show price and calls of a SageMaker endpoint for a folder; with --lane inf2 --confirm make it."""
    from inf2lab import aws
    from inf2lab.errors import SettingsError
    from inf2lab.folder import Needs
    from inf2lab.shapes import SHAPES

    with one_sentence():
        settings = with_variables(replace(settings, image=image), env)
        here = aws.connect(settings, region=region)
        needs = Needs(settings, _folder(folder))
        if ask:
            prompts = prompt or ["Hello"] * needs.rows  # model.py takes no other number
            print(*aws.invoke(here, ask, SHAPES[needs.stated.shape], prompts), sep="\n")
            return
        request = aws.endpoint_request(here, needs, bucket=bucket, hours=hours, instances=(fewest, most))
        calls = (*request.calls, *request.scaling)
        if as_json:
            print(json.dumps([asdict(call) for call in calls], indent=2, default=lambda data: data.decode()))
            return
        show_table(("subject", "found"), aws.endpoint_rows(here, request))
        for number, call in enumerate(calls, 1):
            console.print(f"{number:2}  {call.service}.{call.operation}")
        if confirm and bucket == "YOUR-BUCKET":
            raise SettingsError("bucket", bucket, "name a bucket of yours in the same region with --bucket")
        done = aws.deploy(here, request, confirm=confirm, another=another, report=console.print)
        console.print(str(done))


def _folder(named: Path | None) -> ModelFolder:
    from inf2lab.folder import ModelFolder

    return ModelFolder(paths.real(named)) if named else ModelFolder.named(DEFAULTS.model_name)
