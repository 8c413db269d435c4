"""The same application for Kubernetes: KubeRay's RayService, with a Ray worker beside the container of each pod.

The pod is that of `inf2lab scale kubernetes`, with one container more. Its DJL container has the Neuron devices; Ray's
only counts their cores and passes requests on. So Ray asks for pods, and Karpenter for the nodes under them.
What is said of KubeRay was read in its sources: catalog, `kuberay`.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from inf2lab import catalog
from inf2lab.errors import FolderError
from inf2lab.folder import MODEL_STORE, ModelFolder
from inf2lab.scale.kubernetes import deployment
from inf2lab.scale.kubernetes.deployment import Deployment
from inf2lab.scale.kubernetes.text import Document, as_text, fill_in
from inf2lab.scale.ray.spec import CORES, RaySpec
from inf2lab.settings import Settings

RAY = "2.60.0"  # of requirements-scale.txt; a test compares them
IMAGE = f"inf2lab-ray:{RAY}"  # docker/ray.Dockerfile
HTTP_PORT = 8000
METRICS_PORT = 8090  # Trap: KubeRay gives Ray's metrics port 8080 otherwise, where the pod's model server listens
_WORKER = (1, 2)  # processor cores and GiB of Ray's container: it moves bytes
_HEAD = (2, 8)
_RIGHTS = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def ray_service(settings: Settings, folder: ModelFolder, *, replicas: tuple[int, int] = (1, 7)) -> list[Document]:
    """Return the manifests: namespace, the folder's files as a ConfigMap, and the RayService; raises LabError."""
    # Options of `docker run` may hold a secret, and mean nothing here.
    made = deployment.render(replace(settings, lane="inf2", docker_options=""), folder, replicas=replicas)
    facts = catalog.kuberay_facts()
    if len(made.name) > facts.name_length or not re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", made.name):
        rule = f"at most {facts.name_length} small letters, digits and hyphens, the first of them a letter"
        raise FolderError(folder.path, f"KubeRay takes no service named {made.name!r}: {rule}. Rename the folder")
    spec = replace(
        RaySpec.of(made.replica.settings, folder),
        folder=f"{MODEL_STORE}/{folder.name}",
        url="http://127.0.0.1:8080",  # the pod's other container
        min_replicas=replicas[0],
        max_replicas=replicas[1],
    )
    worker = _worker(made, spec)
    rights = worker["securityContext"]
    here = Path(__file__).parent
    values = {
        "name": made.name,
        "namespace": made.namespace,
        "model": folder.name,
        "files": _texts(made.replica.folder),
        "http_port": HTTP_PORT,
        "metrics_port": str(METRICS_PORT),
        "kuberay": facts.needs,
        "ray": RAY,
        "args": spec.as_dict(),
        "rights": _RIGHTS,
        # The namespace refuses pods that say less; no group, for the volumes of this pod are KubeRay's own.
        "head_rights": {key: rights[key] for key in ("runAsNonRoot", "runAsUser", "seccompProfile")},
        "head": _ray("ray-head", *_HEAD),
        "fewest": spec.min_replicas,
        "most": spec.max_replicas,
        "cores": CORES,
        "neuron_cores": str(spec.neuron_cores),
        "worker": worker,
    }
    values["serve_config"] = as_text(fill_in(here / "serve_config.yaml", values))
    return [*made.documents()["namespace.yaml"], *fill_in(here / "ray_service.yaml", values)]


def _texts(folder: ModelFolder) -> dict[str, str]:
    """Return the folder's files as the manifest holds them; raises FolderError for one that is no text."""
    found = {}
    for name, data in folder.contents().items():
        try:
            found[name] = data.decode()
        except UnicodeDecodeError as error:
            reason = "is no UTF-8 text, and the manifest holds nothing else: leave it out, or name it with an option"
            raise FolderError(folder.path / name, reason) from error
    return found


def _worker(made: Deployment, spec: RaySpec) -> dict[str, Any]:
    """Return the Deployment's pod with Ray's container first, as KubeRay wants it; its size comes off the other's."""
    body = made.documents()["deployment.yaml"][0].body["spec"]["template"]["spec"]
    size = body["containers"][0]["resources"]
    cores, gib = _WORKER
    memory = f"{int(size['limits']['memory'].removesuffix('Gi')) - gib}Gi"
    size["requests"]["cpu"] = str(int(size["requests"]["cpu"]) - cores)
    size["requests"]["memory"] = size["limits"]["memory"] = memory
    ray = _ray("ray-worker", cores, gib)
    ray["ports"] = [{"name": "metrics", "containerPort": METRICS_PORT}]  # by this name KubeRay finds that it is there
    body["containers"].insert(0, ray)
    # At least as long as Ray waits for the longest answer: else Kubernetes cuts what Ray would let end.
    drain_s = int(spec.deployment_options["graceful_shutdown_timeout_s"])
    body["terminationGracePeriodSeconds"] = max(body["terminationGracePeriodSeconds"], drain_s)
    return body


def _ray(name: str, cores: int, gib: int) -> dict[str, Any]:
    size = {"cpu": str(cores), "memory": f"{gib}Gi"}
    return {"name": name, "image": IMAGE, "resources": {"requests": size, "limits": size}, "securityContext": _RIGHTS}
