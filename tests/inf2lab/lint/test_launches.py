"""Launch files of the servers that came after: linted without a model folder, generated and hand-written ones alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inf2lab import Settings, migrate
from inf2lab.errors import FolderError
from inf2lab.lint import Target, lint_paths
from inf2lab.lint.runner import Report

IMAGE = "neuron/pytorch-inference-vllm-neuronx:0.16.0-neuronx-py312-sdk2.31.1-ubuntu24.04"
LLAMA = (
    "engine=Python\noption.entryPoint=djl_python.transformers_neuronx\noption.model_id=meta-llama/Llama-2-7b-hf\n"
    "option.tensor_parallel_degree=8\noption.rolling_batch=auto\noption.max_rolling_batch_size=4\n"
    "option.n_positions=2048\noption.dtype=bf16\noption.quantize=static_int8\noption.fuse_qkv=true\n"
)
COMPOSE = f"""services:
  llm:
    image: {IMAGE}
    command: >-
      vllm serve /model --tensor-parallel-size=8 --device neuron
      --additional-config '{{"override-neuron-config": {{}}}}' --port 8080
    devices: ["/dev/neuron0:/dev/neuron0"]
    volumes: ["./model:/model:ro"]
"""
POD = f"""apiVersion: v1
kind: Pod
metadata: {{name: llm}}
spec:
  containers:
    - name: server
      image: {IMAGE}
      command: [vllm, serve]
      args: [/model, --max-num-seqs, "4", --num-gpu-blocks-override, "16", --no-enable-prefix-caching]
      resources: {{limits: {{aws.amazon.com/neuron: 1}}}}
      volumeMounts: [{{name: model, mountPath: /model, readOnly: true}}]
"""


def linted(path: Path, text: str, instance: str = "inf2.48xlarge") -> Report:
    path.write_text(text)
    (report,) = lint_paths([path], Target(instance=instance))
    return report


def found(report: Report) -> dict[str, str]:
    return {finding.rule: finding.message for finding in report.findings}


def test_a_compose_file_is_linted_alone(tmp_path: Path) -> None:
    report = linted(tmp_path / "compose.yaml", COMPOSE)
    assert found(report) == {
        "W001": "`--device` ended with vLLM 0.10.2, and the image has 0.16.0",
        "W002": "`override-neuron-config` is a key that the plugin does not read",
        "W005": "NEURON_COMPILED_ARTIFACTS is not set, and /model is read-only: nothing can be compiled",
        "W006": "degree 8 on the 2 cores of 1 device",
    }
    assert {finding.line for finding in report.findings if finding.rule in ("W001", "W006")} == {5}


def test_a_manifest_is_linted_alone(tmp_path: Path) -> None:
    said = found(linted(tmp_path / "pod.yaml", POD))
    assert said["W004"] == "16 blocks for 4 rows: without prefix caching a row is one block"
    assert "read-only" in said["W005"]


def test_a_command_that_nobody_puts_into_a_container_is_judged_as_far_as_its_version_is_not_asked(
    tmp_path: Path,
) -> None:
    words = """vllm serve m --dtype=f16 --additional-config '{"override_neuron_config": {"fuse_qkv": 1}}'\n"""
    said = found(linted(tmp_path / "start.sh", f"#!/bin/sh\nexport A=1\n{words}"))
    assert set(said) == {"W003", "W007"}


def test_what_a_shell_is_given_as_one_text_is_read_too(tmp_path: Path) -> None:
    whole = POD.replace("command: [vllm, serve]", "command: [/bin/sh, -c]")
    words = "exec vllm serve /model --device neuron --port 8080"
    at = whole.index("args:")
    text = f"{whole[:at]}args: ['{words}']\n" + whole[whole.index("      resources") :]
    assert {"W001", "W005"} <= set(found(linted(tmp_path / "pod.yaml", text)))
    run = f"docker run --device=/dev/neuron0 {IMAGE} bash -lc 'vllm serve m --tensor-parallel-size 4'\n"
    assert found(linted(tmp_path / "start.sh", run))["W006"] == "degree 4 on the 2 cores of 1 device"


def test_lmi_s_image_for_gpus_is_still_wrong_for_a_neuron_folder(tmp_path: Path) -> None:
    folder = tmp_path / "opt13b"
    folder.mkdir()
    (folder / "serving.properties").write_text(LLAMA)
    (folder / "run.sh").write_text(
        "docker run --device /dev/neuron0 -v $PWD:/opt/ml/model djl-inference:0.36.0-lmi20.0.0-cu128-v1.0\n"
    )
    (report,) = lint_paths([folder], Target("lmi-0.30"))
    assert "S007" in found(report)


def test_the_old_fork_s_flags_are_right_for_the_old_fork(tmp_path: Path) -> None:
    old = IMAGE.replace("0.16.0-neuronx-py312-sdk2.31.1-ubuntu24.04", "0.9.1-neuronx-py311-sdk2.26.1-ubuntu22.04")
    run = f"docker run --privileged -e NEURON_COMPILED_ARTIFACTS=/a {old} vllm serve m --device neuron --port 8080"
    settings = """ --override-neuron-config '{"fused_qkv": true, "sequence_lenght": 1}'\n"""
    assert set(found(linted(tmp_path / "start.sh", run + settings))) == {"W003"}


def test_an_unlisted_tag_of_the_repository_still_says_its_vllm(tmp_path: Path) -> None:
    run = (
        "docker run registry.example/neuron/pytorch-inference-vllm-neuronx:0.13.0-neuronx-py312-sdk2.28.9 vllm serve m"
    )
    assert found(linted(tmp_path / "start.sh", f"{run} --task generate\n"))["W001"].endswith("has 0.13.0")


@pytest.mark.parametrize("to", ["vllm-nxdi", "optimum", "lmi-vllm"])
@pytest.mark.parametrize(
    "tag", ["", "0.9.1-neuronx-py311-sdk2.26.1-ubuntu22.04", "0.16.0-neuronx-py312-sdk2.31.1-ubuntu24.04"]
)
def test_what_is_generated_is_clean(tmp_path: Path, to: str, tag: str) -> None:
    folder = tmp_path / "llama"
    folder.mkdir()
    (folder / "serving.properties").write_text(LLAMA)
    made = migrate(folder, to=to, image=tag if to == "vllm-nxdi" else "", settings=Settings(profile="lmi-0.30"))
    out = tmp_path / "out"
    made.write(out)
    reports = lint_paths([out / name for name in ("command.sh", "compose.yaml", "kubernetes.yaml")])
    assert [str(finding) for report in reports for finding in report.findings] == []
    assert len(reports) == 3


def test_a_folder_of_launch_files_is_no_model_folder(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "notes.json").write_text(json.dumps({"a": 1}))
    (report,) = lint_paths([tmp_path])
    assert report.folder == tmp_path
    assert not report.ok


def test_what_starts_nothing_still_wants_a_folder(tmp_path: Path) -> None:
    (tmp_path / "other.sh").write_text("echo vllm\n")
    with pytest.raises(FolderError, match="name a model folder"):
        lint_paths([tmp_path / "other.sh"])
    with pytest.raises(FolderError, match="nothing says what to serve"):
        lint_paths([tmp_path])


def test_beside_a_model_folder_a_successor_s_container_is_not_judged_as_djlserving_s(tmp_path: Path) -> None:
    folder = tmp_path / "opt13b"
    folder.mkdir()
    (folder / "serving.properties").write_text(LLAMA)
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (report,) = lint_paths([folder, tmp_path / "compose.yaml"], Target("lmi-0.30"))
    assert {finding.rule for finding in report.findings if finding.rule[0] == "S"} == set()
    assert {"W001", "W002"} <= set(found(report))
