"""The same application for Kubernetes: KubeRay's RayService, with a Ray worker beside the container of each pod.

The pod is that of `inf2lab scale kubernetes`, with one container more. Its DJL container has the Neuron devices; Ray's
only counts their cores and passes requests on. So Ray asks for pods, and Karpenter for the nodes under them.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from inf2lab.folder import ModelFolder
from inf2lab.scale import kubernetes, kubernetes_pod
from inf2lab.scale.kubernetes import Deployment
from inf2lab.scale.manifest_text import Document, as_text
from inf2lab.scale.ray_spec import CORES, RaySpec
from inf2lab.serving import CONTAINER_USER
from inf2lab.settings import Settings

RAY = "2.60.0"  # of requirements-scale.txt; a test compares them
IMAGE = f"inf2lab-ray:{RAY}"  # docker/ray.Dockerfile
HTTP_PORT = 8000
_WORKER = (1, 2)  # processor cores and GiB of Ray's container: it moves bytes
_HEAD = (2, 8)
_IDLE_S = 600  # as long as ON_THE_CHIP waits before a replica ends: a node is dear to start


def ray_service(
    settings: Settings, folder: ModelFolder, *, replicas: tuple[int, int] = (1, 7), image: str = IMAGE
) -> list[Document]:
    """Return the manifests: the folder's files as a ConfigMap, and the RayService; raises LabError."""
    # Options of `docker run` may hold a secret, and mean nothing here.
    made = kubernetes.render(replace(settings, lane="inf2", docker_options=""), folder, replicas=replicas)
    spec = replace(
        RaySpec.of(made.replica.settings, folder),
        folder=f"/opt/ml/model/{folder.name}",
        url="http://127.0.0.1:8080",  # the pod's other container
        min_replicas=replicas[0],
        max_replicas=replicas[1],
    )
    files = {name: data.decode() for name, data in made.replica.files().items()}
    name = {"name": f"{made.name}-folder", "namespace": made.namespace}
    return [
        Document(
            f"The model folder {folder.name}, byte for byte.",
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": name, "data": files},
        ),
        Document(
            "One worker pod is one replica. Its DJL container is that of `inf2lab scale kubernetes`; Ray's is built "
            f"from docker/ray.Dockerfile. Clients ask the service {made.name}-serve-svc on port {HTTP_PORT}.",
            {
                "apiVersion": "ray.io/v1",
                "kind": "RayService",
                "metadata": {"name": made.name, "namespace": made.namespace},
                "spec": {
                    "serveConfigV2": as_text([_serve_config(spec)]),
                    "rayClusterConfig": _cluster(made, spec, image),
                },
            },
        ),
    ]


def _serve_config(spec: RaySpec) -> Document:
    application = {
        "name": "model",
        "route_prefix": "/",
        "import_path": "inf2lab.scale.ray_app:build",
        "args": spec.as_dict(),
    }
    body = {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": HTTP_PORT},  # of the pod's own network
        "applications": [application],
    }
    return Document("What Ray Serve is told: rendered from the model folder and the profile.", body)


def _cluster(made: Deployment, spec: RaySpec, image: str) -> dict[str, Any]:
    head = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": CONTAINER_USER},
        "containers": [_ray("ray-head", image, *_HEAD)],
    }
    return {
        "rayVersion": RAY,
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {"idleTimeoutSeconds": _IDLE_S},
        "headGroupSpec": {
            # No replica runs on the head. KubeRay's operator asks its dashboard from another pod, so it must listen
            # there: let a NetworkPolicy keep everybody else out.
            "rayStartParams": {"num-cpus": "0", "dashboard-host": "0.0.0.0"},
            "template": {"spec": head},
        },
        "workerGroupSpecs": [
            {
                "groupName": "neuron",
                "replicas": spec.min_replicas,
                "minReplicas": spec.min_replicas,
                "maxReplicas": spec.max_replicas,
                # Trap: Ray's container has no device, and would count no core. So they are stated.
                "rayStartParams": {"num-cpus": "0", "resources": f'"{{\\"{CORES}\\": {spec.neuron_cores}}}"'},
                "template": {"spec": _worker(made, spec, image)},
            }
        ],
    }


def _worker(made: Deployment, spec: RaySpec, image: str) -> dict[str, Any]:
    """Return the Deployment's pod with Ray's container first, as KubeRay wants it; its size comes off the other's."""
    pod = copy.deepcopy(kubernetes_pod.deployment(made).body["spec"]["template"]["spec"])
    size = pod["containers"][0]["resources"]
    cores, gib = _WORKER
    memory = f"{int(size['limits']['memory'].removesuffix('Gi')) - gib}Gi"
    size["requests"]["cpu"] = str(int(size["requests"]["cpu"]) - cores)
    size["requests"]["memory"] = size["limits"]["memory"] = memory
    pod["containers"].insert(0, _ray("ray-worker", image, cores, gib))
    # At least as long as Ray waits for the longest answer: else Kubernetes cuts what Ray would let end.
    drain_s = int(spec.deployment_options["graceful_shutdown_timeout_s"])
    pod["terminationGracePeriodSeconds"] = max(pod["terminationGracePeriodSeconds"], drain_s)
    return pod


def _ray(name: str, image: str, cores: int, gib: int) -> dict[str, Any]:
    size = {"cpu": str(cores), "memory": f"{gib}Gi"}
    rights = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "name": name,
        "image": image,
        "resources": {"requests": size, "limits": size},
        "securityContext": rights,
    }
