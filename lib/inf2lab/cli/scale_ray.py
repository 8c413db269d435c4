"""The command `inf2lab scale ray`: a live cluster of emulated nodes, its figures, or its manifest for EKS."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inf2lab import paths
from inf2lab.cli.common import DEFAULTS, console, one_sentence, read_numbers, with_settings
from inf2lab.settings import Settings

if TYPE_CHECKING:
    from inf2lab.scale import RayCluster, RaySpec


@with_settings("lane", "profile", "instance", "image", "network", "docker_options")
def ray(
    folder: Annotated[
        Path | None, typer.Argument(help="A model folder; left out: one that loads at once and only waits.")
    ] = None,
    nodes: Annotated[
        str, typer.Option(help="NeuronCores of each emulated node; left out: 24,24,12, or on inf2 the instance's.")
    ] = "",
    fewest: Annotated[int, typer.Option(help="Replicas at least.", min=1)] = 1,
    most: Annotated[int | None, typer.Option(help="Replicas at most; left out: what the nodes hold.", min=1)] = None,
    haproxy: Annotated[bool, typer.Option("--haproxy", help="Ray's HAProxy instead of its Python proxy.")] = False,
    manifest: Annotated[bool, typer.Option("--manifest", help="Start nothing: print the RayService for EKS.")] = False,
    record: Annotated[
        Path | None, typer.Option(help="Play every trial of notebook 09 and write its figures there.")
    ] = None,
    *,
    settings: Settings,
) -> None:
    """Run Ray Serve on emulated nodes of this machine, until Ctrl-C; needs `make scale-env`.

    On the inf2 lane this instance is the one node, and each replica starts DJLServing's container on its own devices.
    """
    from inf2lab.files import check_place
    from inf2lab.folder import ModelFolder
    from inf2lab.scale import NODES, RayCluster, RaySpec, Stage, as_text, light_folder, ray_service

    with one_sentence():
        model = ModelFolder(paths.real(folder)) if folder else light_folder()
        rule = "write the NeuronCores of each node with commas, as in 24,24,12"
        cores = [settings.hardware.cores] if settings.lane == "inf2" else list(NODES)
        cores = read_numbers("nodes", nodes, rule) if nodes else cores
        spec = RaySpec.of(settings, model, min_replicas=fewest)
        most = max(fewest, most or sum(count // spec.neuron_cores for count in cores))
        if manifest:
            print(as_text(ray_service(settings, model, replicas=(fewest, most))), end="")
            return
        if record:
            check_place(record)
            Stage(settings, "live").figures(ModelFolder.named(DEFAULTS.model_name), console.print).write(record)
            console.print(f"wrote {paths.shown(record)}")
            return
        cluster = RayCluster(cores, haproxy=haproxy)
        try:
            _run(cluster, replace(spec, max_replicas=most))
        except KeyboardInterrupt:
            console.print("ending the cluster")
        finally:
            for line in cluster.close():
                console.print(f"had to be killed: {line}")


def _run(cluster: RayCluster, spec: RaySpec) -> None:
    """Start, deploy, and print the replicas whenever they are others; until Ctrl-C."""
    cluster.start()
    console.print(f"{len(cluster.cores)} nodes; loading {spec.model} on {spec.neuron_cores} NeuronCores a replica")
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
