"""inf2lab.folder's containers: docker run, compose, Kubernetes, SageMaker and .env say the same in their own words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inf2lab.errors import FolderError
from inf2lab.folder import Container, containers_in, variables_of

IMAGE = "deepjavalibrary/djl-serving:0.25.0-pytorch-inf2"
WANTED = {"OPTION_MODEL_ID": "gpt2", "OPTION_N_POSITIONS": "512"}
FILES = {
    "run.sh": f"""\
MODEL=gpt2
docker run --device /dev/neuron0 --device /dev/neuron1 -v $PWD/models:/opt/ml/model \\
  -e OPTION_MODEL_ID=$MODEL \\
  -e OPTION_N_POSITIONS=${{POSITIONS:-512}} {IMAGE}
""",
    "compose.yaml": f"""\
x-common: &common
  OPTION_MODEL_ID: gpt2
services:
  proxy:
    image: nginx
  model:
    image: {IMAGE}
    devices: [/dev/neuron0, "/dev/neuron1:/dev/neuron1"]
    volumes: ["./models:/opt/ml/model:ro"]
    environment:
      <<: *common
      OPTION_N_POSITIONS: 512
""",
    "deployment.yaml": f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: options}}
data:
  OPTION_N_POSITIONS: "512"
---
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      containers:
        - name: model
          image: {IMAGE}
          env:
            - name: OPTION_MODEL_ID
              value: gpt2
          envFrom:
            - configMapRef: {{name: options}}
          resources:
            limits: {{aws.amazon.com/neuron: 2}}
          volumeMounts:
            - mountPath: /opt/ml/model
""",
    "model.json": f"""\
{{"ModelName": "m", "PrimaryContainer": {{
  "Image": "{IMAGE}",
  "Environment": {{
    "OPTION_MODEL_ID": "gpt2",
    "OPTION_N_POSITIONS": "512"
  }}}}}}
""",
    "deploy.py": """\
from sagemaker import Model
model = Model(image_uri=image, role=role, env={
    "OPTION_MODEL_ID": "gpt2",
    "OPTION_N_POSITIONS": 512,
})
""",
    "prod.env": "# the model\nOPTION_MODEL_ID=gpt2\nOPTION_N_POSITIONS=512\n",
}
LINES = {
    "run.sh": (3, 4),
    "compose.yaml": (2, 12),
    "deployment.yaml": (16, 5),
    "model.json": (4, 5),
    "deploy.py": (3, 4),
    "prod.env": (2, 3),
}


def serving(file: str, text: str) -> Container:
    """The one container of a file that may be DJLServing's."""
    (found,) = (one for one in containers_in(file, text) if one.serves)
    return found


@pytest.mark.parametrize("file", FILES)
def test_every_kind_of_file_gives_the_same_variables_each_with_its_line(file: str) -> None:
    found = serving(file, FILES[file])
    assert found.env == WANTED
    assert {each.name: each.line for each in found.variables} == dict(zip(WANTED, LINES[file], strict=True))
    assert all(each.known and each.file == file for each in found.variables)


@pytest.mark.parametrize("file", ["run.sh", "compose.yaml", "deployment.yaml"])
def test_devices_are_those_that_are_passed(file: str) -> None:
    found = serving(file, FILES[file])
    assert found.visible(6) == (0, 1)
    assert any(value.split(":")[1] == "/opt/ml/model" for value in found.all("volume"))


@pytest.mark.parametrize("text", ["docker run --privileged djl", "docker run -d --privileged=true -e A=1 djl"])
def test_a_privileged_container_sees_every_device(text: str) -> None:
    found = serving("run.sh", text)
    assert found.visible(6) == tuple(range(6))
    assert found.image == "djl"


def test_cores_of_a_kubernetes_pod_are_whole_devices() -> None:
    text = FILES["deployment.yaml"].replace("neuron: 2", "neuroncore: 3")
    assert serving("deployment.yaml", text).visible(6) == (0, 1)


@pytest.mark.parametrize("text", ["docker run -e OPTION_DTYPE djl", "docker run -e OPTION_DTYPE=$(choose) djl"])
def test_a_value_from_elsewhere_is_not_guessed(text: str) -> None:
    (variable,) = serving("run.sh", text).variables
    assert not variable.known


def test_a_file_of_variables_is_read_beside_the_script(tmp_path: Path) -> None:
    (tmp_path / "prod.env").write_text(FILES["prod.env"])
    (tmp_path / "run.sh").write_text(f"docker run --env-file prod.env {IMAGE}\n")
    found = variables_of([tmp_path / "run.sh"])
    assert {each.name: each.value for each in found} == WANTED
    assert {each.file for each in found} == {"prod.env"}


def test_two_containers_with_other_variables_are_not_one_plan(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("docker run -e OPTION_DTYPE=fp16 djl\ndocker run -e OPTION_DTYPE=bf16 djl\n")
    with pytest.raises(FolderError, match=r"run\.sh: 2 containers with other variables each"):
        variables_of([tmp_path / "run.sh"])


@given(st.text(max_size=120), st.sampled_from(list(FILES)))
def test_no_file_stops_the_reader(text: str, file: str) -> None:
    containers_in(file, FILES[file] + text)
    containers_in(file, text)
