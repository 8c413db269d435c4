"""Facts for more machines than one: head-room, Kubernetes' names for Neuron, KubeRay's rules, SageMaker's limits."""

from __future__ import annotations

from dataclasses import dataclass

from inf2lab.catalog._access import read_file


@dataclass(frozen=True)
class KubernetesFacts:
    """How a cluster names Neuron devices. `node_reserve` is the share of a node that is left to its own services."""

    source: str
    device_resource: str
    node_label: str
    scheduler: str  # of the Neuron chart: it gives a pod devices that are neighbours
    config_map_bytes: int
    node_reserve: float
    image_gib: int
    identity_agent: str  # where EKS Pod Identity hands out credentials


@dataclass(frozen=True)
class KubeRayFacts:
    """What KubeRay's operator asks and does: `needs` is the least release that reads a group's `resources`."""

    source: str
    release: str  # the one that was read
    needs: str
    name_length: int  # of a RayService: 6 characters are added for the cluster, and 10 for its services
    metrics_port: int  # Ray's, unless a group says another


@dataclass(frozen=True)
class SageMakerFacts:
    """Where the images are, and what the service accepts; pairs are (least, most)."""

    source: str
    registry_account: str
    repository: str
    model_folder: str
    startup_s: tuple[int, int]
    download_s: tuple[int, int]
    volume_gib: tuple[int, int]
    invocation_s: int
    machine_image: str
    metric: str
    dimension: str


@dataclass(frozen=True)
class Headroom:
    """What is customarily held back: `use` is the largest share of capacity to plan with, `spare` replicas may fail."""

    source: str
    use: float
    spare: int


def headroom() -> Headroom:
    """Return the facts of the data file."""
    return Headroom(**read_file("scale")["headroom"])


def kubernetes_facts() -> KubernetesFacts:
    """Return the facts of the data file."""
    return KubernetesFacts(**read_file("scale")["kubernetes"])


def kuberay_facts() -> KubeRayFacts:
    """Return the facts of the data file."""
    return KubeRayFacts(**read_file("scale")["kuberay"])


def sagemaker_facts() -> SageMakerFacts:
    """Return the facts of the data file."""
    row = read_file("scale")["sagemaker"]
    pairs = {name: tuple(row[name]) for name in ("startup_s", "download_s", "volume_gib")}
    return SageMakerFacts(**(row | pairs))
