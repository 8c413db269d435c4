"""What must hold of a live cluster and of one or two replicas on its one node; `test_notebook.py` has larger ones.

Every test brings the application into the state that it needs. What a quiet machine takes for it is recorded, and
`test_ray_stage.py` holds that against the project's bounds; here it is order that counts, however slow the machine is.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest
import requests

from inf2lab import Settings, paths, write_properties
from inf2lab.errors import LoadFailed
from inf2lab.folder import ModelFolder
from inf2lab.scale import Stage
from inf2lab.scale.ray.bench import trials
from inf2lab.scale.ray.bench.cluster import PROGRAM, RayCluster, processes_of
from inf2lab.scale.ray.bench.light_folder import light_target, rows_so_far, users
from inf2lab.scale.ray.environment import environment, environment_python
from inf2lab.scale.ray.spec import RaySpec

pytestmark = pytest.mark.timeout(900)


def at(cluster: RayCluster, spec: RaySpec, count: int) -> RaySpec:
    """The application with exactly so many replicas, all of them settled."""
    fixed = replace(spec, min_replicas=count, max_replicas=count)
    cluster.deploy(fixed, wait=0)
    trials.wait_settled(cluster, count)
    return fixed


def test_an_answer_comes_back_as_the_server_gave_it(cluster: RayCluster, spec: RaySpec) -> None:
    at(cluster, spec, 1)
    server = cluster.replicas()[0].url
    asked = {"text": ["ü", "b"]}
    through, direct = (requests.post(f"{url}/predictions/light", json=asked) for url in (cluster.url, server))
    assert (through.status_code, through.content) == (200, direct.content)
    # Netty, whose part the rehearsal plays, names no type for JSON; the proxy must not invent one.
    for name in ("content-type", "cache-control", "expires"):
        assert through.headers.get(name) == direct.headers.get(name)


def test_an_error_comes_back_as_the_server_gave_it(cluster: RayCluster, spec: RaySpec) -> None:
    at(cluster, spec, 1)
    for path, body in (("predictions/nobody", b"{}"), ("predictions/light", b"not json")):
        through = requests.post(f"{cluster.url}/{path}", data=body)
        direct = requests.post(f"{cluster.replicas()[0].url}/{path}", data=body)
        assert through.status_code == direct.status_code >= 400
        assert through.json()["message"] == direct.json()["message"]


def test_a_stream_comes_as_it_is_written(cluster: RayCluster, spec: RaySpec) -> None:
    at(cluster, spec, 1)
    asked = {"wait_s": 0.2, "tokens": 10}
    came = []
    with requests.post(f"{cluster.url}/predictions/light", json=asked, stream=True) as answer:
        came += [(time.monotonic(), chunk) for chunk in answer.iter_content(None)]
    assert b"".join(chunk for _, chunk in came).split() == [str(number).encode() for number in range(10)]
    assert came[-1][0] - came[0][0] > 1  # 1.8 s; in one piece it would be 0


def test_a_stream_takes_hardly_longer_than_its_tokens(cluster: RayCluster, spec: RaySpec) -> None:
    at(cluster, spec, 1)
    took = []
    for url in (cluster.replicas()[0].url, cluster.url):
        with users(light_target(url, wait_s=0.05, tokens=60), 1, once=True) as user:
            user.wait()
        (one,) = rows_so_far(user)
        assert one.ok
        took.append(one.latency_s)
    assert took[1] - took[0] < 60 * 0.05 / 2  # far from a pause at each of its tokens


def test_management_is_not_passed_on(cluster: RayCluster, spec: RaySpec) -> None:
    at(cluster, spec, 1)
    assert requests.get(f"{cluster.url}/models/light").status_code == 200
    for method, path in (
        ("DELETE", "models/light"),
        ("POST", "models?url=file:///tmp"),
        ("PUT", "models/light?max_worker=9"),
    ):
        assert requests.request(method, f"{cluster.url}/{path}").status_code == 403
    assert requests.get(f"{cluster.url}/models/light").status_code == 200


def test_another_number_of_replicas_restarts_none(cluster: RayCluster, spec: RaySpec) -> None:
    at(cluster, spec, 1)
    before = {one.id for one in cluster.replicas()}
    at(cluster, replace(spec, shutdown_s=2), 2)
    assert before < {one.id for one in cluster.replicas()}


def test_the_server_computes_on_more_than_rays_one_thread(cluster: RayCluster, spec: RaySpec) -> None:
    at(cluster, spec, 1)
    (one,) = cluster.replicas()
    family = [psutil.Process(one.server_pid), *psutil.Process(one.server_pid).children(recursive=True)]
    assert len(family) > 1
    assert all("OMP_NUM_THREADS" not in process.environ() for process in family)


def test_serves_own_proxy_adds_little(cluster: RayCluster, spec: RaySpec) -> None:
    one = at(cluster, spec, 1)
    assert any(added_ms(cluster, one) <= 15 for _ in range(3))


def test_nothing_listens_beyond_this_machine(cluster: RayCluster, spec: RaySpec) -> None:
    at(cluster, spec, 1)
    assert elsewhere(cluster) == []


def test_a_folder_that_does_not_load_is_one_sentence(beside: RayCluster, place: Path, spec: RaySpec) -> None:
    folder = ModelFolder(place / "bad")
    folder.path.mkdir()
    write_properties(folder.properties_path, {"engine": "Python", "option.tensor_parallel_degree": 8})
    folder.handler_path.write_text("raise KeyError('fp16')\n")
    with pytest.raises(LoadFailed, match=r"bad did not load: .*KeyError: 'fp16' \(whole log: "):
        beside.deploy(RaySpec.of(Settings(), folder, max_replicas=1))
    at(beside, spec, 1)  # and it goes on with another one


def test_a_replica_that_no_node_has_room_for_waits(beside: RayCluster, spec: RaySpec) -> None:
    # Serve waits for a replica that never began as for one that answers: here not for minutes.
    spec = replace(spec, shutdown_s=2)
    at(beside, spec, 1)
    beside.deploy(replace(spec, min_replicas=2, max_replicas=2), wait=0)
    while beside.status()["replicas"] != {"RUNNING": 1, "STARTING": 1}:
        time.sleep(0.1)
    assert len(beside.replicas()) == 1
    at(beside, spec, 1)


def test_haproxy_adds_hardly_anything_and_listens_here_only(beside: RayCluster, spec: RaySpec) -> None:
    one = at(beside, spec, 1)
    assert any(added_ms(beside, one) <= 4 for _ in range(3))
    assert elsewhere(beside) == []


def test_ending_leaves_no_process_and_no_folder(beside: RayCluster, spec: RaySpec) -> None:
    at(beside, spec, 1)
    running = beside.processes()
    assert len(running) > 5
    assert beside.close() == []
    assert [process for process in running if process.is_running() and process.status() != "zombie"] == []
    assert not beside.home.exists()


def test_the_cluster_ends_with_its_parent(place: Path) -> None:
    """As when a notebook's kernel is killed: nobody calls close()."""
    program = (
        "import os, signal\n"
        "from inf2lab.scale.ray.bench.cluster import RayCluster\n"
        "cluster = RayCluster((8,))\n"
        "cluster.start()\n"
        "print(cluster.home, len(cluster.processes()), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    home, count = done.stdout.split()
    assert int(count) > 5
    while processes_of(Path(home)) or Path(home).exists():  # as long as pytest lets it
        time.sleep(0.2)


def test_a_start_that_fails_leaves_no_folder(place: Path) -> None:
    """As on a busy machine, where a node may not come in its time, when nobody is left to remove what it wrote."""
    home = place / "fails"
    (home / "home").mkdir(parents=True)
    words = [environment_python(), "-m", PROGRAM, "eight", "0", home]
    done = subprocess.run(words, env=environment(home), cwd=paths.root(), capture_output=True, text=True, check=False)
    assert "eight" in done.stderr
    assert not home.exists()


def added_ms(cluster: RayCluster, spec: RaySpec) -> float:
    """What the way through Serve costs, as if this machine were as quick as the one of the recorded run."""
    recorded = min(one.direct_ms for one in Stage(Settings(), "recorded").recorded.overheads)
    found = trials.overhead(cluster, spec)
    return found.added_ms / max(1, found.direct_ms / recorded)


def elsewhere(cluster: RayCluster) -> list[str]:
    """What of the cluster listens on another address than loopback's."""
    found = []
    for process in cluster.processes():
        for one in process.net_connections("inet"):
            address = one.laddr.ip.removeprefix("::ffff:")  # IPv4, as a socket for both sees it
            if one.status == psutil.CONN_LISTEN and not ip_address(address).is_loopback:
                found.append(f"{process.name()} {process.pid}: {one.laddr.ip}:{one.laddr.port}")
    return found
