"""What the chip's lane needs of an instance: driver, devices, free cores, a user the container can work with, room."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import psutil

from inf2lab import catalog, paths
from inf2lab.doctor.diagnosis import Diagnosis, Level
from inf2lab.doctor.neuron_ls import NeuronDevice, parse_neuron_ls
from inf2lab.errors import LabError
from inf2lab.folder import ModelFolder
from inf2lab.planning import host_needs, plan, plan_of
from inf2lab.serving import CONTAINER_USER
from inf2lab.settings import Settings
from neuron_rules import GIB

TOOLS = "/opt/aws/neuron/bin"  # not on PATH under systemd and sudo
DRIVER = Path("/sys/module/neuron")  # there while the module is loaded
PACKAGES = ("aws-neuronx-dkms", "aws-neuronx-tools")
RELOAD = "stop what uses it (a notebook's kernel does), then `sudo rmmod neuron && sudo modprobe neuron`"
DISK_GIB = 100  # the image and the checkpoints of OPT-13B, whole and split


def user(settings: Settings) -> Diagnosis:
    """Whether the container can write what this user owns."""
    uid = os.getuid()
    if uid in (0, CONTAINER_USER):
        return Diagnosis("user", Level.OK, f"uid {uid}")
    remedy = "the lab opens the mounted folders to everybody. " + catalog.trouble("log-folder").fix
    return Diagnosis("user", Level.NOTE, f"uid {uid}, and the container's is {CONTAINER_USER}", remedy)


def driver(settings: Settings) -> Diagnosis:
    """Whether the kernel has the Neuron driver, and which versions of driver and tools are installed."""
    versions = _installed()
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    if not DRIVER.exists():
        found = f"not loaded ({shown})" if shown else "not loaded"
        return Diagnosis("Neuron driver", Level.MISSING, found, catalog.trouble("no-device-file").fix)
    version = DRIVER / "version"
    loaded = version.read_text().strip() if version.is_file() else "loaded"
    found = f"{loaded} ({shown})" if shown else loaded
    installed = versions.get("aws-neuronx-dkms", "")
    if remedy := _remedy(settings, loaded):
        return Diagnosis("Neuron driver", Level.MISSING, f"{found}: {_fit(settings)}", remedy)
    if loaded == "loaded" or not installed or installed.startswith(loaded):
        return Diagnosis("Neuron driver", Level.OK, found)
    found = f"{loaded} runs, {installed} is installed"
    if remedy := _remedy(settings, installed):
        return Diagnosis("Neuron driver", Level.NOTE, f"{found} and comes with the next boot: {_fit(settings)}", remedy)
    return Diagnosis("Neuron driver", Level.MISSING, found, RELOAD)


def _remedy(settings: Settings, driver: str) -> str:
    """What to do about a driver that is a version out of the range of the profile's runtime; else nothing."""
    accepted = catalog.accepted_drivers(settings.stack.runtime)
    if not re.match(r"\d+\.\d+", driver) or accepted.accepts(driver):
        return ""
    return catalog.trouble("driver-too-new" if accepted.is_too_new(driver) else "driver-too-old").fix


def _fit(settings: Settings) -> str:
    stack = settings.stack
    return f"runtime {stack.runtime} of {stack.name} goes with {catalog.accepted_drivers(stack.runtime)}"


def devices(settings: Settings) -> Diagnosis:
    """Which devices neuron-ls and /dev show, compared with the instance's."""
    subject, wanted = "Neuron devices", settings.hardware.chips
    files = sorted(paths.devices().glob("neuron[0-9]*"), key=lambda path: int(re.sub(r"\D", "", path.name)))
    if not files:
        remedy = f"on a machine without the chip use lane='rehearsal'. {catalog.trouble('no-device-file').fix}"
        return Diagnosis(subject, Level.MISSING, f"no {paths.devices()}/neuron*", remedy)
    try:
        seen = _neuron_ls()
    except LabError as error:
        remedy = catalog.trouble("driver-too-old").fix
        return Diagnosis(subject, Level.MISSING, f"{len(files)} files, but {error}", remedy)
    if seen is None:
        remedy = "`sudo apt-get install aws-neuronx-tools` (or dnf); the container does not need it"
        return Diagnosis(subject, Level.NOTE, f"{len(files)} files; no neuron-ls to ask", remedy)
    return _judge(subject, seen, wanted, settings)


def cores_in_use(settings: Settings) -> Diagnosis | None:
    """Who owns NeuronCores already; nothing where neuron-ls cannot be asked."""
    try:
        seen = _neuron_ls()
    except LabError:
        seen = None
    if seen is None:
        return None
    owners = {process.pid: process.command for device in seen for process in device.processes}
    if not owners:
        return Diagnosis("NeuronCores", Level.OK, f"{sum(device.cores for device in seen)}, all free")
    shown = "; ".join(f"process {pid}: {command}" for pid, command in sorted(owners.items()))
    row = catalog.trouble("cores-taken")
    return Diagnosis("NeuronCores", Level.NOTE, f"in use by {shown}", f"{row.cause} {row.fix}")


def memory(settings: Settings) -> Diagnosis:
    """Whether the host has room to load the copies that are asked for: of the model's folder, once there is one."""
    total, folder = psutil.virtual_memory().total / GIB, ModelFolder.named(settings.model_name)
    try:
        made = plan_of(folder, settings) if folder.path.is_dir() else plan(settings)
    except LabError as error:
        remedy = f"see `inf2lab lint {paths.shown(folder.path)}`"
        return Diagnosis("memory", Level.NOTE, f"{total:.0f} GiB; {error}", remedy)
    host = host_needs(made.request, settings.copies)
    found = f"{total:.0f} GiB; loading takes up to {host.peak_gib:.0f}, {made.request.read.text}"
    if host.peak_gib <= total:
        return Diagnosis("memory", Level.OK, found)
    level = Level.NOTE if host.split_gib <= total else Level.MISSING
    return Diagnosis("memory", level, found, catalog.trouble("host-memory").fix)


def disk(settings: Settings) -> Diagnosis:
    """Whether the volume of this clone, where the container's caches are, has room."""
    return room("disk of this clone", paths.root())


def room(subject: str, folder: Path) -> Diagnosis:
    """Whether a folder's volume has room for image and checkpoints."""
    free = shutil.disk_usage(folder).free / GIB
    if free >= DISK_GIB:
        return Diagnosis(subject, Level.OK, f"{free:.0f} GiB free")
    row = catalog.trouble("disk-full")
    return Diagnosis(subject, Level.MISSING, f"{free:.1f} GiB free, {DISK_GIB} are needed", f"{row.cause} {row.fix}")


def _judge(subject: str, seen: tuple[NeuronDevice, ...], wanted: int, settings: Settings) -> Diagnosis:
    numbers = [device.number for device in seen]
    size = sum(device.memory for device in seen) / GIB
    shown = f"{len(seen)} with {sum(device.cores for device in seen)} cores and {size:.0f} GiB"
    if numbers != list(range(len(seen))):
        found = f"{shown}, numbered {', '.join(map(str, numbers))}"
        return Diagnosis(subject, Level.MISSING, found, catalog.trouble("devices-not-contiguous").fix)
    if len(seen) != wanted:
        remedy = f"name the instance as it is: instance= or INF2LAB_INSTANCE (now {settings.instance})"
        return Diagnosis(subject, Level.NOTE, f"{shown}; {settings.instance} has {wanted}", remedy)
    apart = [device.number for device in seen if not _in_ring(device, len(seen))]
    if settings.hardware.topology == "ring" and apart:
        remedy = "the plan counts on a ring by number; `neuron-ls --topology` shows the links"
        return Diagnosis(subject, Level.NOTE, f"{shown}; {', '.join(map(str, apart))} joined otherwise", remedy)
    return Diagnosis(subject, Level.OK, shown)


def _in_ring(device: NeuronDevice, count: int) -> bool:
    return set(device.connected_to) == {(device.number - 1) % count, (device.number + 1) % count}


def _neuron_ls() -> tuple[NeuronDevice, ...] | None:
    """What neuron-ls says; None where it is not installed. Raises LabError with its own words where it fails."""
    path = shutil.which("neuron-ls", path=f"{os.environ.get('PATH', '')}:{TOOLS}")
    if path is None:
        return None
    done = subprocess.run([path, "--json-output"], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).split())[:160]
        raise LabError(f"neuron-ls ended with code {done.returncode}: {words}")
    return parse_neuron_ls(done.stdout)


@cache
def query_for_packages() -> tuple[str, ...]:
    """The command that prints the version of an installed package on this distribution; empty if none is known."""
    if shutil.which("dpkg-query"):
        return ("dpkg-query", "--show", "--showformat", "${Version}")
    return ("rpm", "--query", "--queryformat", "%{VERSION}") if shutil.which("rpm") else ()


def _installed() -> dict[str, str]:
    """The versions of the driver's and the tools' packages that are installed."""
    found: dict[str, str] = {}
    if (query := query_for_packages()) is None:
        return found
    for name in PACKAGES:
        done = subprocess.run([*query, name], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip():
            found[name] = done.stdout.strip()
    return found
