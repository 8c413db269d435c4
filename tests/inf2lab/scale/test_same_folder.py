"""One model folder, four ways to run it: the same bytes everywhere, and the folder is left as it was."""

from __future__ import annotations

from pathlib import Path

import write_manifests
from inf2lab import Settings
from inf2lab.aws import Cloud, endpoint_request
from inf2lab.scale import ray_service
from inf2lab.scale.kubernetes.deployment import render
from inf2lab.scale.replica import Replica


def test_the_same_bytes_arrive_in_all_four_places(tmp_path: Path) -> None:
    folder = write_manifests.folder_of_the_notebook(tmp_path)
    before = folder.fingerprint()
    original = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    settings = Settings()
    replica = Replica(settings, folder)

    # one machine: `docker run` mounts the folder itself, to read
    assert replica.line.mounts[folder.path] == f"/opt/ml/model/{folder.name}:ro"
    # Ray on EKS
    (config_map,) = [d.body for d in ray_service(settings, folder) if d.body["kind"] == "ConfigMap"]
    assert {name: text.encode() for name, text in config_map["data"].items()} == original
    # Kubernetes
    files = render(settings, folder).files()
    assert {name: files[f"{folder.name}/{name}"] for name in original} == original
    # SageMaker
    request = endpoint_request(Cloud("us-east-2"), replica, bucket="b")
    puts = [call.parameters for call in request.calls if call.operation == "put_object"]
    assert {put["Key"].rpartition("/")[2]: put["Body"] for put in puts} == original

    assert folder.fingerprint() == before


def test_degree_image_and_timeouts_agree_in_all_of_them(tmp_path: Path) -> None:
    folder = write_manifests.folder_of_the_notebook(tmp_path)
    replica = Replica(Settings(), folder)
    docker = replica.line.environment
    (deployment,) = [d.body for d in render(Settings(), folder).documents()["deployment.yaml"]]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    there = {each["name"]: each.get("value") for each in container["env"]}
    assert {name: there[name] for name in docker} == docker
    assert container["image"] == replica.image == Settings().stack.image
    assert container["resources"]["limits"]["aws.amazon.com/neuron"] == str(len(replica.line.devices))
