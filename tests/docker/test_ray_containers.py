"""A Ray replica on the chip's lane starts DJLServing's container on the devices of its cores, and takes it along."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from inf2lab.errors import LoadFailed, ServerError
from inf2lab.scale.ray import server
from inf2lab.scale.ray.bench.cluster import RayCluster
from inf2lab.scale.ray.bench.record import Stage
from inf2lab.scale.ray.spec import REHEARSED, RaySpec
from inf2lab.serving import Server, all_servers, docker, left_over

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import MakeSettings, WriteFolder

    from inf2lab import ModelFolder

pytestmark = pytest.mark.thorough
SEES = """\
import glob
from djl_python import Input, Output


def handle(inputs: Input):
    if inputs.is_empty():
        return None
    return Output().add_as_json({"devices": sorted(glob.glob("/dev/neuron*"))})
"""
ECHO = """\
from djl_python import Input, Output


def handle(inputs: Input):
    if inputs.is_empty():
        return None
    return Output().add_as_json({"outputs": inputs.get_as_json()["text"]})
"""
FIRST, SECOND = ",".join(map(str, range(8))), ",".join(map(str, range(8, 16)))
DEVICES = [f"/dev/neuron{number}" for number in range(4)]


@pytest.fixture
def folder(write_folder: WriteFolder) -> ModelFolder:
    return write_folder("sees", SEES, {"option.tensor_parallel_degree": 8})


@pytest.fixture
def spec(settings: MakeSettings, folder: ModelFolder) -> RaySpec:
    """The folder on an inf2.48xlarge, at the rehearsal's pace: a test does not wait ten minutes to scale down."""
    return RaySpec.of(settings(), folder, pace=REHEARSED)


@pytest.fixture
def with_ray(scale_environment: None, clone: Path, root: Path) -> None:
    """Ray's environment and what its replicas import, in the clone."""
    (clone / "lib" / "inf2lab").rmdir()
    (clone / "lib").rmdir()
    for name in ("lib", ".venv-scale"):
        (clone / name).symlink_to(root / name)


def containers() -> dict[str, list[str]]:
    """The devices of each of the lab's containers, by name."""
    form = "{{range .HostConfig.Devices}}{{.PathOnHost}} {{end}}"
    found = {}
    for name in names():
        paths = docker.run_docker("inspect", "--format", form, name, what="docker inspect").split()
        found[name] = [Path(path).name for path in paths]
    return found


def names() -> list[str]:
    """The names of the lab's containers, running or not."""
    words = ("ps", "--all", "--filter", "name=inf2lab-", "--format", "{{.Names}}")
    return sorted(docker.run_docker(*words, what="docker ps").split())


def asked(url: str) -> list[str]:
    """The devices that the model behind `url` sees."""
    answer = requests.post(f"{url}/predictions/sees", json={}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["devices"]


def numbers(first: int) -> list[str]:
    return [f"neuron{number}" for number in range(first, first + 4)]


def test_each_replica_has_the_devices_of_its_cores_and_sees_them_from_0_on(spec: RaySpec) -> None:
    two = [server.begin(spec, visible) for visible in (FIRST, SECOND)]
    try:
        assert containers() == {"inf2lab-sees-neuron0": numbers(0), "inf2lab-sees-neuron4": numbers(4)}
        assert [asked(beside.url) for beside in two] == [DEVICES, DEVICES]
        assert len(all_servers()) == 2
    finally:
        for beside in two:
            beside.stop(patience_s=1)
    assert (containers(), left_over(), all_servers()) == ({}, [], [])


def test_a_container_that_ends_is_noticed_at_once(spec: RaySpec) -> None:
    beside = server.begin(spec, FIRST)
    ended = threading.Event()
    beside.watch(ended.set)
    assert not ended.wait(0.2)
    docker.run_docker("kill", "inf2lab-sees-neuron0", what="docker kill")
    assert ended.wait(60)
    beside.stop(patience_s=1)
    assert containers() == {}


def test_the_container_of_a_killed_replica_gives_way_to_the_next(spec: RaySpec) -> None:
    killed = server.begin(spec, SECOND)  # and never stopped
    beside = server.begin(spec, SECOND)
    assert killed.process.wait(60) is not None
    assert containers() == {"inf2lab-sees-neuron4": numbers(4)}
    assert [server.url for server in all_servers()] == [beside.url]
    beside.stop(patience_s=1)
    assert (containers(), all_servers()) == ({}, [])


def test_a_folder_that_does_not_load_says_why_and_leaves_nothing(
    settings: MakeSettings, write_folder: WriteFolder
) -> None:
    bad = write_folder("bad", "raise KeyError('fp16')\n", {"option.tensor_parallel_degree": 8})
    with pytest.raises(LoadFailed, match=r"bad did not load: KeyError: 'fp16'"):
        server.begin(RaySpec.of(settings(), bad), FIRST)
    assert (containers(), all_servers()) == ({}, [])


def test_devices_that_a_server_holds_are_not_given_away(
    settings: MakeSettings, folder: ModelFolder, spec: RaySpec
) -> None:
    server = Server.start(settings(), folder.path, report=lambda line: None)
    with pytest.raises(ServerError, match=r"sees at http.* holds Neuron devices.*`inf2lab stop` first"):
        RayCluster((24,)).deploy(spec)
    assert server.exists()


def test_emulated_nodes_cannot_share_one_machines_devices(spec: RaySpec) -> None:
    with pytest.raises(ServerError, match=r"2 nodes on the inf2 lane.*RayCluster\(\[24\]\)"):
        RayCluster((24, 24)).deploy(spec)


@pytest.mark.timeout(900)
def test_three_replicas_on_one_instance_live_through_kills_and_leave_nothing(
    with_ray: None, spec: RaySpec, clone: Path
) -> None:
    full = {f"inf2lab-sees-neuron{first}": numbers(first) for first in (0, 4, 8)}
    files = {path.name: path.read_bytes() for path in (clone / "models" / "sees").iterdir()}
    with RayCluster((24,)) as cluster:
        cluster.deploy(replace(spec, min_replicas=3, max_replicas=3))
        assert containers() == full
        assert asked(cluster.url) == DEVICES

        for hurt in (lambda: docker.run_docker("kill", "inf2lab-sees-neuron4", what="docker kill"), kill_one(cluster)):
            before = living(cluster)
            hurt()
            until(lambda before=before: len(now := living(cluster)) == 3 and now - before)
            assert containers() == full
            assert asked(cluster.url) == DEVICES

        cluster.deploy(replace(spec, min_replicas=1, max_replicas=1), wait=1)
        until(lambda: len(names()) == 1)
        assert cluster.close() == []
    assert (containers(), left_over(), all_servers()) == ({}, [], [])
    assert {path.name: path.read_bytes() for path in (clone / "models" / "sees").iterdir()} == files


@pytest.mark.timeout(900)
def test_notebook_09_stands_before_the_server_of_notebook_05(
    with_ray: None, settings: MakeSettings, write_folder: WriteFolder
) -> None:
    folder = write_folder("echo", ECHO)
    stage = Stage(settings(), "live")
    stage.start()
    try:
        with pytest.raises(ServerError, match="run notebook 05 first"):
            stage.ask(folder, ["x"], 8)
        server = Server.start(settings(), folder.path, report=lambda line: None)
        assert stage.ask(folder, ["x"], 8) == ("x",)
        assert names() == ["inf2lab-echo"]
    finally:
        assert stage.close() == []
    assert server.exists(), "it is not the cluster's to end"


def living(cluster: RayCluster) -> set[str]:
    return {one.id for one in cluster.replicas()}


def kill_one(cluster: RayCluster) -> Callable[[], None]:
    """Kills the replica on the first device; its container goes on by itself."""
    return lambda: os.kill(min(cluster.replicas(), key=lambda one: one.cores).pid, signal.SIGKILL)


def until(holds: Callable[[], object], *, timeout_s: float = 300) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)
