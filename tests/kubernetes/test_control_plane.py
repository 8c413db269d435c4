"""Our manifests on a real control plane: accepted, placed by devices, scaled, drained; and broken ones refused."""

from __future__ import annotations

import copy
import itertools
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from control_plane import DEVICE, ControlPlane, Refused, fake_node
from external_metrics import ExternalMetrics

import write_manifests
from inf2lab import ModelFolder, Settings, write_properties
from inf2lab.scale.kubernetes.deployment import Deployment, render
from inf2lab.scale.kubernetes.values import METRIC

NAMESPACE = "inf2lab"
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": NAMESPACE}}


@pytest.fixture
def clean(plane: ControlPlane) -> Iterator[None]:
    """Take everything away after a test: pods first, then pools, so that nodes go."""
    yield
    for kind in ("hpa", "deployments", "pdb"):
        plane.kubectl("delete", kind, "--all", "-n", NAMESPACE, "--ignore-not-found")
    plane.kubectl("delete", "nodepools,kwoknodeclasses", "--all", "--wait=false")
    plane.kubectl("delete", "nodes", "--all", "--wait=false")
    plane.wait("pods and nodes to go", lambda: not plane.get("pods") and not plane.get("nodes"), 90)


def made(tmp_path: Path, *, degree: int, most: int = 6) -> Deployment:
    """A rendering of OPT-13B at a degree."""
    path = tmp_path / "opt13b"
    options = {"engine": "Python", "option.model_id": "facebook/opt-13b", "option.tensor_parallel_degree": degree}
    write_properties(path / "serving.properties", options)
    return render(Settings(), ModelFolder(path), replicas=(1, most))


def objects(plane: ControlPlane, rendering: Deployment, folder: Path) -> dict[str, dict[str, Any]]:
    """What kustomize makes of a rendering, and Karpenter's pool with kwok's nodes in place of EC2's; by kind."""
    rendering.write(folder)
    found = list(yaml.safe_load_all(plane.kubectl("kustomize", str(folder))))
    found += yaml.safe_load_all(plane.kubectl("kustomize", str(folder / "karpenter")))
    by_kind = {each["kind"]: each for each in found if each["kind"] != "EC2NodeClass"}
    reference = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"}
    by_kind["NodePool"]["spec"]["template"]["spec"]["nodeClassRef"] = reference
    by_kind["NodePool"]["spec"]["disruption"]["consolidateAfter"] = "5s"
    by_kind["HorizontalPodAutoscaler"]["spec"]["behavior"]["scaleDown"] = {"stabilizationWindowSeconds": 5}
    return by_kind


def node_class() -> dict[str, Any]:
    return {"apiVersion": "karpenter.kwok.sh/v1alpha1", "kind": "KWOKNodeClass", "metadata": {"name": "default"}}


def deploy(plane: ControlPlane, found: dict[str, dict[str, Any]], *kinds: str) -> None:
    plane.apply(found["Namespace"])
    plane.apply(*(found[kind] for kind in ("ConfigMap", "Deployment", "PodDisruptionBudget", *kinds)))


def scale(plane: ControlPlane, replicas: int) -> None:
    plane.kubectl("scale", "deployment/opt13b", "-n", NAMESPACE, f"--replicas={replicas}")


def ready(plane: ControlPlane) -> list[dict[str, Any]]:
    """The pods that are ready and not going."""
    return [
        pod
        for pod in plane.get("pods")
        if "deletionTimestamp" not in pod["metadata"]
        and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
    ]


def pending(plane: ControlPlane) -> list[str]:
    """Why each pod without a node has none, in the scheduler's words."""
    return [
        condition.get("message", "")
        for pod in plane.get("pods")
        for condition in pod["status"].get("conditions", ())
        if condition["type"] == "PodScheduled" and condition["status"] == "False"
    ]


def test_the_committed_manifests_are_accepted_and_carry_the_folders_bytes(
    plane: ControlPlane, clean: None, tmp_path: Path
) -> None:
    target = str(write_manifests.TARGET)
    said = plane.kubectl("apply", "--server-side", "--validate=strict", "-k", target)
    assert said.count("serverside-applied") == 7
    (folder,) = [each for each in plane.get("configmaps") if each["metadata"]["name"].startswith("opt13b-folder")]
    written = write_manifests.folder_of_the_notebook(tmp_path)
    bytes_there = {name: text.encode() for name, text in folder["data"].items()}
    assert bytes_there == {path.name: path.read_bytes() for path in written.path.iterdir()}
    (deployment,) = plane.get("deployments")
    volumes = {volume["name"]: volume for volume in deployment["spec"]["template"]["spec"]["volumes"]}
    assert volumes["folder"]["configMap"]["name"] == folder["metadata"]["name"]  # with the hash of its bytes
    nodes = list(yaml.safe_load_all((write_manifests.TARGET / "karpenter" / "nodes.yaml").read_text()))
    (pool,) = [each for each in nodes if each["kind"] == "NodePool"]
    plane.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", data=pool)


def test_pods_sit_by_devices_and_the_one_too_many_says_why(plane: ControlPlane, clean: None, tmp_path: Path) -> None:
    for name, devices in (("a", 12), ("b", 12), ("c", 6)):
        fake_node(plane, name, devices)
    found = objects(plane, made(tmp_path, degree=8), tmp_path / "out")
    assert found["Deployment"]["spec"]["template"]["spec"]["schedulerName"] == "my-scheduler"
    deploy(plane, found)
    scale(plane, 3)
    print(f"3 ready after {plane.wait('3 pods', lambda: len(ready(plane)) == 3):.1f} s")
    scale(plane, 8)
    plane.wait("7 pods", lambda: len(ready(plane)) == 7 and pending(plane))
    seats = Counter(pod["spec"]["nodeName"] for pod in ready(plane))
    assert sorted(seats.values()) == [1, 3, 3]
    (reason,) = pending(plane)
    assert f"3 Insufficient {DEVICE}" in reason


def test_nodes_come_from_zero_up_to_the_limit_and_go_again(plane: ControlPlane, clean: None, tmp_path: Path) -> None:
    rendering = made(tmp_path, degree=8, most=5)
    assert rendering.device_limit == 24  # six replicas of four devices: two instances
    found = objects(plane, rendering, tmp_path / "out")
    plane.apply(node_class(), found["NodePool"])
    deploy(plane, found)
    took = plane.wait("a pod on a node that was not there", lambda: len(ready(plane)) == 1)
    print(f"from zero nodes to ready in {took:.1f} s")
    assert took <= 20
    (node,) = plane.get("nodes")
    assert node["metadata"]["labels"]["node.kubernetes.io/instance-type"] == "inf2.48xlarge"
    assert DEVICE in [taint["key"] for taint in node["spec"]["taints"]]
    scale(plane, 8)
    plane.wait("6 pods on 2 nodes", lambda: len(ready(plane)) == 6 and len(pending(plane)) == 2)
    time.sleep(5)
    assert (len(plane.get("nodes")), len(ready(plane))) == (2, 6)
    assert all(DEVICE in reason for reason in pending(plane))
    scale(plane, 0)
    print(f"no node after {plane.wait('no nodes', lambda: not plane.get('nodes'), 180):.1f} s")


def test_the_autoscaler_follows_the_metric_up_and_down(plane: ControlPlane, clean: None, tmp_path: Path) -> None:
    metrics = ExternalMetrics(plane.folder, METRIC)
    try:
        found = objects(plane, made(tmp_path, degree=8), tmp_path / "out")
        plane.apply(node_class(), found["NodePool"], *metrics.objects())
        deploy(plane, found, "HorizontalPodAutoscaler")
        plane.wait("the autoscaler to ask", lambda: metrics.asked)
        plane.wait("one pod", lambda: len(ready(plane)) == 1)
        metrics.value = 10  # the target is two requests a pod
        print(f"1 to 5 ready in {plane.wait('5 pods', lambda: len(ready(plane)) == 5):.1f} s")
        assert len(plane.get("nodes")) == 2
        again = ("apply", "--server-side", "--validate=strict", "-f", "-")  # as the README says
        plane.kubectl(*again, data=found["Deployment"])
        assert [each["spec"]["replicas"] for each in plane.get("deployments")] == [5]
        metrics.value = 1000
        plane.wait("6 pods, the most", lambda: len(ready(plane)) == 6)
        metrics.value = 1
        print(f"back to 1 in {plane.wait('1 pod', lambda: len(plane.get('pods')) == 1, 90):.1f} s")
        print(f"back to 1 node in {plane.wait('1 node', lambda: len(plane.get('nodes')) == 1, 180):.1f} s")
    finally:
        plane.kubectl("delete", "apiservice", "v1beta1.external.metrics.k8s.io", "--ignore-not-found")
        metrics.stop()


def test_without_a_metric_there_are_the_fewest_pods(plane: ControlPlane, clean: None, tmp_path: Path) -> None:
    """The Deployment states no number: it begins with one pod, and the autoscaler raises that by itself."""
    found = objects(plane, made(tmp_path, degree=8), tmp_path / "out")
    found["HorizontalPodAutoscaler"]["spec"]["minReplicas"] = 3
    deploy(plane, found, "HorizontalPodAutoscaler")
    plane.wait("3 pods", lambda: [each["spec"]["replicas"] for each in plane.get("deployments")] == [3])


def test_a_drain_takes_one_pod_at_a_time(plane: ControlPlane, clean: None, tmp_path: Path) -> None:
    for name in ("a", "b"):
        fake_node(plane, name, 12)
    deploy(plane, objects(plane, made(tmp_path, degree=8), tmp_path / "out"))
    scale(plane, 4)
    plane.wait("4 pods", lambda: len(ready(plane)) == 4)
    (busiest, _), *_ = Counter(pod["spec"]["nodeName"] for pod in ready(plane)).most_common()
    least, over = [4], threading.Event()

    def watch() -> None:
        while not over.is_set():
            least.append(len(ready(plane)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        words = ("drain", busiest, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=20s")
        plane.kubectl(*words)  # three pods move and two fit: the budget lets the third wait for a place
    finally:
        over.set()
        watcher.join()
    assert min(least) >= 3
    (budget,) = plane.get("pdb")
    assert budget["spec"]["maxUnavailable"] == 1
    seats = Counter(pod["spec"].get("nodeName") for pod in ready(plane))
    assert {node: count for node, count in seats.items() if node != busiest} == {({"a", "b"} - {busiest}).pop(): 3}


def test_a_node_that_has_to_go_gives_its_pods_to_the_next_one(plane: ControlPlane, clean: None, tmp_path: Path) -> None:
    """As at its age, and with the pool's limit reached: Karpenter does not count a node that is going."""
    rendering = made(tmp_path, degree=8, most=2)
    assert rendering.device_limit == 12
    found = objects(plane, rendering, tmp_path / "out")
    plane.apply(node_class(), found["NodePool"])
    deploy(plane, found)
    scale(plane, 2)
    plane.wait("2 pods on 1 node", lambda: len(ready(plane)) == 2 and len(plane.get("nodes")) == 1)
    (old,) = [node["metadata"]["name"] for node in plane.get("nodes")]
    plane.kubectl("delete", "nodeclaims", "--all", "--wait=false")
    least = [2]

    def moved() -> bool:
        least.append(len(ready(plane)))
        return old not in {node["metadata"]["name"] for node in plane.get("nodes")} and least[-1] == 2

    print(f"moved in {plane.wait('the pods to move and the node to go', moved, 120):.1f} s")
    assert min(least) >= 1


def damaged(found: dict[str, dict[str, Any]], kind: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    one = copy.deepcopy(found[kind])
    change(one)
    return one


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    return deployment["spec"]["template"]["spec"]["containers"][0]


BROKEN: dict[str, tuple[str, Callable[[dict[str, Any]], object], str]] = {
    "a probe's name": ("Deployment", lambda o: container(o).update(readynessProbe={}), "unknown field"),
    "limit is not request": (
        "Deployment",
        lambda o: container(o)["resources"]["requests"].update({DEVICE: "8"}),
        f"must be equal to {DEVICE}",
    ),
    "no selector": ("Deployment", lambda o: o["spec"].pop("selector"), "selector"),
    "labels that no selector finds": (
        "Deployment",
        lambda o: o["spec"]["template"]["metadata"].update(labels={"a": "b"}),
        "does not match",
    ),
    "fewer than the fewest": ("HorizontalPodAutoscaler", lambda o: o["spec"].update(maxReplicas=0), "maxReplicas"),
    "an unknown policy": (
        "NodePool",
        lambda o: o["spec"]["disruption"].update(consolidationPolicy="Always"),
        "consolidationPolicy",
    ),
    "no consolidateAfter": ("NodePool", lambda o: o["spec"]["disruption"].pop("consolidateAfter"), "consolidateAfter"),
    "an unknown effect": (
        "NodePool",
        lambda o: o["spec"]["template"]["spec"]["taints"][0].update(effect="Never"),
        "effect",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_on_purpose_is_refused(plane: ControlPlane, clean: None, tmp_path: Path, case: str) -> None:
    kind, change, said = BROKEN[case]
    found = objects(plane, made(tmp_path, degree=8), tmp_path / "out")
    plane.apply(found["Namespace"])
    with pytest.raises(Refused, match=said):
        plane.apply(damaged(found, kind, change))
    plane.apply(found[kind])  # unbroken, it is taken


@pytest.mark.parametrize("change", ["root", "privileged", "host network"])
def test_the_namespace_refuses_pods_with_more_rights(
    plane: ControlPlane, clean: None, tmp_path: Path, change: str
) -> None:
    found = objects(plane, made(tmp_path, degree=2), tmp_path / "out")
    plane.apply(found["Namespace"])
    spec = copy.deepcopy(found["Deployment"]["spec"]["template"]["spec"])
    plane.kubectl("create", "--dry-run=server", "-f", "-", data=POD | {"spec": spec})
    if change == "root":
        spec["securityContext"] |= {"runAsNonRoot": False, "runAsUser": 0}
    elif change == "privileged":
        spec["containers"][0]["securityContext"] = {"privileged": True}
    else:
        spec["hostNetwork"] = True
    with pytest.raises(Refused, match="PodSecurity"):
        plane.kubectl("create", "--dry-run=server", "-f", "-", data=POD | {"spec": spec})


def test_everything_listens_on_loopback_only(plane: ControlPlane) -> None:
    """Karpenter binds to every address; a network of its own (as root) keeps that in."""
    addresses = subprocess.run(["ip", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    names = {line.split()[1] for line in addresses.splitlines()}
    if names == {"lo"}:
        return
    own = {process.pid for name, process in plane.processes.items() if name != "karpenter"}
    import psutil

    listening = [c.laddr.ip for pid in own for c in psutil.Process(pid).net_connections("inet") if c.status == "LISTEN"]
    assert set(listening) <= {"127.0.0.1", "::1"}, list(itertools.islice(listening, 5))
