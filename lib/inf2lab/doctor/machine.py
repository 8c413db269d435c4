"""What both lanes need of a machine, and what the rehearsal needs besides."""

import importlib.metadata
import platform
import re
import shutil
import socket
import sys

import psutil

from inf2lab import paths
from inf2lab.doctor.diagnosis import Diagnosis, Level
from inf2lab.serving import worker_is_here
from inf2lab.settings import Settings
from inf2lab.weights import STANDINS
from neuron_rules import GIB


def pins() -> dict[str, str]:
    """Return {package: version} of requirements.txt."""
    text = (paths.root() / "requirements.txt").read_text()
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s#]+)", text, flags=re.MULTILINE))


def python(settings: Settings) -> Diagnosis:
    """Whether this Python is in range."""
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Diagnosis("Python", Level.OK, version)
    return Diagnosis("Python", Level.MISSING, version, "use Python 3.11, 3.12 or 3.13: `make setup PYTHON=python3.12`")


def packages(settings: Settings) -> Diagnosis:
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
        return Diagnosis("packages", Level.OK, f"all {len(pins())} as pinned")
    remedy = "`make setup` installs what requirements.txt pins"
    return Diagnosis("packages", Level.MISSING, "; ".join(wrong[:3]), remedy)


def memory(settings: Settings) -> Diagnosis:
    """Whether the rehearsal has room."""
    remedy = "close other programs: the rehearsal takes about 1.5 GiB"
    return _judge_room("memory", psutil.virtual_memory().available, Level.NOTE, remedy)


def disk(settings: Settings) -> Diagnosis:
    """Whether logs and stand-ins fit."""
    return _judge_room("disk", shutil.disk_usage(paths.root()).free, Level.MISSING, "free 2 GiB")


def port(settings: Settings) -> Diagnosis:
    """Whether the server's port is free."""
    subject = f"port {settings.port}"
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", settings.port)) == 0
    if not taken:
        return Diagnosis(subject, Level.OK, "free")
    return Diagnosis(subject, Level.NOTE, "in use", "`inf2lab stop`, or another port: INF2LAB_PORT=8081")


def weights(settings: Settings) -> Diagnosis:
    """Whether the small models are here."""
    missing = [name for name in STANDINS.values() if not (paths.models() / name / "model.safetensors").is_file()]
    if not missing:
        return Diagnosis("stand-in weights", Level.OK, ", ".join(STANDINS.values()))
    return Diagnosis("stand-in weights", Level.MISSING, f"no {', '.join(missing)}", "`git checkout models`")


def worker(settings: Settings) -> Diagnosis:
    """Whether DJL's worker is in the cache."""
    subject, version = "DJL's worker", settings.stack.rehearsed_by
    if version is None:
        return Diagnosis(subject, Level.MISSING, f"{settings.stack.djl} is not rehearsed", "use profile djl-0.25")
    if worker_is_here(version):
        return Diagnosis(subject, Level.OK, f"{version} in the cache")
    return Diagnosis(subject, Level.NOTE, f"{version} not fetched yet", "the first start fetches it (170 KB)")


def _judge_room(subject: str, free: int, level_if_less: Level, remedy: str) -> Diagnosis:
    gib = free / GIB
    if gib >= 2:
        return Diagnosis(subject, Level.OK, f"{gib:.0f} GiB free")
    return Diagnosis(subject, level_if_less, f"{gib:.1f} GiB free", remedy)
