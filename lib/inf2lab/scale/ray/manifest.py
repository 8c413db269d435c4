"""The same application for Kubernetes: KubeRay's RayService, with a Ray worker beside the container of each pod.

The pod is that of `inf2lab scale kubernetes`, with one container more. Its DJL container has the Neuron devices; Ray's
only counts their cores and passes requests on. So Ray asks for pods, and Karpenter for the nodes under them.
What is said of KubeRay was read in its sources: catalog, `kuberay`.
"""

import copy
import re
from dataclasses import replace
from typing import Any

from inf2lab import catalog
from inf2lab.errors import FolderError
from inf2lab.folder import ModelFolder
from inf2lab.scale.kubernetes import around, deployment, pod
from inf2lab.scale.kubernetes.deployment import Deployment
from inf2lab.scale.kubernetes.text import Document, as_text
from inf2lab.scale.ray.spec import CORES, RaySpec
from inf2lab.settings import Settings

RAY = "2.60.0"  # of requirements-scale.txt; a test compares them
IMAGE = f"inf2lab-ray:{RAY}"  # docker/ray.Dockerfile
HTTP_PORT = 8000
METRICS_PORT = 8090  # Trap: KubeRay gives Ray's metrics port 8080 otherwise, where the pod's model server listens
NAME_LENGTH = 47  # of a RayService: KubeRay adds 6 characters for the cluster, and 10 for its services
_WORKER = (1, 2)  # processor cores and GiB of Ray's container: it moves bytes
_HEAD = (2, 8)
_IDLE_S = 600  # as long as ON_THE_CHIP waits before a replica ends: a node is dear to start
_RIGHTS = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def ray_service(
    settings: Settings, folder: ModelFolder, *, replicas: tuple[int, int] = (1, 7), image: str = IMAGE
) -> list[Document]:
    """Return the manifests: namespace, the folder's files as a ConfigMap, and the RayService; raises LabError."""
    # Options of `docker run` may hold a secret, and mean nothing here.
    made = deployment.render(replace(settings, lane="inf2", docker_options=""), folder, replicas=replicas)
    facts = catalog.kuberay_facts()
    if len(made.name) > facts.name_length or not re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", made.name):
        rule = f"at most {facts.name_length} small letters, digits and hyphens, the first of them a letter"
        raise FolderError(folder.path, f"KubeRay takes no service named {made.name!r}: {rule}. Rename the folder")
    spec = replace(
        RaySpec.of(made.replica.settings, folder),
        folder=f"/opt/ml/model/{folder.name}",
        url="http://127.0.0.1:8080",  # the pod's other container
        min_replicas=replicas[0],
        max_replicas=replicas[1],
    )
    files = {name: data.decode() for name, data in made.replica.folder.contents().items()}
    name = {"name": f"{made.name}-folder", "namespace": made.namespace}
    return [
        around.namespace(made.namespace),
        Document(
            f"The model folder {folder.name}, byte for byte.",
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": name, "data": files},
        ),
        Document(
            "One worker pod is one replica. Its DJL container is that of `inf2lab scale kubernetes`; Ray's is built "
            f"from docker/ray.Dockerfile. Clients ask the service {made.name}-serve-svc on port {HTTP_PORT}. It needs "
            f"KubeRay {facts.needs} or later. A change below rayClusterConfig brings a second cluster up beside the "
            "first, on nodes of its own, before the first one goes.",
            {
                "apiVersion": "ray.io/v1",
                "kind": "RayService",
                "metadata": {"name": made.name, "namespace": made.namespace},
                "spec": {
                    "excludeHeadPodFromServeSvc": True,  # no replica is there: it would pass every byte on
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
        "import_path": "inf2lab.scale.ray.app:build",
        "args": spec.as_dict(),
    }
    body = {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": HTTP_PORT},  # of the pod's own network
        "applications": [application],
    }
    return Document("What Ray Serve is told: rendered from the model folder and the profile.", body)


def _cluster(made: Deployment, spec: RaySpec, image: str) -> dict[str, Any]:
    worker = _worker(made, spec, image)
    # The namespace refuses pods that say less; no group, for the volumes of this pod are KubeRay's own.
    head_rights = {key: worker["securityContext"][key] for key in ("runAsNonRoot", "runAsUser", "seccompProfile")}
    return {
        "rayVersion": RAY,
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {
            # Trap: for v2, Ray's default, KubeRay sets restartPolicy Never: a DJL that ended would stay ended beside
            # a living Ray, and its compiled model would go with the pod.
            "version": "v1",
            "idleTimeoutSeconds": _IDLE_S,
            "securityContext": _RIGHTS,  # of the container that KubeRay adds to the head's pod
        },
        "headGroupSpec": {
            "resources": {"CPU": "0"},  # no replica runs on the head
            # KubeRay's operator asks its dashboard from another pod, so it must listen there: let a NetworkPolicy keep
            # everybody else out.
            "rayStartParams": {"dashboard-host": "0.0.0.0"},
            "template": {"spec": {"securityContext": head_rights, "containers": [_ray("ray-head", image, *_HEAD)]}},
        },
        "workerGroupSpecs": [
            {
                "groupName": "neuron",
                "replicas": spec.min_replicas,
                "minReplicas": spec.min_replicas,
                "maxReplicas": spec.max_replicas,
                # Trap: Ray's container has no device, and would count no core. So they are stated.
                "resources": {"CPU": "0", CORES: str(spec.neuron_cores)},
                "rayStartParams": {"metrics-export-port": str(METRICS_PORT)},
                "template": {"spec": worker},
            }
        ],
    }


def _worker(made: Deployment, spec: RaySpec, image: str) -> dict[str, Any]:
    """Return the Deployment's pod with Ray's container first, as KubeRay wants it; its size comes off the other's."""
    body = copy.deepcopy(pod.deployment(made).body["spec"]["template"]["spec"])
    size = body["containers"][0]["resources"]
    cores, gib = _WORKER
    memory = f"{int(size['limits']['memory'].removesuffix('Gi')) - gib}Gi"
    size["requests"]["cpu"] = str(int(size["requests"]["cpu"]) - cores)
    size["requests"]["memory"] = size["limits"]["memory"] = memory
    ray = _ray("ray-worker", image, cores, gib)
    ray["ports"] = [{"name": "metrics", "containerPort": METRICS_PORT}]  # by this name KubeRay finds that it is there
    body["containers"].insert(0, ray)
    # At least as long as Ray waits for the longest answer: else Kubernetes cuts what Ray would let end.
    drain_s = int(spec.deployment_options["graceful_shutdown_timeout_s"])
    body["terminationGracePeriodSeconds"] = max(body["terminationGracePeriodSeconds"], drain_s)
    return body


def _ray(name: str, image: str, cores: int, gib: int) -> dict[str, Any]:
    size = {"cpu": str(cores), "memory": f"{gib}Gi"}
    return {"name": name, "image": image, "resources": {"requests": size, "limits": size}, "securityContext": _RIGHTS}
