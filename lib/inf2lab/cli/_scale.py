"""The scale commands: the same model folder past one machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from inf2lab import paths
from inf2lab.cli import _scale_ray
from inf2lab.cli._common import DEFAULTS, Instance, Profile, console, one_sentence
from inf2lab.settings import Settings

if TYPE_CHECKING:
    from inf2lab.folder import ModelFolder

commands = typer.Typer()
scale = typer.Typer(no_args_is_help=True, help="Serve the folder on more machines than one.")
commands.add_typer(scale, name="scale")
scale.command()(_scale_ray.ray)

Folder = Annotated[Path | None, typer.Argument(help="A model folder; left out: models/opt13b.")]


@scale.command()
def kubernetes(
    folder: Folder = None,
    fewest: Annotated[int, typer.Option(help="Replicas at least.")] = 1,
    most: Annotated[int, typer.Option(help="Replicas at most.")] = 6,
    copies: Annotated[int, typer.Option(help="Copies of the model in one replica.")] = 1,
    image: Annotated[str, typer.Option(help="The container's image; left out: the profile's.")] = "",
    namespace: Annotated[str, typer.Option(help="Kubernetes namespace.")] = "inf2lab",
    cluster: Annotated[str, typer.Option(help="The cluster whose network Karpenter uses.")] = "inf2lab",
    out: Annotated[Path | None, typer.Option(help="Write the manifests there; left out: show them.")] = None,
    profile: Profile = DEFAULTS.profile,
    instance: Instance = DEFAULTS.instance,
) -> None:
    """Render the manifests of a folder for Kubernetes, with what they mean and cost; nothing is applied."""
    from inf2lab.scale import kubernetes as target

    with one_sentence():
        settings = Settings(profile=profile, instance=instance, copies=copies, image=image)
        made = target.render(
            settings, _folder(folder), replicas=(fewest, most), namespace=namespace, cluster=cluster
        )
        table = Table("subject", "found", box=None, pad_edge=False)
        for subject, found in target.summary(made):
            table.add_row(subject, found)
        console.print(table, soft_wrap=False)
        if out:
            for path in made.write(out):
                console.print(f"wrote {paths.shown(path)}")
            return
    for name, data in made.files().items():
        if name.endswith(".yaml"):
            print(f"\n# ---- {name}\n{data.decode()}", end="")


def _folder(named: Path | None) -> ModelFolder:
    from inf2lab.folder import ModelFolder

    return ModelFolder(named.resolve()) if named else ModelFolder.named(DEFAULTS.model_name)
