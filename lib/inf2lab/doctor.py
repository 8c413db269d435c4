"""What this machine can do, finding by finding, and what to do about what is missing."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from inf2lab import paths
from inf2lab.serving import standins
from inf2lab.settings import Settings
from neuron_rules import GIB


@dataclass(frozen=True)
class Finding:
    """One line of the report. `level` is ok, note (works with less) or missing (must be mended for this lane)."""

    subject: str
    level: str
    found: str
    remedy: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Return every finding for the lane of `settings`; none of the checks changes anything."""
    checks: list[Callable[[Settings], Finding]] = [_python, _packages, _memory, _disk, _port]
    checks += [_weights, _worker] if settings.lane == "rehearsal" else [_devices, _docker]
    return [check(settings) for check in checks]


def pins() -> dict[str, str]:
    """Return {package: version} of requirements.txt."""
    text = (paths.root() / "requirements.txt").read_text()
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s#]+)", text, flags=re.MULTILINE))


def _python(settings: Settings) -> Finding:
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Finding("Python", "ok", version)
    return Finding(
        "Python", "missing", version, "use Python 3.11, 3.12 or 3.13: `make setup PYTHON=python3.12`"
    )


def _packages(settings: Settings) -> Finding:
    wrong = []
    for name, pinned in pins().items():
        try:
            installed = importlib.metadata.version(name).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            installed = "none"
        if installed != pinned:
            wrong.append(f"{name} {installed} instead of {pinned}")
    if not wrong:
        return Finding("packages", "ok", f"all {len(pins())} as pinned")
    return Finding(
        "packages", "missing", "; ".join(wrong[:3]), "`make setup` installs what requirements.txt pins"
    )


def _memory(settings: Settings) -> Finding:
    free = psutil.virtual_memory().available / GIB
    if free >= 2:
        return Finding("memory", "ok", f"{free:.0f} GiB free")
    return Finding(
        "memory", "note", f"{free:.1f} GiB free", "close other programs: the rehearsal takes about 1.5 GiB"
    )


def _disk(settings: Settings) -> Finding:
    wanted = 2 if settings.lane == "rehearsal" else 100
    free = shutil.disk_usage(paths.root()).free / GIB
    if free >= wanted:
        return Finding("disk", "ok", f"{free:.0f} GiB free")
    reason = f"free {wanted} GiB" + (
        "" if settings.lane == "rehearsal" else ": the image and OPT-13B's checkpoints need it"
    )
    return Finding("disk", "missing", f"{free:.1f} GiB free", reason)


def _port(settings: Settings) -> Finding:
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", settings.port)) == 0
    if not taken:
        return Finding(f"port {settings.port}", "ok", "free")
    return Finding(
        f"port {settings.port}", "note", "in use", "`inf2lab stop`, or another port: INF2LAB_PORT=8081"
    )


def _weights(settings: Settings) -> Finding:
    missing = [
        name
        for name in standins.WEIGHTS.values()
        if not (paths.models() / name / "model.safetensors").is_file()
    ]
    if not missing:
        return Finding("stand-in weights", "ok", ", ".join(standins.WEIGHTS.values()))
    return Finding("stand-in weights", "missing", f"no {', '.join(missing)}", "`git checkout models`")


def _worker(settings: Settings) -> Finding:
    version = settings.stack.rehearsed_by
    if version is None:
        return Finding(
            "DJL's worker", "missing", f"{settings.stack.djl} is not rehearsed", "use profile djl-0.25"
        )
    if any(paths.cache().glob(f"*/{version}*/djl_python_engine.py")):
        return Finding("DJL's worker", "ok", f"{version} in the cache")
    return Finding(
        "DJL's worker", "note", f"{version} not fetched yet", "the first start fetches it (170 KB)"
    )


def _devices(settings: Settings) -> Finding:
    devices = sorted(Path("/dev").glob("neuron[0-9]*"))
    if devices:
        return Finding("Neuron devices", "ok", f"{len(devices)} of {settings.hardware.chips}")
    remedy = (
        "this lane needs an inf2 instance with the Neuron driver; on any other machine use lane='rehearsal'"
    )
    return Finding("Neuron devices", "missing", "no /dev/neuron*", remedy)


def _docker(settings: Settings) -> Finding:
    path = shutil.which("docker")
    if path:
        return Finding("Docker", "ok", path)
    return Finding(
        "Docker", "missing", "not installed", "install Docker and add yourself to the docker group"
    )
