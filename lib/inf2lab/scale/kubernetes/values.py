"""What stands for each placeholder of the manifests: names, sizes and times, from the folder and the catalog."""

import math
from typing import Any

from inf2lab import catalog
from inf2lab.errors import SettingsError
from inf2lab.folder import COMPILED, INSIDE_PORT, LOAD_MARGIN_S, MANAGEMENT_PORT, MODEL_STORE
from inf2lab.planning import machine_disk_gib, replica_disk_gib
from inf2lab.scale.kubernetes.wanted import Wanted
from inf2lab.scale.replica import Replica
from inf2lab.serving import CONTAINER_USER

CLAIM = "claim.yaml"  # rendered where a storage class is named
METRIC = "model_requests"  # running and waiting, of all pods together
STARTUP_PERIOD_S = 10
UNHEARD_S = 15  # until every node has taken an ending pod out of the Service; requests come until then
END_S = 15  # for the server to end, with nobody left to answer
# Asks the management address from inside: it listens on the pod's loopback, where no kubelet and no neighbour comes.
READY = (
    "import json, sys, urllib.request as u; "
    "a = json.load(u.urlopen(sys.argv[1], timeout=4)); "
    "w = [w['status'] for v in a for m in v['models'] for g in m['workerGroups'] for w in g['workers']]; "
    "sys.exit('READY' not in w)"
)


def values_of(made: Wanted) -> dict[str, Any]:
    """Return every placeholder's value, by its name; raises LabError for a folder that cannot be read."""
    facts, replica = catalog.kubernetes_facts(), made.replica
    settings, at_once = replica.settings, replica.at_once(replica.workers)
    machine_image = _machine_image(settings.stack)
    return _kept(made) | {
        "name": made.name,
        "namespace": made.namespace,
        "cluster": made.cluster,
        "labels": made.labels,
        "model": replica.folder.name,
        "folder_files": [f"{replica.folder.name}/{name}" for name in sorted(replica.folder.contents())],
        "folder_mounts": _folder_mounts(replica),
        "image": replica.image,
        "instance": settings.instance,
        "environment": [{"name": name, "value": value} for name, value in replica.environment.items()],
        "open": not catalog.is_gated(replica.model_id),  # else a pod without the token waits, and says for what
        "port": INSIDE_PORT,
        "management_url": f"http://127.0.0.1:{MANAGEMENT_PORT}/models/{replica.folder.name}",
        "ready": READY,
        "user": CONTAINER_USER,
        "compiled": COMPILED,
        "device": facts.device_resource,
        "devices": str(replica.devices),
        "several": replica.devices > 1,
        "scheduler": facts.scheduler,
        "neighbours_scheduler": facts.scheduler if replica.devices > 1 else None,
        # Of the replica's share of the node:
        "cpus": str(int(settings.hardware.vcpus * _share(made))),
        "memory_gib": memory_gib(made),
        "disk_of_pod_gib": replica_disk_gib(replica.plan.request, replica.workers),
        "loading": _loading(replica),
        "startup_period_s": STARTUP_PERIOD_S,
        "startup_failures": startup_s(replica) // STARTUP_PERIOD_S,
        # A rollout counts as stuck only after a pod had its whole time to load, and a node its time to come.
        "progress_s": startup_s(replica) + 900,
        "drain_s": drain_s(replica),
        "grace_s": grace_s(replica),
        "metric": METRIC,
        "at_once": at_once,
        "target": str(2 * at_once),
        "fewest": made.fewest,
        "most": made.most,
        "more_egress": _more_egress(replica),
        "node_label": facts.node_label,
        "device_limit": str(made.device_limit),
        "most_nodes": made.most_nodes,
        "replicas": made.placement.replicas,
        "disk_gib": _disk_gib(made),
        "disk_iops": catalog.cloud_facts().disk_iops,
        "disk_mib_per_s": catalog.cloud_facts().disk_mib_per_s,
        "hops": settings.stack.metadata_hops,
        "profile": settings.profile,
        "drivers": str(catalog.accepted_drivers(settings.stack.runtime)),
        "machine_image": machine_image.alias,
        "image_driver": machine_image.driver,
        "kubernetes": " to ".join(machine_image.kubernetes),
    }


def _machine_image(stack: catalog.Profile) -> catalog.NodeImage:
    """Return the nodes' pinned image; raises SettingsError for one whose driver refuses the container's runtime."""
    image, accepted = catalog.kubernetes_facts().machine_image, catalog.accepted_drivers(stack.runtime)
    if not accepted.accepts(image.driver):
        reason = f"has driver {image.driver}, and runtime {stack.runtime} of {stack.name} goes with {accepted}"
        raise SettingsError("machine_image", image.alias, f"{reason}: pin one whose driver fits, never the newest")
    return image


def _kept(made: Wanted) -> dict[str, Any]:
    """Where weights and programs lie: in folders that end with the pod, or on a claim that all pods share."""
    asked = bool(made.storage_class)
    return {
        "storage_class": made.storage_class,
        "claim_files": [CLAIM] if asked else [],
        "claim": {"claimName": f"{made.name}-kept"} if asked else None,
        "own_folder": None if asked else {},
        "cache_below": "cache" if asked else None,
        "compiled_below": "compiled" if asked else None,
        "kept_gib": replica_disk_gib(made.replica.plan.request, made.replica.workers),
    }


def startup_s(replica: Replica) -> int:
    """Return how long a pod may take to open its port: the server's own patience with all workers, and a margin."""
    wanted = replica.all_loaded_s(replica.workers) + LOAD_MARGIN_S
    return STARTUP_PERIOD_S * math.ceil(wanted / STARTUP_PERIOD_S)


def drain_s(replica: Replica) -> int:
    """Return how long an ending pod goes on answering: DJLServing cuts what is under way when it is told to end."""
    return UNHEARD_S + replica.predict_s


def grace_s(replica: Replica) -> int:
    """Return how long a pod may take to end."""
    return drain_s(replica) + END_S


def memory_gib(made: Wanted) -> int:
    """Return a pod's memory: the replica's share of the node, less what the node keeps."""
    return int(made.replica.settings.hardware.host_gib * _share(made))


def _share(made: Wanted) -> float:
    return (1 - catalog.kubernetes_facts().node_reserve) / made.placement.replicas


def _disk_gib(made: Wanted) -> int:
    needed = machine_disk_gib(made.replica.plan.request, made.placement.replicas, made.replica.workers)
    return max(catalog.cloud_facts().disk_gib, needed)


def _loading(replica: Replica) -> str:
    text = f"loading ({replica.loading_s} s)"
    return text if replica.workers == 1 else f"{text} of {replica.workers} workers, one after the other,"


def _folder_mounts(replica: Replica) -> list[dict[str, Any]]:
    """By file, so that the server sees the folder's files and none of the ConfigMap's links."""
    inside = f"{MODEL_STORE}/{replica.folder.name}"
    return [
        {"name": "folder", "mountPath": f"{inside}/{name}", "subPath": name, "readOnly": True}
        for name in sorted(replica.folder.contents())
    ]


def _more_egress(replica: Replica) -> list[dict[str, Any]]:
    """Beside names and HTTPS: metadata for a release that asks it, and the agent that gives a pod its identity."""
    hosts = ["169.254.169.254"] if replica.settings.stack.asks_metadata else []
    hosts += [catalog.kubernetes_facts().identity_agent] if replica.weights_on_s3 else []
    http = [{"protocol": "TCP", "port": 80}]
    return [{"to": [{"ipBlock": {"cidr": f"{host}/32"}}], "ports": http} for host in hosts]
