"""A real control plane on loopback, from etcd to Karpenter; only kubelets are played, by kwok. Ended by process id."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inf2lab import catalog
from tests.support import build_control_plane

TYPES = [name for name, row in catalog.instances().items() if row.family == "inf2"]
DEVICE = catalog.kubernetes_facts().device_resource
ADDRESS = "10.255.0.1"  # of loopback in a network of its own: the API server wants one that is not 127.*


class ControlPlane:
    """The processes, and kubectl to ask them; `folder` takes data, logs and keys."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder, build_control_plane.place()
        self.token = secrets.token_hex(16)
        self.ports = {
            name: _free_port() for name in ("etcd", "peer", "api", "metrics", "health", "scheduler", "manager")
        }
        self.kubeconfig = folder / "kubeconfig.json"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> float:
        """Start everything and wait until it is ready; returns the seconds that took."""
        began = time.monotonic()
        self._write_files()
        ports, folder = self.ports, self.folder
        etcd = f"http://127.0.0.1:{ports['etcd']}"
        peer = f"http://127.0.0.1:{ports['peer']}"
        self._run(
            "etcd",
            f"--data-dir={folder}/etcd",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )
        self._run(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={ports['api']}",
            *([f"--advertise-address={ADDRESS}"] if _has_address() else []),
            f"--cert-dir={folder}/certificates",
            f"--token-auth-file={folder}/tokens.csv",
            "--authorization-mode=Node,RBAC",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder}/key.pub",
            f"--service-account-signing-key-file={folder}/key.pem",
            "--enable-aggregator-routing=false",
            "--allow-privileged=true",  # the namespace is to refuse it
        )
        self.wait("the API server", lambda: self.kubectl("get", "--raw=/readyz", check=False) == "ok")
        config = f"--kubeconfig={self.kubeconfig}"
        alone = ("--leader-elect=false", "--bind-address=127.0.0.1")
        self._run(
            "kube-scheduler",
            f"--config={folder}/scheduler.json",
            "--bind-address=127.0.0.1",
            f"--secure-port={ports['scheduler']}",
        )
        self._run(
            "kube-controller-manager",
            config,
            *alone,
            f"--secure-port={ports['manager']}",
            f"--service-account-private-key-file={folder}/key.pem",
            "--use-service-account-credentials=false",
            "--horizontal-pod-autoscaler-sync-period=2s",
            "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
        )
        self._run(
            "kwok",
            config,
            f"--config={self.bin}/stages.yaml",
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            f"--server-address=127.0.0.1:{_free_port()}",
        )
        self.kubectl("apply", "--server-side", "-f", str(self.bin / "karpenter-crds.yaml"))
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        self.kubectl("create", "namespace", "karpenter")
        self._run(
            "karpenter",
            KUBECONFIG=str(self.kubeconfig),
            INSTANCE_TYPES_FILE_PATH=str(folder / "instances.json"),
            DISABLE_LEADER_ELECTION="true",
            SYSTEM_NAMESPACE="karpenter",
            METRICS_PORT=str(ports["metrics"]),
            HEALTH_PROBE_PORT=str(ports["health"]),
            KUBERNETES_MIN_VERSION="1.19.0-0",
        )
        self.wait(
            "the default service account", lambda: "default" in self.kubectl("get", "serviceaccounts", "-o", "name")
        )
        return time.monotonic() - began

    def stop(self) -> None:
        """End every process by its id, the last started first."""
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kubectl(self, *words: str, data: object = None, check: bool = True) -> str:
        """Return what kubectl prints; raises Refused with its error unless `check` is off."""
        done = subprocess.run(
            [self.bin / "kubectl", f"--kubeconfig={self.kubeconfig}", *words],
            input=None if data is None else data if isinstance(data, str) else json.dumps(data),
            capture_output=True,
            text=True,
            check=False,
            env={"HOME": str(self.folder), "PATH": os.environ["PATH"]},
        )
        if done.returncode and check:
            raise Refused(done.stderr.strip())
        return done.stdout

    def get(self, kind: str, *words: str) -> list[dict[str, Any]]:
        """Return the objects of a kind in all namespaces."""
        return json.loads(self.kubectl("get", kind, "-A", "-o", "json", *words))["items"]

    def apply(self, *objects: dict[str, Any]) -> str:
        """Apply objects with the server's strict validation."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        words = ("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-")
        return self.kubectl(*words, data=listed)

    def wait(self, what: str, done: Callable[[], object], seconds: float = 60) -> float:
        """Wait until `done` says yes; returns how long. Raises AssertionError with the logs' last lines."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended:\n{self.log(name)}"
            if done():
                return time.monotonic() - began
            time.sleep(0.25)
        raise AssertionError(f"{what}: not after {seconds:.0f} s")

    def log(self, name: str, lines: int = 15) -> str:
        """Return the last lines of a process's log."""
        return "\n".join((self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])

    def memory_mib(self) -> dict[str, float]:
        """Return the resident memory of each process."""
        import psutil

        return {name: psutil.Process(p.pid).memory_info().rss / 2**20 for name, p in self.processes.items()}

    def _run(self, name: str, *words: str, **environment: str) -> None:
        command, variables = [self.bin / name, *words], {**os.environ, **environment}
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env=variables, start_new_session=True
            )

    def _write_files(self) -> None:
        folder = self.folder
        server = {"server": f"https://127.0.0.1:{self.ports['api']}", "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "clusters": [{"name": "x", "cluster": server}],
            "users": [{"name": "x", "user": {"token": self.token}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        }
        self.kubeconfig.write_text(json.dumps(config))
        self.kubeconfig.chmod(0o600)
        (folder / "tokens.csv").write_text(f"{self.token},admin,admin,system:masters\n")
        for words in (("genrsa", "-out", "key.pem", "2048"), ("rsa", "-in", "key.pem", "-pubout", "-out", "key.pub")):
            subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
        scheduler = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": str(self.kubeconfig)},
            "leaderElection": {"leaderElect": False},
            # The Neuron chart's scheduler is this one with an extender that knows the ring.
            "profiles": [
                {"schedulerName": name} for name in ("default-scheduler", catalog.kubernetes_facts().scheduler)
            ],
        }
        (folder / "scheduler.json").write_text(json.dumps(scheduler))
        (folder / "instances.json").write_text(json.dumps([instance_type(name) for name in TYPES]))


class Refused(Exception):
    """What kubectl or the API server said."""


def instance_type(name: str) -> dict[str, Any]:
    """Return an instance of the catalog as Karpenter's kwok provider reads one."""
    row = catalog.instance(name)
    where = {"karpenter.sh/capacity-type": "on-demand", "topology.kubernetes.io/zone": "test-zone-a"}
    offering = {
        "Price": row.usd_per_hour,
        "Available": True,
        "Requirements": [{"key": key, "operator": "In", "values": [value]} for key, value in where.items()],
    }
    resources = {
        "cpu": str(row.vcpus),
        "memory": f"{row.host_gib}Gi",
        "ephemeral-storage": "2000Gi",
        "pods": "110",
        DEVICE: str(row.chips),
    }
    return {
        "name": name,
        "architecture": "amd64",
        "operatingSystems": ["linux"],
        "resources": resources,
        "offerings": [offering],
    }


def fake_node(
    plane: ControlPlane, name: str, devices: int, *, like: str = "inf2.48xlarge", tainted: bool = True
) -> None:
    """Add a node that kwok plays, with Karpenter's taint; its size is stated whatever its devices."""
    taints = [{"key": DEVICE, "value": "true", "effect": "NoSchedule"}] if tainted else []
    labels = {"node.kubernetes.io/instance-type": like}
    metadata = {"name": name, "annotations": {"kwok.x-k8s.io/node": "fake"}, "labels": labels}
    plane.apply({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": taints}})
    resources = instance_type(like)["resources"] | {DEVICE: str(devices)}
    status = {"status": {"capacity": resources, "allocatable": resources}}
    plane.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", json.dumps(status))


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _has_address() -> bool:
    """Whether loopback has the address that the tests' own network is given."""
    with socket.socket() as one:
        try:
            one.bind((ADDRESS, 0))
        except OSError:
            return False
    return True
