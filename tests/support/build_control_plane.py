"""Build a real Kubernetes control plane from the Go module proxy into the lab's cache, for `make test-kubernetes`.

    python tests/support/build_control_plane.py     about 7 minutes on two idle cores the first time, nothing afterwards

kube-apiserver, scheduler, controller-manager, kubectl, etcd, kwok (it plays the nodes), Karpenter with its kwok
provider, and the files of theirs that a run needs. Needs Go 1.26. etcd must be 3.6: 3.4 lacks RequestWatchProgress,
and watches come late.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from inf2lab import paths

KUBERNETES = "1.37.2"
ETCD = "3.6.16"
KWOK = "0.8.0"
KARPENTER = "1.13.0"  # later ones ask for a later Go
COMMANDS = ("kube-apiserver", "kube-scheduler", "kube-controller-manager", "kubectl")
STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)
PROGRAMS = (*COMMANDS, "etcd", "kwok", "karpenter")
FILES = ("stages.yaml", "karpenter-crds.yaml")


def place() -> Path:
    """Return where the programs of these versions are, or will be."""
    return paths.cache() / f"control-plane-{KUBERNETES}-{ETCD}-{KWOK}-{KARPENTER}"


def missing() -> list[str]:
    """Return what is not built yet."""
    return [name for name in (*PROGRAMS, *FILES) if not (place() / name).is_file()]


def build() -> None:
    """Build what is missing; raises SystemExit with what to do where Go is not there or fails."""
    if not missing():
        return
    if not shutil.which("go"):
        sys.exit("Go is not there: install Go 1.26 or later, then `make test-kubernetes` again")
    place().mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="control-plane-") as scratch:
        work = Path(scratch)
        if any(name in missing() for name in COMMANDS):
            _kubernetes(work / "kubernetes")
        if "etcd" in missing():
            _etcd(work / "etcd")
        for name, package in (
            ("kwok", f"sigs.k8s.io/kwok/cmd/kwok@v{KWOK}"),
            ("karpenter", f"sigs.k8s.io/karpenter/kwok@v{KARPENTER}"),
        ):
            if name in missing():
                _install(name, package, work / name)
    _files()
    print(f"control plane built in {time.monotonic() - started:.0f} s: {place()}", flush=True)


def _kubernetes(work: Path) -> None:
    """Build Kubernetes' commands in a module of our own: its staging modules are published under other versions."""
    work.mkdir()
    found = json.loads(_go(work, "mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES}"))
    text = Path(found["GoMod"]).read_text()
    staging = re.findall(r"^\s*(k8s\.io/\S+) => \./staging", text, re.MULTILINE)
    blocks = re.findall(r"^require \((.*?)^\)", text, re.MULTILINE | re.DOTALL)
    language = re.search(r"^go .*$", text, re.MULTILINE)
    assert language
    major, minor, patch = KUBERNETES.split(".")
    version = f"v0.{minor}.{patch}"
    lines = ["module control_plane", "", language[0], "", f"require k8s.io/kubernetes v{KUBERNETES}"]
    lines += ["require (" + re.sub(r"(k8s\.io/\S+) v0\.0\.0(?=\s)", rf"\1 {version}", block) + ")" for block in blocks]
    lines += [f"replace {module} => {module} {version}" for module in staging]
    (work / "go.mod").write_text("\n".join(lines) + "\n")
    _imports(work, [f"k8s.io/kubernetes/cmd/{name}" for name in COMMANDS])
    _go(work, "mod", "tidy")
    stamp = "k8s.io/component-base/version"
    flags = f"-s -w -X {stamp}.gitVersion=v{KUBERNETES} -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
    for name in COMMANDS:
        if name in missing():
            _compile(work, name, f"k8s.io/kubernetes/cmd/{name}", flags)


def _etcd(work: Path) -> None:
    """Build etcd in a module of our own: `go install` refuses its replace lines."""
    work.mkdir()
    package = "go.etcd.io/etcd/server/v3"
    (work / "go.mod").write_text(f"module control_plane\n\ngo 1.26.0\n\nrequire {package} v{ETCD}\n")
    _imports(work, [package])
    _go(work, "mod", "tidy")
    _compile(work, "etcd", package, "-s -w")


def _imports(work: Path, packages: list[str]) -> None:
    lines = "\n".join(f'\t_ "{package}"' for package in packages)
    (work / "tools.go").write_text(f"//go:build tools\n\npackage tools\n\nimport (\n{lines}\n)\n")


def _compile(work: Path, name: str, package: str, flags: str) -> None:
    print(f"building {name}", flush=True)
    _go(work, "build", "-ldflags", flags, "-o", str(place() / name), package)


def _install(name: str, package: str, work: Path) -> None:
    print(f"building {name}", flush=True)
    work.mkdir()
    _go(work, "install", "-ldflags", "-s -w", package, GOBIN=str(work))
    (program,) = work.iterdir()
    shutil.move(program, place() / name)


def _files() -> None:
    """Copy kwok's stages (without any it does not start) and Karpenter's definitions out of their modules."""
    kwok = _module(f"sigs.k8s.io/kwok@v{KWOK}")
    stages = [(kwok / "kustomize" / "stage" / name).read_text() for name in STAGES]
    (place() / "stages.yaml").write_text("\n---\n".join(stages))
    karpenter = _module(f"sigs.k8s.io/karpenter@v{KARPENTER}")
    found = sorted((karpenter / "pkg/apis/crds").glob("*.yaml")) + sorted((karpenter / "kwok/apis/crds").glob("*.yaml"))
    (place() / "karpenter-crds.yaml").write_text("\n---\n".join(path.read_text() for path in found))


def _module(name: str) -> Path:
    return Path(json.loads(_go(place(), "mod", "download", "-json", name))["Dir"])


def _go(folder: Path, *words: str, **environment: str) -> str:
    done = subprocess.run(
        ["go", *words],
        cwd=folder,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        sys.exit(f"go {' '.join(words[:2])} failed:\n{last}\nThe Go module proxy must be reachable (GOPROXY).")
    return done.stdout


if __name__ == "__main__":
    build()
