"""The RayService against KubeRay 1.7.0: its definition, what its operator refuses, and what it makes of the pods.

KubeRay itself is not here: definition and rules are ours, written from its sources (ray-operator/apis/ray/v1,
ray-operator/controllers/ray/utils/validation.go and ray-operator/controllers/ray/common/pod.go).
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from inf2lab import ModelFolder, Settings, catalog, write_properties
from inf2lab.errors import FolderError
from inf2lab.scale.kubernetes.text import as_text
from inf2lab.scale.ray.bench.light_folder import light_folder
from inf2lab.scale.ray.environment import environment_python
from inf2lab.scale.ray.manifest import METRICS_PORT, ray_service

SCHEMA = json.loads((Path(__file__).parents[1] / "kuberay.schema.json").read_text())
DEFINITION = jsonschema.Draft202012Validator(SCHEMA)
COUNTED = {"num-cpus", "num-gpus", "memory", "resources"}  # parameters that say what `resources` of a group says too
V2 = "RAY_enable_autoscaler_v2"
NAME_LENGTH = catalog.kuberay_facts().name_length
Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """The RayService of seven replicas at most, as `kubectl` would read it."""
    folder = light_folder(at=tmp_path_factory.mktemp("kuberay") / "light_one")
    return list(yaml.safe_load_all(as_text(ray_service(Settings(), folder, replicas=(1, 7)))))[-1]


@pytest.fixture
def service(committed: Manifest) -> Manifest:
    """The same, for a test that may break it."""
    return copy.deepcopy(committed)


def cluster(service: Manifest) -> dict[str, Any]:
    return service["spec"]["rayClusterConfig"]


def head(service: Manifest) -> dict[str, Any]:
    return cluster(service)["headGroupSpec"]


def worker(service: Manifest) -> dict[str, Any]:
    return cluster(service)["workerGroupSpecs"][0]


def groups(service: Manifest) -> list[dict[str, Any]]:
    return [head(service), *cluster(service)["workerGroupSpecs"]]


def options(service: Manifest) -> dict[str, Any]:
    return cluster(service)["autoscalerOptions"]


def rays(group: dict[str, Any]) -> dict[str, Any]:
    """Ray's container: KubeRay takes the first."""
    return next(iter(group["template"]["spec"]["containers"]), {})


def test_the_definition_takes_the_manifest(service: Manifest) -> None:
    assert f"KubeRay {catalog.kuberay_facts().release} " in SCHEMA["$comment"]
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    DEFINITION.validate(service)


BROKEN: dict[str, Callable[[Manifest], object]] = {
    "a field's name": lambda s: cluster(s).update(workerGroupSpec=cluster(s).pop("workerGroupSpecs")),
    "a field one level too high": lambda s: cluster(s).update(idleTimeoutSeconds=600),
    "a pod without its template": lambda s: worker(s).update(spec=worker(s).pop("template")["spec"]),
    "a number as text": lambda s: worker(s).update(maxReplicas="7"),
    "a truth as text": lambda s: cluster(s).update(enableInTreeAutoscaling="true"),
    "a count as a number": lambda s: worker(s)["resources"].update(neuron_cores=8),
    "a parameter as a number": lambda s: worker(s)["rayStartParams"].update({"metrics-export-port": 8090}),
    "the application as YAML": lambda s: s["spec"].update(serveConfigV2=yaml.safe_load(s["spec"]["serveConfigV2"])),
    "an unknown upscaling": lambda s: options(s).update(upscalingMode="Fast"),
    "an unknown autoscaler": lambda s: options(s).update(version="2"),
    "no head": lambda s: cluster(s).pop("headGroupSpec"),
    "a group without a name": lambda s: worker(s).pop("groupName"),
    "another version": lambda s: s.update(apiVersion="ray.io/v1alpha1"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_definition_refuses_what_is_broken(service: Manifest, case: str) -> None:
    BROKEN[case](service)
    with pytest.raises(jsonschema.ValidationError):
        DEFINITION.validate(service)


def environment(container: dict[str, Any]) -> set[str]:
    return {one["name"] for one in container.get("env", ())}


# What the operator refuses after the API server took it: (whether it is kept, how it is broken).
RULES: dict[str, tuple[Callable[[Manifest], bool], Callable[[Manifest], object]]] = {
    "the name is a label, short enough for its services": (
        lambda s: bool(re.fullmatch("[a-z]([-a-z0-9]{,45}[a-z0-9])?", s["metadata"]["name"])),
        lambda s: s["metadata"].update(name="x" * 48),
    ),
    "every pod has a container": (
        lambda s: all(group["template"]["spec"]["containers"] for group in groups(s)),
        lambda s: head(s)["template"]["spec"].update(containers=[]),
    ),
    "what a group has is said once": (
        lambda s: not any(group.get("resources") and COUNTED & set(group["rayStartParams"]) for group in groups(s)),
        lambda s: worker(s)["rayStartParams"].update({"num-cpus": "0"}),
    ),
    "labels are no parameter": (
        lambda s: not any("labels" in group["rayStartParams"] for group in groups(s)),
        lambda s: head(s)["rayStartParams"].update(labels="a=b"),
    ),
    "groups have names of their own": (
        lambda s: len({g["groupName"] for g in groups(s)[1:]}) == len(groups(s)[1:]),
        lambda s: cluster(s)["workerGroupSpecs"].append(worker(s)),
    ),
    "fewest, now and most are in order": (
        lambda s: all(0 <= g["minReplicas"] <= g["replicas"] <= g["maxReplicas"] for g in groups(s)[1:]),
        lambda s: worker(s).update(minReplicas=8),
    ),
    "a group waits on its own only with v2": (
        lambda s: options(s)["version"] == "v2" or not any("idleTimeoutSeconds" in g for g in groups(s)),
        lambda s: worker(s).update(idleTimeoutSeconds=60),
    ),
    "a group is preferred only with v2": (
        lambda s: options(s)["version"] == "v2" or not any(g.get("priority") for g in groups(s)),
        lambda s: worker(s).update(priority=1),
    ),
    "nobody waits less than no time": (
        lambda s: options(s)["idleTimeoutSeconds"] >= 0 and s["spec"].get("rayClusterDeletionDelaySeconds", 0) >= 0,
        lambda s: options(s).update(idleTimeoutSeconds=-1),
    ),
    "no group is suspended under the autoscaler": (
        lambda s: not (cluster(s)["enableInTreeAutoscaling"] and any(g.get("suspend") for g in groups(s))),
        lambda s: worker(s).update(suspend=True),
    ),
    "the autoscaler's version is said once": (
        lambda s: not ("version" in options(s) and V2 in environment(rays(head(s)))),
        lambda s: rays(head(s)).update(env=[{"name": V2, "value": "0"}]),
    ),
    "with v2 pods do not restart": (
        lambda s: (
            options(s)["version"] == "v1"
            or all(g["template"]["spec"].get("restartPolicy", "Never") == "Never" for g in groups(s))
        ),
        lambda s: (options(s).update(version="v2"), worker(s)["template"]["spec"].update(restartPolicy="Always")),
    ),
    "the cluster of a service has no upgrade of its own": (
        lambda s: "type" not in cluster(s).get("upgradeStrategy", {}),
        lambda s: cluster(s).update(upgradeStrategy={"type": "Recreate"}),
    ),
    "the service's upgrade is one of three": (
        lambda s: (
            s["spec"].get("upgradeStrategy", {}).get("type", "None")
            in ("None", "NewCluster", "NewClusterWithIncrementalUpgrade")
        ),
        lambda s: s["spec"].update(upgradeStrategy={"type": "Recreate"}),
    ),
    "the head's service has no name of ours": (
        lambda s: "name" not in head(s).get("headService", {}).get("metadata", {}),
        lambda s: head(s).update(headService={"metadata": {"name": "x"}}),
    ),
    "Redis is named in its own options": (
        lambda s: (
            not environment(rays(head(s))) & {"RAY_REDIS_ADDRESS", "REDIS_USERNAME"}
            and "redis-username" not in head(s)["rayStartParams"]
        ),
        lambda s: rays(head(s)).update(env=[{"name": "RAY_REDIS_ADDRESS", "value": "x"}]),
    ),
    "no feature that is off unless its gate is opened": (
        lambda s: not {"historyServerOptions", "networkPolicy", "tlsOptions"} & set(cluster(s)),
        lambda s: cluster(s).update(networkPolicy={}),
    ),
    "no tokens of Kubernetes: only a plain cluster takes them": (
        lambda s: not cluster(s).get("authOptions", {}).get("enableK8sTokenAuth"),
        lambda s: cluster(s).update(authOptions={"enableK8sTokenAuth": True, "mode": "token"}),
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_operator_has_nothing_to_refuse(service: Manifest, rule: str) -> None:
    kept, damage = RULES[rule]
    assert kept(service)
    broken = copy.deepcopy(service)
    damage(broken)
    assert [name for name, (still, _) in RULES.items() if not still(broken)] == [rule]


@pytest.mark.parametrize("name", ["1b", "m" * (NAME_LENGTH + 1)])
def test_a_folder_whose_name_kuberay_refuses_is_said_before(tmp_path: Path, name: str) -> None:
    write_properties(tmp_path / name / "serving.properties", {"option.tensor_parallel_degree": 2})
    (tmp_path / name / "model.py").touch()
    with pytest.raises(FolderError, match="Rename the folder"):
        ray_service(Settings(), ModelFolder(tmp_path / name))
    taken = tmp_path / name.replace("1b", "one")[:NAME_LENGTH]
    (tmp_path / name).rename(taken)
    assert ray_service(Settings(), ModelFolder(taken))


def test_nobody_in_the_workers_pod_listens_on_anothers_port(service: Manifest) -> None:
    """KubeRay gives Ray's metrics the model server's port, unless told otherwise."""
    ray, djl = worker(service)["template"]["spec"]["containers"]
    parameters = worker(service)["rayStartParams"]
    serve = yaml.safe_load(service["spec"]["serveConfigV2"])
    server = {one["name"]: one.get("value", "") for one in djl["env"]}
    ports = [
        int(parameters.get("metrics-export-port", catalog.kuberay_facts().metrics_port)),
        int(parameters.get("dashboard-agent-listen-port", 52365)),
        serve["http_options"]["port"],
        *(int(server[f"SERVING_{part}_ADDRESS"].rpartition(":")[2]) for part in ("INFERENCE", "MANAGEMENT")),
    ]
    assert len(set(ports)) == len(ports), ports
    # By this name KubeRay sees that a port is there; else it writes its own.
    assert ray["ports"] == [{"name": "metrics", "containerPort": METRICS_PORT}]
    assert ports[0] == METRICS_PORT
    assert not any(10002 <= port <= 19999 for port in ports)  # `ray start`: where its workers listen


def test_a_model_server_that_ends_is_started_again_in_its_place(service: Manifest) -> None:
    """With the autoscaler's v2 KubeRay writes restartPolicy Never into both pods."""
    assert options(service)["version"] == "v1"
    assert all("restartPolicy" not in group["template"]["spec"] for group in groups(service))


READ = """
import json, sys
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr as derive
from ray.serve.schema import ServeDeploySchema
import yaml
service = json.load(sys.stdin)
cluster = {"metadata": service["metadata"], "spec": service["spec"]["rayClusterConfig"]}
found = derive(cluster)
(application,) = ServeDeploySchema(**yaml.safe_load(service["spec"]["serveConfigV2"])).applications
print(json.dumps([found["available_node_types"], found["idle_timeout_minutes"], application.import_path]))
"""


def test_rays_autoscaler_and_serve_read_the_manifest(service: Manifest, scale_environment: None) -> None:
    """Their own code, of the pinned release: what the autoscaler counts of a pod that is not there yet."""
    words = [environment_python(), "-c", READ]
    done = subprocess.run(words, input=json.dumps(service), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    types, idle_minutes, import_path = json.loads(done.stdout.splitlines()[-1])
    assert idle_minutes == 10
    assert import_path == "inf2lab.scale.ray.app:build"
    assert (types["neuron"]["min_workers"], types["neuron"]["max_workers"]) == (1, 7)
    memory = 2**30
    assert types["neuron"]["resources"] == {"CPU": 0, "memory": 2 * memory, "neuron_cores": 8}
    assert types["headgroup"]["resources"] == {"CPU": 0, "memory": 8 * memory}
