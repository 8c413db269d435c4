"""A Ray cluster of emulated nodes on this machine, as a program that obeys lines of JSON and ends with its parent.

python -m inf2lab.scale.ray.bench.nodes NODES PORT FOLDER, in Ray's own environment. Every line on stdin is one order,
answered by one line on stdout; when stdin ends, everything is ended. `bench/cluster.py` holds the other end.
"""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

import psutil
import ray
from ray import serve
from ray._private.node import Node
from ray.cluster_utils import Cluster
from ray.serve._private.constants import RAY_SERVE_ENABLE_HA_PROXY
from ray.serve.config import HTTPOptions

from inf2lab.scale.ray.app import build
from inf2lab.scale.ray.spec import CORES

# Trap: without an address Ray takes the network card's. RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 (ray_local sets it) keeps
# `ray.init` from writing the card's address over this one.
HOME = "127.0.0.1"
STORE_BYTES = 80 * 2**20  # of each node's object store: nothing is kept there, and less is refused
APPLICATION = "model"


class Emulation:
    """The nodes, by the order in which they were asked for, and the application on them."""

    def __init__(self, cores: list[int], port: int) -> None:
        # Nobody reads logs through Ray here, and no cloud is asked for nodes: their programs are not started.
        spared = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
        head = {"num_cpus": 1} | spared | self._common()
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._nodes: list[Node] = [self._new(count) for count in cores]
        ray.init(address=self._cluster.address, _node_ip_address=HOME, log_to_driver=False, namespace="serve")
        # Trap: one proxy, on the head. The emulated nodes share this machine's ports and HAProxy's files.
        serve.start(proxy_location="HeadOnly", http_options=HTTPOptions(host=HOME, port=port, keep_alive_timeout_s=60))

    def deploy(self, described: dict[str, Any]) -> dict[str, Any]:
        """Deploy or change the application; answers before its replicas are ready."""
        # Trap: waiting here would wait until the replicas of before are drained, as long as the longest answer.
        target = serve.RunTarget(build(described), name=APPLICATION, route_prefix="/")
        serve.run_many([target], wait_for_applications_running=False)
        return {}

    def status(self) -> dict[str, Any]:
        """Return what Serve says of the application and which nodes live."""
        found = serve.status().applications.get(APPLICATION)
        states: dict[str, int] = {}
        messages = [found.message] if found else []
        for deployment in found.deployments.values() if found else ():
            messages.append(deployment.message)  # the replica's own error is here
            for state, count in deployment.replica_states.items():
                states[str(getattr(state, "value", state))] = count
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        return {
            "application": str(getattr(found.status, "value", found.status)) if found else "NONE",
            "message": "\n".join(messages),
            "replicas": states,
            "nodes": [{"id": node.node_id, "alive": node.node_id in alive} for node in self._nodes],
        }

    def kill_node(self, number: int) -> dict[str, Any]:
        """Kill a node as a lost machine is lost: its raylet, and everything below it, by SIGKILL."""
        node = self._nodes[number]
        family = [member for info in node.all_processes["raylet"] for member in _family(info.process.pid)]
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._cluster.remove_node(node, allow_graceful=False)
        return {}

    def add_node(self, cores: int) -> dict[str, Any]:
        """Add a node with `cores` NeuronCores; answers with its number."""
        self._nodes.append(self._new(cores))
        return {"node": len(self._nodes) - 1}

    def close(self) -> None:
        """End the application and the nodes. Trap: `ray stop` ends every Ray process of the machine by its name."""
        if not RAY_SERVE_ENABLE_HA_PROXY:  # Trap: with HAProxy this waits 30 s for clients that are not there
            with contextlib.suppress(Exception):  # whatever is in the way, the nodes go next
                serve.shutdown()
        ray.shutdown()
        self._cluster.shutdown()

    def _new(self, cores: int) -> Node:
        # Trap: Ray counts NeuronCores with neuron-ls, which is not here. So they are stated.
        return self._cluster.add_node(num_cpus=1, resources={CORES: cores}, **self._common())

    def _common(self) -> dict[str, Any]:
        return {"node_ip_address": HOME, "object_store_memory": STORE_BYTES}


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def obey(emulation: Emulation) -> None:
    """Answer each line of stdin until it ends, on what was stdout when the program began."""
    orders: dict[str, Callable[..., dict[str, Any]]] = {
        "deploy": emulation.deploy,
        "status": emulation.status,
        "kill_node": emulation.kill_node,
        "add_node": emulation.add_node,
    }
    _answer({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        try:
            _answer(orders[order.pop("order")](**order))
        except Exception as error:  # the other end raises it again
            _answer({"error": f"{type(error).__name__}: {error}"})


def _answer(value: dict[str, Any]) -> None:
    _OUT.write(json.dumps(value) + "\n")
    _OUT.flush()


if __name__ == "__main__":
    _OUT = os.fdopen(os.dup(1), "w")  # Ray and Serve print where they like
    os.dup2(2, 1)
    nodes, http_port, folder = sys.argv[1:]
    try:
        counts = [int(count) for count in nodes.split(",")]
        with contextlib.closing(Emulation(counts, int(http_port))) as running:
            obey(running)
    finally:  # of a start that fails, too: the parent may be gone
        shutil.rmtree(folder, ignore_errors=True)
