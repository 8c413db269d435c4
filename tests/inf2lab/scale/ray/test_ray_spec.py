"""What a Serve application is told follows from the folder, the profile and the lane, and survives the way there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from inf2lab import Settings
from inf2lab.errors import FolderError, ServerError
from inf2lab.folder import ModelFolder, Needs
from inf2lab.scale.ray.bench.light_folder import light_folder
from inf2lab.scale.ray.spec import DRAIN_S, ON_THE_CHIP, REHEARSED, RaySpec

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteFolder


def folder_with(write_folder: WriteFolder, **options: object) -> ModelFolder:
    values = {"engine": "Python"} | {name.replace("__", "."): value for name, value in options.items()}
    return write_folder("m", values, handler="")


def test_a_replica_holds_the_cores_of_the_folders_degree(write_folder: WriteFolder) -> None:
    folder = folder_with(write_folder, option__tensor_parallel_degree=8)
    assert RaySpec.of(Settings(), folder).neuron_cores == 8
    assert RaySpec.of(Settings(copies=3), folder).neuron_cores == 24
    options = RaySpec.of(Settings(), folder).deployment_options
    assert options["ray_actor_options"] == {"num_cpus": 0, "resources": {"neuron_cores": 8}}


def test_a_replica_holds_whole_devices(write_folder: WriteFolder) -> None:
    folder = folder_with(write_folder, option__tensor_parallel_degree=1)
    assert RaySpec.of(Settings(), folder).neuron_cores == 2


def test_max_is_the_whole_instance(write_folder: WriteFolder) -> None:
    folder = folder_with(write_folder, option__tensor_parallel_degree="max")
    assert RaySpec.of(Settings(instance="inf2.24xlarge"), folder).neuron_cores == 12


def test_a_copy_cannot_span_instances(write_folder: WriteFolder) -> None:
    folder = folder_with(write_folder, option__tensor_parallel_degree=24)
    with pytest.raises(ServerError, match=r"needs 24 NeuronCores, and inf2\.24xlarge has 12"):
        RaySpec.of(Settings(instance="inf2.24xlarge"), folder)


@pytest.mark.parametrize("degree", ["0", "two", "-1"])
def test_a_degree_that_is_no_number_is_named(write_folder: WriteFolder, degree: str) -> None:
    folder = folder_with(write_folder, option__tensor_parallel_degree=degree)
    with pytest.raises(FolderError, match=f"tensor_parallel_degree={degree}"):
        RaySpec.of(Settings(), folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FolderError):
        RaySpec.of(Settings(), ModelFolder(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("options", "capacity"),
    [
        ({}, 1),
        ({"option__tensor_parallel_degree": 1}, 2),  # the server starts a worker on the device's other core as well
        ({"option__batch_size": 4}, 1),  # rows of one request: the article's handler
        ({"batch_size": 4}, 4),  # DJLServing gathers so many requests
        ({"option__rolling_batch": "auto"}, 1),  # 0.25.0 compiles for batch_size, and a rolling batch has no more rows
        ({"option__rolling_batch": "auto", "option__batch_size": 32}, 32),
        ({"option__rolling_batch": "auto", "option__batch_size": 32, "option__max_rolling_batch_size": 8}, 8),
        ({"option__rolling_batch": "disable", "option__max_rolling_batch_size": 8}, 1),
    ],
)
def test_a_replica_takes_as_many_requests_as_its_server_works_on(
    write_folder: WriteFolder, options: dict[str, object], capacity: int
) -> None:
    given = {"option__tensor_parallel_degree": 2} | options
    spec = RaySpec.of(Settings(), folder_with(write_folder, **given))
    assert spec.max_ongoing == capacity
    assert spec.deployment_options["max_ongoing_requests"] == capacity
    assert spec.deployment_options["autoscaling_config"]["target_ongoing_requests"] == capacity


def test_a_replica_that_is_free_is_soon_found(echo: ModelFolder) -> None:
    """Serve's own pauses grow to 0.5 s: `tests/benchmarks/routing.py` shows what that costs."""
    options = RaySpec.of(Settings(), echo).deployment_options
    assert options["request_router_config"] == {"max_backoff_s": 0.05}


def test_a_stopped_replica_may_finish_the_longest_answer(echo: ModelFolder) -> None:
    options = RaySpec.of(Settings(), echo).deployment_options
    assert options["graceful_shutdown_timeout_s"] == Needs(Settings(), echo).predict_s + DRAIN_S


def test_the_pace_is_that_of_the_lane(echo: ModelFolder) -> None:
    assert RaySpec.of(Settings(), echo).pace == REHEARSED
    assert RaySpec.of(Settings(lane="inf2"), echo).pace == ON_THE_CHIP


def test_it_survives_json(echo: ModelFolder) -> None:
    spec = RaySpec.of(Settings(), echo, max_replicas=3)
    assert RaySpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec


def test_another_number_of_replicas_is_nothing_new_to_a_replica(echo: ModelFolder) -> None:
    """Serve restarts every replica whose arguments have changed."""
    spec = RaySpec.of(Settings(), echo)
    for change in ({"max_replicas": 3}, {"min_replicas": 2}, {"shutdown_s": 1.0}, {"pace": ON_THE_CHIP}):
        assert replace(spec, **change).for_replicas() == spec.for_replicas()
    assert replace(spec, url="http://127.0.0.1:1").for_replicas() != spec.for_replicas()


def test_the_light_folder_states_its_degree(tmp_path: Path) -> None:
    folder = light_folder(4, tmp_path / "light")
    assert folder.check().option("tensor_parallel_degree") == "4"
    compile(folder.handler_path.read_text(), "model.py", "exec")
