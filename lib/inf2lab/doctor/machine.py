"""What both lanes need of a machine, and what the rehearsal needs besides."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import socket
import sys

import psutil

from inf2lab import paths
from inf2lab.doctor.finding import Finding
from inf2lab.settings import Settings
from inf2lab.weights import standins
from neuron_rules import GIB


def pins() -> dict[str, str]:
    """Return {package: version} of requirements.txt."""
    text = (paths.root() / "requirements.txt").read_text()
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s#]+)", text, flags=re.MULTILINE))


def python(settings: Settings) -> Finding:
    """Whether this Python is in range."""
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Finding("Python", "ok", version)
    return Finding("Python", "missing", version, "use Python 3.11, 3.12 or 3.13: `make setup PYTHON=python3.12`")


def packages(settings: Settings) -> Finding:
    """Whether what requirements.txt pins is installed."""
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
    return Finding("packages", "missing", "; ".join(wrong[:3]), "`make setup` installs what requirements.txt pins")


def memory(settings: Settings) -> Finding:
    """Whether the rehearsal has room."""
    free = psutil.virtual_memory().available / GIB
    if free >= 2:
        return Finding("memory", "ok", f"{free:.0f} GiB free")
    return Finding("memory", "note", f"{free:.1f} GiB free", "close other programs: the rehearsal takes about 1.5 GiB")


def disk(settings: Settings) -> Finding:
    """Whether logs and stand-ins fit."""
    free = shutil.disk_usage(paths.root()).free / GIB
    if free >= 2:
        return Finding("disk", "ok", f"{free:.0f} GiB free")
    return Finding("disk", "missing", f"{free:.1f} GiB free", "free 2 GiB")


def port(settings: Settings) -> Finding:
    """Whether the server's port is free."""
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", settings.port)) == 0
    if not taken:
        return Finding(f"port {settings.port}", "ok", "free")
    return Finding(f"port {settings.port}", "note", "in use", "`inf2lab stop`, or another port: INF2LAB_PORT=8081")


def weights(settings: Settings) -> Finding:
    """Whether the small models are here."""
    missing = [
        name for name in standins.WEIGHTS.values() if not (paths.models() / name / "model.safetensors").is_file()
    ]
    if not missing:
        return Finding("stand-in weights", "ok", ", ".join(standins.WEIGHTS.values()))
    return Finding("stand-in weights", "missing", f"no {', '.join(missing)}", "`git checkout models`")


def worker(settings: Settings) -> Finding:
    """Whether DJL's worker is in the cache."""
    version = settings.stack.rehearsed_by
    if version is None:
        return Finding("DJL's worker", "missing", f"{settings.stack.djl} is not rehearsed", "use profile djl-0.25")
    if any(paths.cache().glob(f"*/{version}*/djl_python_engine.py")):
        return Finding("DJL's worker", "ok", f"{version} in the cache")
    return Finding("DJL's worker", "note", f"{version} not fetched yet", "the first start fetches it (170 KB)")
