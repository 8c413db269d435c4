"""The command `inf2lab scale ray`: a live cluster of emulated nodes, its figures, or its manifest for EKS."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inf2lab import paths
from inf2lab.cli._common import DEFAULTS, Instance, Profile, console, one_sentence
from inf2lab.settings import Settings

if TYPE_CHECKING:
    from inf2lab.scale.ray_local import RayCluster
    from inf2lab.scale.ray_spec import RaySpec


def ray(
    folder: Annotated[
        Path | None, typer.Argument(help="A model folder; left out: one that loads at once and only waits.")
    ] = None,
    nodes: Annotated[str, typer.Option(help="NeuronCores of each emulated node.")] = "24,24,12",
    fewest: Annotated[int, typer.Option(help="Replicas at least.", min=1)] = 1,
    most: Annotated[int, typer.Option(help="Replicas at most.", min=1)] = 7,
    haproxy: Annotated[
        bool, typer.Option("--haproxy", help="Ray's HAProxy instead of its Python proxy.")
    ] = False,
    manifest: Annotated[
        bool, typer.Option("--manifest", help="Start nothing: print the RayService for EKS.")
    ] = False,
    record: Annotated[
        Path | None, typer.Option(help="Play every trial of notebook 09 and write its figures there.")
    ] = None,
    profile: Profile = DEFAULTS.profile,
    instance: Instance = DEFAULTS.instance,
) -> None:
    """Run Ray Serve on emulated nodes of this machine, until Ctrl-C; needs `make scale-env`."""
    from inf2lab.folder import ModelFolder
    from inf2lab.scale.manifest_text import as_text
    from inf2lab.scale.ray_light import light_folder
    from inf2lab.scale.ray_local import RayCluster
    from inf2lab.scale.ray_manifest import ray_service
    from inf2lab.scale.ray_spec import RaySpec
    from inf2lab.scale.ray_stage import Stage

    with one_sentence():
        settings = Settings(profile=profile, instance=instance)
        model = ModelFolder(folder.resolve()) if folder else light_folder()
        if manifest:
            print(as_text(ray_service(settings, model, replicas=(fewest, most))), end="")
            return
        if record:
            Stage(settings, "live").figures(ModelFolder.named(DEFAULTS.model_name), console.print).write(
                record
            )
            console.print(f"wrote {paths.shown(record)}")
            return
        spec = RaySpec.of(settings, model, min_replicas=fewest, max_replicas=most)
        cluster = RayCluster([int(cores) for cores in nodes.split(",")], haproxy=haproxy)
        try:
            _run(cluster, spec)
        except KeyboardInterrupt:
            console.print("ending the cluster")
        finally:
            for line in cluster.close():
                console.print(f"had to be killed: {line}")


def _run(cluster: RayCluster, spec: RaySpec) -> None:
    """Start, deploy, and print the replicas whenever they are others; until Ctrl-C."""
    cluster.start()
    console.print(
        f"{len(cluster.cores)} nodes; loading {spec.model} on {spec.neuron_cores} NeuronCores a replica"
    )
    cluster.deploy(spec)
    console.print(f"ready at {cluster.url}/predictions/{spec.model}; Ctrl-C ends it")
    shown: list[str] = []
    while True:
        lines = [
            f"  {one.id}: node {one.node}, cores {one.cores[0]}-{one.cores[-1]}, server {one.url}"
            for one in cluster.replicas()
        ]
        if lines != shown:
            console.print("\n".join([f"{len(lines)} replicas", *lines]))
            shown = lines
        cluster.status()  # raises once the cluster has ended
        time.sleep(1)
