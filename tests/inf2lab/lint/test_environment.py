"""Configuration by environment in the linter: merged with the file, and each finding stands where the value does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Lint

IMAGE = "deepjavalibrary/djl-serving:0.25.0-pytorch-inf2"
RUN = f"""\
docker run -d --device /dev/neuron0 -p 127.0.0.1:8080:8080 \\
  -e OPTION_MODEL_ID=meta-llama/Llama-2-13b-hf \\
  -e OPTION_ENTRYPOINT=djl_python.transformers-neuronx \\
  -e OPTION_TENSOR_PARALLEL_DEGREE=24 \\
  -e OPTION_N_POSITIONS=8192 \\
  -e OPTION_DTYPE=f16 \\
  -v $PWD/models:/opt/ml/model:ro {IMAGE}
"""
COMPOSE = f"""\
services:
  model:
    image: {IMAGE}
    devices: [/dev/neuron0]
    ports: ["127.0.0.1:8080:8080"]
    volumes: ["./models:/opt/ml/model:ro"]
    environment:
      OPTION_MODEL_ID: facebook/opt-1.3b
      OPTION_DTYPE: f16
      OPTION_N_POSITIONS: 4096
"""
BUILT_IN = "engine=Python\noption.entryPoint=djl_python.transformers_neuronx\n"


def places(lint_files: Lint, files: dict[str, str], profile: str = "djl-0.25") -> dict[str, set[tuple[str, int]]]:
    """Where each rule finds something."""
    found: dict[str, set[tuple[str, int]]] = {}
    for finding in lint_files(files, profile, "inf2.48xlarge", "m").findings:
        found.setdefault(finding.rule, set()).add((finding.file, finding.line))
    return found


def test_what_a_docker_command_gives_is_judged_where_it_stands(lint_files: Lint) -> None:
    found = places(lint_files, {"serving.properties": "engine=Python\n", "run.sh": RUN})
    assert found["E001"] == {("run.sh", 3)}
    assert found["O002"] == {("run.sh", 5)}
    assert found["D001"] == {("run.sh", 6)}
    assert found["S002"] == {("run.sh", 1)}
    assert found.keys().isdisjoint({"I003", "O001", "K001", "K002", "K006"})


def test_a_finding_calls_the_variable_by_its_name(lint_files: Lint) -> None:
    files = {"serving.properties": BUILT_IN, "run.sh": RUN.replace("N_POSITIONS=8192", "N_POSITIONS=long")}
    said = [f.message for f in lint_files(files, name="m").findings if f.rule == "V001"]
    assert said == ["`OPTION_N_POSITIONS` is `long`, not a whole number"]


def test_a_compose_file_of_the_folder_is_read_with_it(lint_files: Lint) -> None:
    found = places(lint_files, {"serving.properties": BUILT_IN, "docker-compose.yml": COMPOSE})
    assert found["D001"] == {("docker-compose.yml", 9)}
    assert found["O002"] == {("docker-compose.yml", 10)}


def test_the_file_wins_and_the_variable_is_said_to_have_no_effect(lint_files: Lint) -> None:
    text = BUILT_IN + "option.model_id=facebook/opt-1.3b\noption.dtype=fp16\noption.n_positions=2048\n"
    found = places(lint_files, {"serving.properties": text, "docker-compose.yml": COMPOSE})
    assert found["K006"] == {("docker-compose.yml", 9), ("docker-compose.yml", 10)}
    assert found.keys().isdisjoint({"D001", "O002"})


def test_options_by_environment_do_nothing_before_0_24(lint_files: Lint) -> None:
    old = "option.entryPoint=djl_python.transformer-neuronx\noption.model_loading_timeout=1200\n"
    found = places(lint_files, {"serving.properties": old, "run.sh": RUN.replace("0.25", "0.21")}, "seed-0.21")
    assert found["K006"] == {("run.sh", line) for line in (2, 3, 4, 5, 6)}
    assert found.keys().isdisjoint({"D001", "O002", "T001"})


def test_each_of_two_commands_is_judged_with_its_own_variables(lint_files: Lint) -> None:
    two = RUN.replace("OPTION_DTYPE=f16", "OPTION_DTYPE=fp16") + RUN
    assert places(lint_files, {"serving.properties": BUILT_IN, "run.sh": two})["D001"] == {("run.sh", 13)}


@pytest.mark.parametrize("given", ["$DTYPE", "$(choose)", ""])
def test_a_value_that_is_given_elsewhere_is_not_judged(lint_files: Lint, given: str) -> None:
    run = RUN.replace("-e OPTION_DTYPE=f16", f"-e OPTION_DTYPE={given}" if given else "-e OPTION_DTYPE")
    assert places(lint_files, {"serving.properties": BUILT_IN, "run.sh": run}).keys().isdisjoint({"D001", "D002"})
