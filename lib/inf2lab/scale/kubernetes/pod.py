"""The pod: DJLServing's container with its devices, its probes, its rights and what it may write."""

import math
from typing import Any

from inf2lab import catalog
from inf2lab.folder.needs import COMPILED, INSIDE_PORT, LOAD_MARGIN_S, MANAGEMENT_PORT
from inf2lab.planning import machine_disk_gib, weights_gib
from inf2lab.scale.kubernetes.text import Document
from inf2lab.scale.kubernetes.wanted import Wanted
from inf2lab.scale.replica import Replica
from inf2lab.serving import CONTAINER_USER

STARTUP_PERIOD_S = 10
UNHEARD_S = 15  # until every node has taken an ending pod out of the Service; requests come until then
END_S = 15  # for the server to end, with nobody left to answer
PORT = "http"
# Asks the management address from inside: it listens on the pod's loopback, where no kubelet and no neighbour comes.
READY = (
    "import json, sys, urllib.request as u; "
    "a = json.load(u.urlopen(sys.argv[1], timeout=4)); "
    "w = [w['status'] for v in a for m in v['models'] for g in m['workerGroups'] for w in g['workers']]; "
    "sys.exit('READY' not in w)"
)


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


def deployment(made: Wanted) -> Document:
    """Return the Deployment."""
    pod = {"metadata": {"labels": made.labels}, "spec": _pod(made)}
    spec = {  # no number of replicas: it is the autoscaler's, and would be set back by applying this again
        "selector": {"matchLabels": made.labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        # A rollout counts as stuck only after a pod had its whole time to load, and a node its time to come.
        "progressDeadlineSeconds": startup_s(made.replica) + 900,
        "template": pod,
    }
    return Document(
        "One pod is one server with its own copy of the model. The port opens when the model is loaded, so the "
        f"startup probe waits as long as {_loading(made.replica)} may take, and a margin; liveness begins after it "
        "and asks for the port only: the server restarts its own workers. Readiness asks the management address, "
        "which listens on the pod's loopback. A pod that ends first waits for its longest answer. How many pods "
        "there are is the autoscaler's to say.",
        made.described("apps/v1", "Deployment", spec),
    )


def _pod(made: Wanted) -> dict[str, Any]:
    facts, replica = catalog.kubernetes_facts(), made.replica
    neighbours = {"schedulerName": facts.scheduler} if replica.devices > 1 else {}
    return {
        **neighbours,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": True,  # the image's entry point is a shell, which as process 1 hears no signal
        "terminationGracePeriodSeconds": grace_s(replica),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": CONTAINER_USER,
            "runAsGroup": CONTAINER_USER,
            "fsGroup": CONTAINER_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "nodeSelector": {"node.kubernetes.io/instance-type": replica.settings.instance},
        "tolerations": [{"key": facts.device_resource, "operator": "Exists", "effect": "NoSchedule"}],
        "containers": [_container(made)],
        "volumes": _volumes(made),
    }


def _container(made: Wanted) -> dict[str, Any]:
    replica = made.replica
    size = _size(made)
    token = {"name": "huggingface", "key": "token", "optional": True}
    return {
        "name": "djl",
        "image": replica.image,
        "args": ["serve"],
        "ports": [{"name": PORT, "containerPort": INSIDE_PORT}],
        "env": [
            *({"name": name, "value": value} for name, value in replica.environment.items()),
            {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": token}},
        ],
        "resources": size,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "startupProbe": {
            "httpGet": {"path": "/ping", "port": PORT},
            "periodSeconds": STARTUP_PERIOD_S,
            "timeoutSeconds": 5,
            "failureThreshold": startup_s(replica) // STARTUP_PERIOD_S,
        },
        "readinessProbe": {
            "exec": {"command": ["python3", "-c", READY, _management(replica)]},
            "periodSeconds": 15,
            "timeoutSeconds": 10,
            "failureThreshold": 2,
        },
        "livenessProbe": {
            "tcpSocket": {"port": PORT},
            "periodSeconds": 30,
            "timeoutSeconds": 10,
            "failureThreshold": 6,
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": drain_s(replica)}}},
        "volumeMounts": [
            # By file, so that the server sees the folder's files and none of the ConfigMap's links.
            *(
                {
                    "name": "folder",
                    "mountPath": f"/opt/ml/model/{replica.folder.name}/{name}",
                    "subPath": name,
                    "readOnly": True,
                }
                for name in sorted(replica.folder.contents())
            ),
            {"name": "cache", "mountPath": "/cache"},
            {"name": "compiled", "mountPath": COMPILED},
            {"name": "logs", "mountPath": "/opt/djl/logs"},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }


def _loading(replica: Replica) -> str:
    text = f"loading ({replica.loading_s} s)"
    return text if replica.workers == 1 else f"{text} of {replica.workers} workers, one after the other,"


def memory_gib(made: Wanted) -> int:
    """Return a pod's memory: the replica's share of the node, less what the node keeps."""
    return int(made.replica.settings.hardware.host_gib * _share(made))


def _share(made: Wanted) -> float:
    return (1 - catalog.kubernetes_facts().node_reserve) / made.placement.replicas


def _size(made: Wanted) -> dict[str, Any]:
    """Requests are the replica's share of the node; memory is limited to it. Disk is asked for, so that a node with
    too little takes no pod, which it would throw out again in the middle of a load."""
    resource, hardware = catalog.kubernetes_facts().device_resource, made.replica.settings.hardware
    devices, memory = str(made.replica.devices), f"{memory_gib(made)}Gi"
    disk = f"{math.ceil(weights_gib(made.replica.plan.request, made.replica.workers))}Gi"
    cpu = str(int(hardware.vcpus * _share(made)))
    return {
        "requests": {"cpu": cpu, "memory": memory, "ephemeral-storage": disk, resource: devices},
        "limits": {"memory": memory, resource: devices},
    }


def disk_gib(made: Wanted) -> int:
    """Return the disk of one node."""
    needed = machine_disk_gib(made.replica.plan.request, made.placement.replicas, made.replica.workers)
    return max(catalog.cloud_facts().disk_gib, needed)


def _volumes(made: Wanted) -> list[dict[str, Any]]:
    empty = ("cache", "compiled", "logs", "scratch")
    return [
        {"name": "folder", "configMap": {"name": f"{made.name}-folder"}},
        *({"name": name, "emptyDir": {}} for name in empty),
    ]


def _management(replica: Replica) -> str:
    return f"http://127.0.0.1:{MANAGEMENT_PORT}/models/{replica.folder.name}"
