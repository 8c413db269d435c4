"""The model folder on Kubernetes: manifests for kustomize, made from the folder and the catalog, nothing by hand.

The folder travels as a ConfigMap that kustomize makes of its files, so they arrive byte for byte, and a changed folder
has another name, which rolls the pods. Weights come from the hub (or s3://), as `option.model_id` says.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from inf2lab import catalog
from inf2lab.errors import FolderError, SettingsError
from inf2lab.files import write_file
from inf2lab.folder import ModelFolder
from inf2lab.planning import host_needs
from inf2lab.scale.kubernetes.text import Document, as_text, fill_in
from inf2lab.scale.kubernetes.values import grace_s, memory_gib, startup_s, values_of
from inf2lab.scale.kubernetes.wanted import Wanted
from inf2lab.scale.replica import Replica
from inf2lab.settings import Settings

TEMPLATES = Path(__file__).with_name("manifests")
HELM_VALUES = "neuron-helm-values.yaml"
FILES = (
    "kustomization.yaml",
    "namespace.yaml",
    "deployment.yaml",
    "service.yaml",
    "autoscaling.yaml",
    "network.yaml",
    "karpenter/kustomization.yaml",
    "karpenter/nodes.yaml",
    HELM_VALUES,
)
# What the API server takes: a Service's name begins with a letter, a namespace's may begin with a digit. EKS: clusters.
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_CLASS = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_CLUSTER = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


class Deployment(Wanted):
    """A rendering of what is wanted."""

    def files(self) -> dict[str, bytes]:
        """Return every file by its path below the manifests' folder; the same input gives the same bytes."""
        folder = {f"{self.replica.folder.name}/{name}": data for name, data in self.replica.folder.contents().items()}
        texts = {name: as_text(documents).encode() for name, documents in self.documents().items()}
        return folder | texts

    def documents(self) -> dict[str, list[Document]]:
        """Return the YAML files as objects."""
        values = values_of(self)
        return {name: fill_in(TEMPLATES / name, values) for name in (*FILES, *values["claim_files"])}

    def write(self, folder: Path) -> list[Path]:
        """Write every file below `folder`; returns the paths. What else is there stays."""
        written = []
        for name, data in self.files().items():
            path = folder / name
            written.append(write_file(path, data))
        return written


def render(
    settings: Settings,
    folder: ModelFolder,
    *,
    replicas: tuple[int, int] = (1, 6),
    namespace: str = "inf2lab",
    cluster: str = "inf2lab",
    storage_class: str = "",
) -> Deployment:
    """Return the rendering of a folder; raises LabError for a folder, a degree or numbers that cannot run."""
    fewest, most = replicas
    if not 1 <= fewest <= most < 2**31:  # Kubernetes counts in 32 bits
        raise SettingsError(
            "replicas", f"{fewest},{most}", "must be two numbers from 1 on, below 2**31, the fewest first"
        )
    replica = Replica(settings, folder)
    replica.folder.contents()
    if settings.hardware.family != "inf2":
        raise SettingsError("instance", settings.instance, "the manifests are for inf2; the catalog plans for others")
    made = Deployment(replica, fewest, most, namespace, cluster, storage_class)
    _check_names(made)
    if not made.placement.replicas:
        raise SettingsError("instance", settings.instance, str(made.placement))
    values_of(made)  # reads every number of the folder
    return made


def _check_names(made: Deployment) -> None:
    plain = "must be letters, digits and - , 63 at most, as in my-models"
    if not _NAMESPACE.fullmatch(made.namespace):
        raise SettingsError("namespace", made.namespace, plain.replace("letters", "small letters"))
    if made.namespace == "default" or made.namespace.startswith("kube-"):
        # namespace.yaml refuses pods with rights, and its network rules refuse neighbours.
        raise SettingsError(
            "namespace", made.namespace, "is the cluster's own, whose pods it would refuse: name another"
        )
    if not _CLUSTER.fullmatch(made.cluster):
        raise SettingsError("cluster", made.cluster, plain.replace("63", "100"))
    if made.storage_class and not _CLASS.fullmatch(made.storage_class):
        raise SettingsError("storage_class", made.storage_class, "must be a storage class's name, as in efs-sc")
    folder = made.replica.folder
    if not _NAME.fullmatch(made.name) or folder.name.strip("_") != folder.name:
        raise FolderError(
            folder.path,
            "its name becomes a Service's: begin with a letter, 63 at most, no _ at the ends. Rename the folder",
        )


def summary(made: Deployment) -> Iterator[tuple[str, str]]:
    """Yield (subject, found): what the rendering means before anything is applied."""
    replica, settings = made.replica, made.replica.settings
    yield (
        "folder",
        f"{replica.folder.name}: {', '.join(sorted(replica.folder.contents()))}, byte for byte as a ConfigMap",
    )
    yield "image", replica.image
    cores = f"degree {replica.degree} x {replica.workers}"
    yield ("a replica", f"{cores} = {replica.devices} of {settings.hardware.chips} devices of {settings.instance}")
    for placement in replica.placements():
        yield "", str(placement)
    kept = f"on a claim of class {made.storage_class}: the next pods neither download nor compile"
    yield "kept", kept if made.storage_class else "nothing: each pod downloads and compiles; --storage-class keeps it"
    workers = f", {replica.workers} workers one after the other" if replica.workers > 1 else ""
    yield ("loading", f"up to {replica.loading_s} s{workers}; the startup probe waits {startup_s(replica)} s")
    room, host = memory_gib(made), host_needs(replica.plan.request, replica.workers)
    yield "memory", f"{room} GiB a pod; loading takes up to {host.peak_gib:.0f} GiB, {replica.reading.text}"
    yield ("ending", f"a pod is given {grace_s(replica)} s: the longest answer ({replica.predict_s} s) and more")
    few, many = made.nodes(made.fewest), made.nodes(made.most)
    yield (
        "nodes",
        f"{few} at the fewest replicas ({made.fewest}), {many} at the most ({made.most}); Karpenter stops at "
        f"{made.most_nodes} ({made.device_limit} devices)",
    )
    basis = catalog.price_basis()
    price = made.usd_per_hour
    if price:
        span = " to ".join(dict.fromkeys(f"{usd:.2f}" for usd in price))
        yield ("price", f"{span} USD/h ({basis.name}, {basis.first} to {basis.last}), without the cluster's own")
    for problem in replica.plan.problems:
        yield "problem", problem
    if host.peak_gib > room:
        remedies = [word for word in (replica.reading.remedy, "a larger size, or a higher degree: fewer pods") if word]
        needed = f"a pod's {room} GiB cannot hold the {host.peak_gib:.0f} GiB that loading takes"
        yield "problem", f"{needed}: {'; '.join(remedies)}"
    if catalog.is_gated(replica.model_id):
        secret = "make the secret `huggingface` with the key `token` first, as in deploy/kubernetes/README.md"
        yield "note", f"{replica.model_id} is gated and asks for HF_TOKEN: {secret}"
    if made.fewest == 1:
        yield ("note", "with one replica nobody answers while its node is replaced and the next one loads: --fewest 2")
