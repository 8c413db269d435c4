"""The RayService on a real API server, and its pods under the real scheduler. KubeRay itself is not here.

The definition is ours, written from KubeRay's sources (tests/inf2lab/scale/kuberay.schema.json); within it, pods are
looked at by the running server's own schema. No operator runs: the pods are made by the test from the groups'
templates, with the containers that KubeRay adds to them (ray-operator/controllers/ray/common/pod.go).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from control_plane import DEVICE, ControlPlane, Refused, fake_node
from kuberay_definition import DOCUMENTS, definition

from inf2lab import Settings
from inf2lab.scale.kubernetes.text import as_text
from inf2lab.scale.ray.bench.light_folder import light_folder
from inf2lab.scale.ray.manifest import ray_service

Manifest = dict[str, Any]
STRICT = ("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-")


@pytest.fixture
def text(tmp_path: Path) -> str:
    """What `inf2lab scale ray --manifest` prints, at four devices a replica."""
    return as_text(ray_service(Settings(), light_folder(at=tmp_path / "light_one"), replicas=(1, 7)))


@pytest.fixture
def documents(text: str) -> list[Manifest]:
    """Namespace, ConfigMap and RayService, as `kubectl` reads them."""
    return list(yaml.safe_load_all(text))


@pytest.fixture(scope="module")
def defined(plane: ControlPlane) -> Iterator[None]:
    """The definition is there."""
    plane.apply(definition([json.loads(plane.kubectl("get", "--raw", path)) for path in DOCUMENTS]))
    served = "--raw=/apis/ray.io/v1"
    plane.wait("the definition", lambda: "rayservices" in plane.kubectl("get", served, check=False))
    yield
    plane.kubectl("delete", "crd", "rayservices.ray.io", "--wait=false")


@pytest.fixture
def kuberay(plane: ControlPlane, defined: None, documents: list[Manifest]) -> Iterator[ControlPlane]:
    """The control plane with the definition and the namespace; services, nodes and pods are gone afterwards."""
    namespace = documents[0]["metadata"]["name"]
    plane.apply(documents[0])
    plane.wait("its account", lambda: "default" in plane.kubectl("get", "sa", "-n", namespace, "-o", "name"))
    yield plane
    plane.kubectl("delete", "rayservices,pods", "--all", "-n", namespace, "--wait=false")
    plane.kubectl("delete", "nodes", "--all", "--wait=false")
    plane.wait("pods and nodes to go", lambda: not plane.get("pods") and not plane.get("nodes"), 90)


def cluster(service: Manifest) -> dict[str, Any]:
    return service["spec"]["rayClusterConfig"]


def pod(group: dict[str, Any]) -> dict[str, Any]:
    return group["template"]["spec"]


def container(service: Manifest, name: str) -> dict[str, Any]:
    (found,) = (one for one in pod(cluster(service)["workerGroupSpecs"][0])["containers"] if one["name"] == name)
    return found


def test_the_manifest_is_taken_whole(kuberay: ControlPlane, text: str, documents: list[Manifest]) -> None:
    said = kuberay.kubectl(*STRICT, data=text)
    assert said.count("serverside-applied") == 3
    (there,) = kuberay.get("rayservices")
    group = copy.deepcopy(cluster(documents[-1])["workerGroupSpecs"][0])
    found = cluster(there)["workerGroupSpecs"][0]
    assert found.pop("numOfHosts") == 1  # defaults are the definition's
    assert found.pop("priority") == 0
    assert {key: found[key] for key in group if key != "template"} == {
        key: value for key, value in group.items() if key != "template"
    }
    sent = [(one["name"], one["resources"]) for one in pod(group)["containers"]]
    assert [(one["name"], one["resources"]) for one in pod(found)["containers"]] == sent


BROKEN: dict[str, tuple[Callable[[Manifest], object], str]] = {
    "a field of KubeRay's": (lambda s: cluster(s).update(enableInTreeAutoscaler=True), "enableInTreeAutoscaler"),
    "a field of a group": (lambda s: cluster(s)["workerGroupSpecs"][0].update(maxReplica=7), "maxReplica"),
    "a field of the pod": (lambda s: pod(cluster(s)["headGroupSpec"]).update(nodeSelectors={}), "nodeSelectors"),
    "a field of a container": (lambda s: container(s, "djl").update(readynessProbe={}), "readynessProbe"),
    "a field of a probe": (lambda s: container(s, "djl")["startupProbe"].update(failureTreshold=1), "failureTreshold"),
    "a count as a number": (lambda s: cluster(s)["workerGroupSpecs"][0]["resources"].update(CPU=0), "CPU"),
    "a port as text": (lambda s: container(s, "ray-worker")["ports"][0].update(containerPort="x"), "containerPort"),
    "an unknown autoscaler": (lambda s: cluster(s)["autoscalerOptions"].update(version="v3"), "Unsupported value"),
    "a pod of nothing": (lambda s: pod(cluster(s)["headGroupSpec"]).pop("containers"), "containers"),
    "a group without a name": (lambda s: cluster(s)["workerGroupSpecs"][0].pop("groupName"), "groupName"),
    "no cluster": (lambda s: s["spec"].pop("rayClusterConfig"), "rayClusterConfig"),
    "two volumes of one name": (
        lambda s: pod(cluster(s)["workerGroupSpecs"][0])["volumes"].append({"name": "cache", "emptyDir": {}}),
        "duplicate entries",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_on_purpose_is_refused(kuberay: ControlPlane, documents: list[Manifest], case: str) -> None:
    damage, said = BROKEN[case]
    broken = copy.deepcopy(documents[-1])
    damage(broken)
    with pytest.raises(Refused, match=said):
        kuberay.kubectl(*STRICT, "--dry-run=server", data=broken)
    kuberay.kubectl(*STRICT, "--dry-run=server", data=documents[-1])  # unbroken, it is taken


def test_the_operators_who_manage_it_do_not_change(kuberay: ControlPlane, documents: list[Manifest]) -> None:
    service = documents[-1]
    service["spec"]["managedBy"] = "ray.io/kuberay-operator"
    kuberay.apply(service)
    service["spec"]["managedBy"] = "kueue.x-k8s.io/multikueue"
    with pytest.raises(Refused, match="managedBy does not change"):
        kuberay.apply(service)


def made(service: Manifest, name: str, *, head: bool = False) -> Manifest:
    """A pod as KubeRay makes one from a group: what waits for the head, or the autoscaler beside it, is added."""
    group = cluster(service)["headGroupSpec"] if head else cluster(service)["workerGroupSpecs"][0]
    spec = copy.deepcopy(pod(group))
    ray = spec["containers"][0]
    added = {"image": ray["image"], "command": ["sh"]}
    if head:
        rights = cluster(service)["autoscalerOptions"]["securityContext"]
        spec["containers"].append(
            added | {"name": "autoscaler", "securityContext": rights, "resources": size("500m", "512Mi")}
        )
    else:
        waits = {"name": "wait-gcs-ready", "securityContext": ray["securityContext"]}
        spec["initContainers"] = [added | waits | {"resources": size("200m", "256Mi")}]
    ray["volumeMounts"] = [*ray.get("volumeMounts", ()), {"name": "shared-mem", "mountPath": "/dev/shm"}]
    memory = {"name": "shared-mem", "emptyDir": {"medium": "Memory"}}
    spec["volumes"] = [*spec.get("volumes", ()), memory]
    namespace = service["metadata"]["namespace"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def size(cpu: str, memory: str) -> dict[str, Any]:
    return {kind: {"cpu": cpu, "memory": memory} for kind in ("requests", "limits")}


def where(plane: ControlPlane) -> dict[str, str]:
    return {one["metadata"]["name"]: one["spec"].get("nodeName", "") for one in plane.get("pods")}


def test_three_workers_fill_an_instance_and_the_fourth_says_why_it_waits(
    kuberay: ControlPlane, documents: list[Manifest]
) -> None:
    service = documents[-1]
    fake_node(kuberay, "chips", 12)
    fake_node(kuberay, "plain", 1, like="inf2.xlarge", tainted=False)
    workers = [made(service, f"worker-{number}") for number in range(4)]
    kuberay.apply(*workers[:3], made(service, "head", head=True))
    kuberay.wait("their nodes", lambda: all(where(kuberay).values()))
    assert where(kuberay) == {"worker-0": "chips", "worker-1": "chips", "worker-2": "chips", "head": "plain"}
    kuberay.apply(workers[3])

    def reason() -> str:
        (found,) = (one for one in kuberay.get("pods") if one["metadata"]["name"] == "worker-3")
        return next((c.get("message", "") for c in found["status"].get("conditions", ())), "")

    kuberay.wait("the scheduler's reason", reason)
    assert f"1 Insufficient {DEVICE}" in reason()
    assert not where(kuberay)["worker-3"]


def test_admission_sees_both_containers(kuberay: ControlPlane, documents: list[Manifest]) -> None:
    """What a definition cannot say: limit is request for devices, and the namespace's rights, for each container."""

    def create(change: Callable[[dict[str, Any]], object], *, head: bool = False) -> None:
        one = made(documents[-1], "x", head=head)
        change(one["spec"])
        kuberay.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", data=one)

    create(lambda spec: None)
    create(lambda spec: None, head=True)
    with pytest.raises(Refused, match=f"must be equal to {DEVICE}"):
        create(lambda spec: spec["containers"][1]["resources"]["requests"].update({DEVICE: "8"}))
    for number in range(2):
        for head in (False, True):
            with pytest.raises(Refused, match=r"PodSecurity.*allowPrivilegeEscalation"):
                create(lambda spec, at=number: spec["containers"][at].pop("securityContext"), head=head)
    with pytest.raises(Refused, match=r"PodSecurity.*seccompProfile"):
        create(lambda spec: spec["securityContext"].pop("seccompProfile"), head=True)
