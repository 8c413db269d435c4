"""The RayService for EKS: it follows from the folder and the catalog, and its pods are what Kubernetes accepts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from inf2lab import Settings, catalog
from inf2lab.scale import kubernetes
from inf2lab.scale.kubernetes.text import as_text
from inf2lab.scale.ray.bench.light_folder import light_folder
from inf2lab.scale.ray.manifest import RAY, ray_service
from inf2lab.scale.ray.spec import RaySpec

if TYPE_CHECKING:
    from pathlib import Path

DEVICE = "aws.amazon.com/neuron"


@pytest.fixture
def documents(tmp_path: Path) -> list[dict[str, Any]]:
    """As `kubectl` would read them."""
    folder = light_folder(at=tmp_path / "light_one")
    found = list(yaml.safe_load_all(as_text(ray_service(Settings(), folder, replicas=(2, 5)))))
    assert [one["kind"] for one in found] == ["Namespace", "ConfigMap", "RayService"]
    return found


@pytest.fixture
def cluster(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return documents[-1]["spec"]["rayClusterConfig"]


def djl(cluster: dict[str, Any]) -> dict[str, Any]:
    (found,) = (one for one in cluster["workerGroupSpecs"][0]["template"]["spec"]["containers"] if one["name"] == "djl")
    return found


def test_the_release_is_the_pinned_one(root: Path, cluster: dict[str, Any]) -> None:
    pinned = re.search(r"^ray\[serve\]==(\S+)", (root / "requirements-scale.txt").read_text(), re.MULTILINE)
    assert pinned
    assert cluster["rayVersion"] == RAY == pinned[1]
    assert f"FROM rayproject/ray:{RAY}-" in (root / "docker" / "ray.Dockerfile").read_text()


def test_the_folders_bytes_travel_as_they_are(tmp_path: Path, documents: list[dict[str, Any]]) -> None:
    files = documents[1]["data"]
    assert set(files) == {"model.py", "serving.properties"}
    for name, text in files.items():
        assert text.encode() == (tmp_path / "light_one" / name).read_bytes()


def test_devices_are_those_of_the_folders_degree_with_limit_equal_to_request(cluster: dict[str, Any]) -> None:
    resources = djl(cluster)["resources"]
    assert resources["requests"][DEVICE] == resources["limits"][DEVICE] == "4"
    assert cluster["workerGroupSpecs"][0]["resources"] == {"CPU": "0", "neuron_cores": "8"}


def test_the_application_is_one_that_the_replicas_can_read(documents: list[dict[str, Any]]) -> None:
    serve = yaml.safe_load(documents[-1]["spec"]["serveConfigV2"])
    (application,) = serve["applications"]
    assert application["import_path"] == "inf2lab.scale.ray.app:build"
    spec = RaySpec.from_dict(application["args"])
    assert (spec.min_replicas, spec.max_replicas, spec.url) == (2, 5, "http://127.0.0.1:8080")
    assert spec.settings["lane"] == "inf2"
    assert not spec.loopback


def test_no_option_that_may_hold_a_secret_is_written_down(tmp_path: Path) -> None:
    settings = Settings(lane="inf2", docker_options="-e HF_TOKEN=hf_secret")
    assert "hf_secret" not in as_text(ray_service(settings, light_folder(at=tmp_path / "light")))


def test_a_loading_model_is_given_the_time_of_a_first_load(cluster: dict[str, Any]) -> None:
    container = djl(cluster)
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= catalog.loading_facts().first_load_s
    environment = {one["name"]: one.get("value") for one in container["env"]}
    assert environment["SERVING_MANAGEMENT_ADDRESS"].startswith("http://127.0.0.1:")


def test_the_pod_waits_as_long_as_ray_does(documents: list[dict[str, Any]], cluster: dict[str, Any]) -> None:
    serve = yaml.safe_load(documents[-1]["spec"]["serveConfigV2"])
    spec = RaySpec.from_dict(serve["applications"][0]["args"])
    pod = cluster["workerGroupSpecs"][0]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= spec.deployment_options["graceful_shutdown_timeout_s"]


def test_the_pod_is_the_deployments_with_one_container_more(tmp_path: Path, cluster: dict[str, Any]) -> None:
    made = kubernetes.render(Settings(), light_folder(at=tmp_path / "light_one"), replicas=(2, 5))
    plain = made.documents()["deployment.yaml"][0].body["spec"]["template"]["spec"]
    pod = cluster["workerGroupSpecs"][0]["template"]["spec"]
    ray, djl = pod["containers"]
    (alone,) = plain["containers"]
    assert ray["name"] == "ray-worker"  # KubeRay takes the first container for Ray's
    assert {k: v for k, v in djl.items() if k != "resources"} == {k: v for k, v in alone.items() if k != "resources"}
    for kind, part in (("cpu", 1), ("memory", 2)):
        whole, left, taken = (one["resources"]["requests"][kind].removesuffix("Gi") for one in (alone, djl, ray))
        assert int(left) + int(taken) == int(whole)
        assert int(taken) == part
    assert pod["volumes"] == plain["volumes"]


def test_kubernetes_accepts_the_pods_and_the_folder(documents: list[dict[str, Any]], cluster: dict[str, Any]) -> None:
    from kubernetes_validate import latest_version, validate

    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": group["template"]["spec"]}
        for group in groups
    ]
    for document in (*documents[:2], *pods):
        validate(document, latest_version(), strict=True)
    pods[1]["spec"]["containers"][1]["startupProb"] = {}
    with pytest.raises(Exception, match="startupProb"):
        validate(pods[1], latest_version(), strict=True)
