"""The manifests: valid for the published schemas, right where schemas are blind, and one with the folder."""

from __future__ import annotations

import copy
import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

import write_manifests
from inf2lab import ModelFolder, Settings, catalog, write_properties
from inf2lab.cli import app
from inf2lab.errors import FolderError, LabError, ServerError, SettingsError
from inf2lab.scale.kubernetes import deployment as target
from inf2lab.scale.kubernetes.deployment import HELM_VALUES, Deployment, render
from inf2lab.scale.kubernetes.text import Document, as_text
from inf2lab.scale.kubernetes.values import READY

if TYPE_CHECKING:
    from conftest import Listen

DEVICE = "aws.amazon.com/neuron"
VERSION = "1.34"
SCHEMAS = json.loads((Path(__file__).parent / "karpenter.schema.json").read_text())
OWN_KINDS = {"NodePool", "EC2NodeClass"}
OPTIONS = {"engine": "Python", "option.model_id": "facebook/opt-13b", "option.tensor_parallel_degree": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The default rendering, of the folder that notebook 04 writes."""
    return write_manifests.committed(tmp_path_factory.mktemp("store"))


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[..., ModelFolder]:
    """A folder of OPT-13B with options: folder_of(tensor_parallel_degree=8)."""

    def make(**options: object) -> ModelFolder:
        path = tmp_path / "opt13b"
        named = {f"option.{name}": value for name, value in options.items()}
        write_properties(path / "serving.properties", OPTIONS | named)
        return ModelFolder(path)

    return make


FILLED: list[Any] = []  # the rendering that was looked at last, and its documents


def documents(made: Deployment) -> list[Document]:
    """What a rendering holds of Kubernetes' objects, filled in once."""
    if not FILLED or FILLED[0] is not made:
        left_out = {HELM_VALUES, "kustomization.yaml", "karpenter/kustomization.yaml"}
        FILLED[:] = made, [each for name, part in made.documents().items() if name not in left_out for each in part]
    return FILLED[1]


def read_back(filled: list[Document]) -> list[dict[str, Any]]:
    """Objects as their text has them, by the parser in C where there is one."""
    return list(yaml.load_all(as_text(filled), getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def one(made: Deployment, kind: str) -> dict[str, Any]:
    """The object of a kind, as its text has it."""
    (found,) = read_back([each for each in documents(made) if each.body["kind"] == kind])
    return found


def pod_of(made: Deployment) -> dict[str, Any]:
    return one(made, "Deployment")["spec"]["template"]["spec"]


def container_of(made: Deployment) -> dict[str, Any]:
    (container,) = pod_of(made)["containers"]
    return container


def validate(each: dict[str, Any]) -> None:
    """Raise if the published schema of a kind, or our own of Karpenter's, refuses it."""
    if each["kind"] in OWN_KINDS:
        jsonschema.validate(each, SCHEMAS[each["kind"]])
    else:
        kubernetes_validate.validate(each, VERSION, strict=True)


def test_the_committed_files_are_the_rendering(made: Deployment) -> None:
    target = write_manifests.TARGET
    stale = [name for name, data in made.files().items() if (target / name).read_bytes() != data]
    assert stale == [], "run `python tools/pages/write_manifests.py`"
    there = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert there - set(made.files()) == {"README.md"}


def test_every_object_is_valid(made: Deployment) -> None:
    kinds = []
    for each in read_back(documents(made)):
        validate(each)
        kinds.append(each["kind"])
    assert kinds == [
        "Namespace",
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "NodePool",
        "EC2NodeClass",
    ]


def container_in(deployment: dict[str, Any]) -> dict[str, Any]:
    return deployment["spec"]["template"]["spec"]["containers"][0]


BROKEN: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "a probe's name": ("Deployment", lambda o: container_in(o).update(readynessProbe={})),
    "a number as text": ("Deployment", lambda o: o["spec"].update(replicas="one")),
    "no selector": ("Deployment", lambda o: o["spec"].pop("selector")),
    "no maximum": ("HorizontalPodAutoscaler", lambda o: o["spec"].pop("maxReplicas")),
    "an unknown policy": ("NodePool", lambda o: o["spec"]["disruption"].update(consolidationPolicy="Always")),
    "no consolidateAfter": ("NodePool", lambda o: o["spec"]["disruption"].pop("consolidateAfter")),
    "no limit": ("NodePool", lambda o: o["spec"].pop("limits")),
    "no such reason": ("NodePool", lambda o: o["spec"]["disruption"]["budgets"][0].update(reasons=["Old"])),
    "metadata for everybody": ("EC2NodeClass", lambda o: o["spec"]["metadataOptions"].update(httpTokens="optional")),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_refused(made: Deployment, case: str) -> None:
    kind, damage = BROKEN[case]
    found = copy.deepcopy(one(made, kind))
    damage(found)
    with pytest.raises((kubernetes_validate.ValidationError, jsonschema.ValidationError)):
        validate(found)


def test_kustomize_finds_every_file_and_the_folder_arrives_byte_for_byte(made: Deployment) -> None:
    files = made.files()
    kustomization = yaml.safe_load(files["kustomization.yaml"])
    assert set(kustomization["resources"]) < set(files)
    (generator,) = kustomization["configMapGenerator"]
    volumes = {volume["name"]: volume for volume in pod_of(made)["volumes"]}
    assert generator["name"] == volumes["folder"]["configMap"]["name"]
    assert generator["namespace"] == one(made, "Deployment")["metadata"]["namespace"]
    carried = {Path(name).name: files[name] for name in generator["files"]}
    folder = made.replica.folder
    assert carried == {path.name: path.read_bytes() for path in folder.path.iterdir()}
    mounts = [mount for mount in container_of(made)["volumeMounts"] if mount["name"] == "folder"]
    assert all(mount["readOnly"] for mount in mounts)
    assert {mount["mountPath"] for mount in mounts} == {f"/opt/ml/model/{folder.name}/{name}" for name in carried}


@pytest.mark.parametrize(
    ("degree", "copies", "instance", "devices"),
    [(2, 1, "inf2.48xlarge", 1), (8, 1, "inf2.24xlarge", 4), (8, 3, "inf2.48xlarge", 12), (1, 1, "inf2.xlarge", 1)],
)
def test_devices_follow_the_folders_degree(
    folder_of: Callable[..., ModelFolder], degree: int, copies: int, instance: str, devices: int
) -> None:
    folder = folder_of(tensor_parallel_degree=degree)
    made = render(Settings(instance=instance, copies=copies), folder)
    resources = container_of(made)["resources"]
    assert resources["requests"][DEVICE] == resources["limits"][DEVICE] == str(devices)
    assert (pod_of(made).get("schedulerName") == "my-scheduler") == (devices > 1)
    assert yaml.safe_load(made.files()[HELM_VALUES])["scheduler"]["enabled"] == (devices > 1)


def test_a_nodes_replicas_fit_on_it_with_room_for_its_own_services(folder_of: Callable[..., ModelFolder]) -> None:
    for hardware in catalog.instances().values():
        if hardware.family != "inf2":
            continue
        made = render(Settings(instance=hardware.name), folder_of())
        asked = container_of(made)["resources"]["requests"]
        count = made.placement.replicas
        assert 0 < count * int(asked["cpu"]) < hardware.vcpus
        assert 0 < count * int(asked["memory"].removesuffix("Gi")) < hardware.host_gib


def test_degrees_that_waste_cores_are_said(folder_of: Callable[..., ModelFolder]) -> None:
    placements = {p.instance: p for p in render(Settings(), folder_of(tensor_parallel_degree=8)).replica.placements()}
    assert (placements["inf2.24xlarge"].replicas, placements["inf2.24xlarge"].idle_cores) == (1, 4)
    assert (placements["inf2.48xlarge"].replicas, placements["inf2.48xlarge"].idle_cores) == (3, 0)
    assert "wastes 4 of 12 cores" in str(placements["inf2.24xlarge"])
    assert "does not fit" in str(placements["inf2.xlarge"])


def test_a_server_fills_the_cores_of_its_devices(folder_of: Callable[..., ModelFolder]) -> None:
    """A device has two cores: at degree 1 the server starts a second worker on it, at degree 3 a core is left."""
    made = render(Settings(), folder_of(tensor_parallel_degree=1))
    assert (made.replica.workers, made.placement.replicas, made.placement.idle_cores) == (2, 12, 0)
    spec = one(made, "HorizontalPodAutoscaler")["spec"]
    assert spec["metrics"][0]["external"]["target"]["averageValue"] == "4"
    made = render(Settings(), folder_of(tensor_parallel_degree=3))
    assert (made.replica.workers, made.placement.replicas, made.placement.idle_cores) == (1, 6, 6)


@pytest.mark.parametrize(("seconds", "copies"), [(240, 1), (1200, 1), (3607, 1), (600, 3)])
def test_nothing_kills_a_loading_model(folder_of: Callable[..., ModelFolder], seconds: int, copies: int) -> None:
    folder = folder_of(model_loading_timeout=seconds, predict_timeout=300)
    made = render(Settings(copies=copies), folder)
    container, pod = container_of(made), pod_of(made)
    startup = container["startupProbe"]
    patience = startup["periodSeconds"] * startup["failureThreshold"]
    # Workers load one after the other; the server gives up first, and says why.
    assert copies * seconds < patience <= copies * seconds + 80
    # Kubernetes holds the other probes back until the startup probe has succeeded; the port outlives a worker.
    assert set(container["livenessProbe"]) & {"httpGet", "exec", "tcpSocket"} == {"tcpSocket"}
    values = {each["name"]: each.get("value") for each in container["env"]}
    assert (values["MODEL_LOADING_TIMEOUT"], values["PREDICT_TIMEOUT"]) == (str(seconds), "300")
    # A request that still came when the pod was already ending has its whole time; then the server has some to end.
    drained = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 300 + 10 <= drained <= pod["terminationGracePeriodSeconds"] - 10
    assert one(made, "Deployment")["spec"]["progressDeadlineSeconds"] > patience


def test_the_pod_has_no_rights_and_management_stays_on_loopback(made: Deployment) -> None:
    pod, container = pod_of(made), container_of(made)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == 1000
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    values = {each["name"]: each.get("value") for each in container["env"]}
    assert values["SERVING_MANAGEMENT_ADDRESS"] == "http://127.0.0.1:8081"
    assert [port["containerPort"] for port in container["ports"]] == [8080]
    assert [port["port"] for port in one(made, "Service")["spec"]["ports"]] == [8080]
    (rule,) = one(made, "NetworkPolicy")["spec"]["ingress"]
    assert [port["port"] for port in rule["ports"]] == [8080]


def test_selectors_find_the_pods(made: Deployment) -> None:
    labels = one(made, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert one(made, "Deployment")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert one(made, "Service")["spec"]["selector"].items() <= labels.items()
    assert one(made, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert one(made, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    scaled = one(made, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (scaled["kind"], scaled["name"]) == ("Deployment", one(made, "Deployment")["metadata"]["name"])


def test_the_pod_goes_where_karpenters_nodes_are(made: Deployment) -> None:
    pool, pod = one(made, "NodePool")["spec"], pod_of(made)
    (taint,) = pool["template"]["spec"]["taints"]
    assert taint["key"] in [toleration["key"] for toleration in pod["tolerations"]]
    wanted = {row["key"]: row["values"] for row in pool["template"]["spec"]["requirements"]}
    for key, value in pod["nodeSelector"].items():
        assert wanted[key] == [value]
    assert int(pool["limits"][DEVICE]) == 12  # 6 replicas and one more of one device each: one instance
    assert one(made, "EC2NodeClass")["metadata"]["name"] == pool["template"]["spec"]["nodeClassRef"]["name"]


@pytest.mark.parametrize(("profile", "hops", "rules"), [("djl-0.25", 1, 2), ("seed-0.21", 2, 3)])
def test_only_a_release_that_asks_instance_metadata_reaches_it(
    folder_of: Callable[..., ModelFolder], profile: str, hops: int, rules: int
) -> None:
    made = render(Settings(profile=profile), folder_of())
    assert one(made, "EC2NodeClass")["spec"]["metadataOptions"]["httpPutResponseHopLimit"] == hops
    assert len(one(made, "NetworkPolicy")["spec"]["egress"]) == rules
    assert container_of(made)["image"] == catalog.profile(profile).image


def test_weights_on_s3_are_read_with_the_pods_own_identity(folder_of: Callable[..., ModelFolder]) -> None:
    """EKS hands out credentials at a link-local address, which the policy closes to everything else."""
    made = render(Settings(), folder_of(model_id="s3://weights/opt-13b/"))
    egress = one(made, "NetworkPolicy")["spec"]["egress"]
    assert egress[-1] == {
        "to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}],
        "ports": [{"protocol": "TCP", "port": 80}],
    }
    assert len(egress) == 3


def test_nobody_sets_the_autoscalers_number_back(made: Deployment) -> None:
    """Applied again, a manifest with a number of replicas takes all but those away, whatever the load is."""
    assert "replicas" not in one(made, "Deployment")["spec"]


def test_a_node_with_pods_is_not_moved_for_a_new_image(made: Deployment) -> None:
    disruption = one(made, "NodePool")["spec"]["disruption"]
    allowed = {reason: row["nodes"] for row in disruption["budgets"] for reason in row["reasons"]}
    assert allowed == {"Drifted": "0", "Empty": "100%"}
    assert disruption["consolidationPolicy"] == "WhenEmpty"


@pytest.mark.parametrize("profile", catalog.profiles())
def test_a_node_s_driver_goes_with_the_container_and_stays(profile: str, folder_of: Callable[..., ModelFolder]) -> None:
    """The newest machine image has a driver that refuses the container's runtime, and an expiry would bring it."""
    made, image = render(Settings(profile=profile), folder_of()), catalog.kubernetes_facts().machine_image
    assert one(made, "EC2NodeClass")["spec"]["amiSelectorTerms"] == [{"alias": image.alias}]
    assert "latest" not in image.alias
    assert catalog.accepted_drivers(catalog.profile(profile).runtime).accepts(image.driver)
    assert one(made, "NodePool")["spec"]["template"]["spec"]["expireAfter"] == "Never"
    said = " ".join(made.files()["karpenter/nodes.yaml"].decode().replace("# ", "").split())
    assert f"for Kubernetes {image.kubernetes[0]} to {image.kubernetes[1]}:" in said


def test_the_page_names_the_clusters_that_the_pinned_image_was_made_for(root: Path) -> None:
    first, last = catalog.kubernetes_facts().machine_image.kubernetes
    assert f"({first} to {last})" in (root / "deploy" / "kubernetes" / "README.md").read_text()


@pytest.mark.parametrize(("degree", "copies"), [(1, 1), (2, 1), (8, 1), (8, 3), (24, 1)])
def test_a_nodes_disk_holds_what_its_pods_may_write(
    folder_of: Callable[..., ModelFolder], degree: int, copies: int
) -> None:
    """24 GiB of weights a pod, as much for each worker's split copy, and 16 for compilers and logs.

    A pod that asked for the weights alone was thrown out of its node in the middle of a load. A kubelet keeps a tenth
    of the disk and 1 GiB.
    """
    made = render(Settings(copies=copies), folder_of(tensor_parallel_degree=degree))
    pod = int(container_of(made)["resources"]["requests"]["ephemeral-storage"].removesuffix("Gi"))
    assert pod >= 23.9 * (1 + made.replica.workers) + 16
    (disk,) = one(made, "EC2NodeClass")["spec"]["blockDeviceMappings"]
    size = int(disk["ebs"]["volumeSize"].removesuffix("Gi"))
    assert made.placement.replicas * pod <= 0.9 * size - 1
    assert size >= made.placement.replicas * pod + catalog.kubernetes_facts().image_gib
    facts = catalog.cloud_facts()
    assert (disk["ebs"]["throughput"], disk["ebs"]["iops"]) == (facts.disk_mib_per_s, facts.disk_iops)


def test_downloads_of_a_pod_land_in_its_cache_volume(made: Deployment) -> None:
    """The image has places of its own for them in /tmp, which win over HF_HOME."""
    said = {one["name"]: one.get("value", "") for one in container_of(made)["env"]}
    assert {name for name in said if "CACHE" in name} == {"HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"}
    (cache,) = [mount["mountPath"] for mount in container_of(made)["volumeMounts"] if mount["name"] == "cache"]
    assert all(said[name].startswith(f"{cache}/") for name in said if "CACHE" in name or name == "HF_HOME")


def test_weights_and_programs_are_kept_on_a_claim_if_a_storage_class_is_named(
    folder_of: Callable[..., ModelFolder],
) -> None:
    """They lay in folders that end with the pod, so every pod downloaded and compiled again."""
    made = render(Settings(), folder_of(), storage_class="efs-sc")
    claim = one(made, "PersistentVolumeClaim")
    validate(claim)
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["storageClassName"] == "efs-sc"
    assert int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) >= 48
    assert "claim.yaml" in yaml.safe_load(made.files()["kustomization.yaml"])["resources"]
    volumes = {volume["name"]: volume for volume in pod_of(made)["volumes"]}
    for name in ("cache", "compiled"):
        assert volumes[name] == {"name": name, "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
    below = {mount["name"]: mount.get("subPath") for mount in container_of(made)["volumeMounts"]}
    assert (below["cache"], below["compiled"], below["scratch"]) == ("cache", "compiled", None)
    with pytest.raises(SettingsError, match="storage class's name"):
        render(Settings(), folder_of(), storage_class="EFS class")


def test_a_pod_whose_memory_cannot_hold_the_model_is_a_problem(folder_of: Callable[..., ModelFolder]) -> None:
    """A handler in f32 was let into pods of 54 GiB, and killed there again and again."""
    folder = folder_of(dtype="fp16")
    built_in = dict(target.summary(render(Settings(), folder)))
    assert built_in["problem"].startswith("a pod's 54 GiB cannot hold the 107 GiB that loading takes: option.low_cpu")
    loads = "AutoModelForCausalLM.from_pretrained(name, low_cpu_mem_usage=True{})\n"
    (folder.path / "serving.properties").write_text("option.model_id=facebook/opt-13b\noption.tensor_parallel_degree=2")
    folder.handler_path.write_text(loads.format(""))
    in_f32 = dict(target.summary(render(Settings(), folder)))
    assert in_f32["problem"].startswith("a pod's 54 GiB cannot hold the 59 GiB that loading takes: torch_dtype=")
    folder.handler_path.write_text(loads.format(', torch_dtype="auto"'))
    half = dict(target.summary(render(Settings(), folder)))
    assert half["memory"] == "54 GiB a pod; loading takes up to 35 GiB, read in f16"
    assert "problem" not in half


@pytest.mark.parametrize(
    ("options", "target"), [({}, "2"), ({"rolling_batch": "tnx", "max_rolling_batch_size": 8, "batch_size": 8}, "16")]
)
def test_the_autoscaler_counts_requests_as_the_server_takes_them(
    folder_of: Callable[..., ModelFolder], options: dict[str, object], target: str
) -> None:
    spec = one(render(Settings(), folder_of(**options), replicas=(2, 9)), "HorizontalPodAutoscaler")["spec"]
    assert spec["metrics"][0]["external"]["target"] == {"type": "AverageValue", "averageValue": target}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 9)


def test_the_price_is_that_of_whole_instances(folder_of: Callable[..., ModelFolder]) -> None:
    made = render(Settings(instance="inf2.24xlarge"), folder_of(tensor_parallel_degree=4), replicas=(1, 7))
    assert made.placement.replicas == 3
    assert made.usd_per_hour == (6.49, pytest.approx(3 * 6.49))
    assert made.device_limit == 18


@pytest.mark.parametrize(
    "choices",
    [{"namespace": "Bad Name"}, {"namespace": ""}, {"namespace": "x" * 64}, {"cluster": "a b"}, {"cluster": "-a"}],
)
def test_names_that_the_api_server_would_refuse_are_refused(
    folder_of: Callable[..., ModelFolder], choices: dict[str, str]
) -> None:
    assert "as in my-models" in refused(Settings(), folder_of(), SettingsError, **choices)


@pytest.mark.parametrize("namespace", ["default", "kube-system"])
def test_the_cluster_s_own_namespaces_are_not_labelled(folder_of: Callable[..., ModelFolder], namespace: str) -> None:
    assert "whose pods it would refuse" in refused(Settings(), folder_of(), SettingsError, namespace=namespace)


def test_more_replicas_than_kubernetes_counts_are_refused(folder_of: Callable[..., ModelFolder]) -> None:
    assert "from 1 on" in refused(Settings(), folder_of(), SettingsError, replicas=(1, 2**31))


@pytest.mark.parametrize("name", ["7b", "_x", "a" * 64])
def test_a_folder_whose_name_makes_no_service_is_refused(tmp_path: Path, name: str) -> None:
    write_properties(tmp_path / name / "serving.properties", OPTIONS)
    assert "begin with a letter" in refused(Settings(), ModelFolder(tmp_path / name), FolderError)


def test_copies_that_jupyterlab_keeps_do_not_travel(folder_of: Callable[..., ModelFolder]) -> None:
    folder = folder_of()
    kept = folder.path / ".ipynb_checkpoints" / "serving-checkpoint.properties"
    kept.parent.mkdir()
    kept.write_text("engine=Python\n")
    assert sorted(render(Settings(), folder).replica.folder.contents()) == ["serving.properties"]
    (folder.path / "my notes.txt").write_text("x")
    assert "my notes.txt cannot travel" in refused(Settings(), folder, FolderError)


def refused(settings: Settings, folder: ModelFolder, error: type[LabError], **choices: Any) -> str:
    with pytest.raises(error) as caught:
        render(settings, folder, **choices)
    return str(caught.value)


def test_what_cannot_run_is_refused(folder_of: Callable[..., ModelFolder]) -> None:
    assert "needs 8 NeuronCores" in refused(
        Settings(instance="inf2.xlarge"), folder_of(tensor_parallel_degree=8), ServerError
    )
    assert "fewest first" in refused(Settings(), folder_of(), SettingsError, replicas=(3, 2))
    assert "for inf2" in refused(Settings(instance="trn1.32xlarge"), folder_of(), SettingsError)
    assert "write a number from 1 on, or max" in refused(Settings(), folder_of(tensor_parallel_degree=0), FolderError)
    assert "write a number" in refused(Settings(), folder_of(model_loading_timeout="long"), FolderError)


def test_weights_do_not_travel_with_the_folder(folder_of: Callable[..., ModelFolder]) -> None:
    folder = folder_of()
    (folder.path / "weights").mkdir()
    (folder.path / "weights" / "part.bin").write_bytes(b"1")
    assert "hub or s3://" in refused(Settings(), folder, FolderError)
    (folder.path / "weights" / "part.bin").unlink()
    (folder.path / "big.bin").write_bytes(bytes(1 << 21))
    assert "at most 1 MiB" in refused(Settings(), folder, FolderError)


@pytest.fixture
def described(listen: Listen) -> tuple[str, list[Any]]:
    """The address of a server that answers with what the list holds."""
    answer: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer[0]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            return

    return f"http://127.0.0.1:{listen(Handler).server_port}/models/opt13b", answer


@pytest.mark.parametrize(("workers", "code"), [(["READY"], 0), (["BUSY", "READY"], 0), (["FAILED"], 1), ([], 1)])
def test_readiness_reads_the_servers_own_description(
    described: tuple[str, list[Any]], workers: list[str], code: int
) -> None:
    url, answer = described
    group = {"device": {"deviceType": "nc"}, "workers": [{"id": 1, "status": status} for status in workers]}
    answer.append([{"workflowName": "opt13b", "models": [{"modelName": "opt13b", "workerGroups": [group]}]}])
    done = subprocess.run([sys.executable, "-c", READY, url], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr


def test_readiness_fails_while_nobody_listens(free_port: int) -> None:
    command = [sys.executable, "-c", READY, f"http://127.0.0.1:{free_port}/models/opt13b"]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_the_command_shows_writes_and_changes_nothing_in_the_folder(
    folder_of: Callable[..., ModelFolder], tmp_path: Path
) -> None:
    folder = folder_of(tensor_parallel_degree=8)
    before = folder.fingerprint()
    words = ["scale", "kubernetes", str(folder.path), "--instance", "inf2.24xlarge"]
    environment = {"COLUMNS": "300", "NO_COLOR": "1"}
    shown = CliRunner(env=environment).invoke(app, words)
    assert shown.exit_code == 0, shown.output
    assert "wastes 4 of 12 cores" in shown.output
    assert "6.49 to 38.94 USD/h" in shown.output
    done = CliRunner(env=environment).invoke(app, [*words, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    copied = ModelFolder(tmp_path / "out" / "opt13b")
    assert copied.fingerprint() == folder.fingerprint() == before
    bad = CliRunner(env=environment).invoke(app, ["scale", "kubernetes", str(tmp_path / "nowhere")])
    assert (bad.exit_code, bad.stderr.count("\n")) == (2, 1)


def test_a_folders_name_becomes_a_name_of_kubernetes(tmp_path: Path) -> None:
    path = tmp_path / "My_Model"
    write_properties(path / "serving.properties", OPTIONS)
    made = render(dataclasses.replace(Settings(), model_name="My_Model"), ModelFolder(path))
    assert made.name == "my-model"
    assert "/opt/ml/model/My_Model/serving.properties" in str(container_of(made)["volumeMounts"])
