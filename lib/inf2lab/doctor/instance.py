"""What the chip's lane needs of an instance: driver, devices, free cores, a user the container can work with, room."""

import grp
import os
import re
import shutil
import stat
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
from inf2lab.serving import CONTAINER_USER, is_closed
from inf2lab.settings import Settings
from neuron_rules import GIB

TOOLS = "/opt/aws/neuron/bin"  # not on PATH under systemd and sudo
DRIVER = Path("/sys/module/neuron")  # there while the module is loaded
PACKAGES = ("aws-neuronx-dkms", "aws-neuronx-tools")
RELOAD = "stop what uses it (a notebook's kernel does), then `sudo rmmod neuron && sudo modprobe neuron`"
TOOLS_AGAIN = "`sudo apt-get install aws-neuronx-tools` (or dnf)"
OPEN_TO_A_GROUP = 'a udev rule opens them to a group: `KERNEL=="neuron*", GROUP="neuron", MODE="0660"`'
ANSWER_S = 30  # of neuron-ls
DISK_GIB = 100  # the image and the checkpoints of OPT-13B, whole and split


class _Refused(LabError):
    """neuron-ls did not do what it was asked for; what it said is its own."""


def user(settings: Settings) -> Diagnosis:
    """Whether the container can write what this user owns."""
    uid = os.getuid()
    if uid in (0, CONTAINER_USER):
        return Diagnosis("user", Level.OK, f"uid {uid}")
    remedy = "the lab opens the mounted folders to everybody. " + catalog.trouble("log-folder").fix
    return Diagnosis("user", Level.NOTE, f"uid {uid}, and the container's is {CONTAINER_USER}", remedy)


def driver(settings: Settings) -> Diagnosis:
    """Whether the kernel has a Neuron driver that goes with the profile's container."""
    stack = settings.stack
    return judge_driver(catalog.accepted_drivers(stack.runtime), stack.name)


def judge_driver(
    accepted: catalog.DriverRange, owner: str, remedy: str = "", *, unsaid: Level = Level.MISSING
) -> Diagnosis:
    """Whether the kernel has the Neuron driver, in which version, and whether that goes with the owner's runtime.

    Without a `remedy` for one that does not, it is that of the table of troubles. `unsaid` is how bad it is that a
    driver is older than the runtime's own, while no release note says that the runtime refuses it.
    """
    versions = _installed()
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    if not DRIVER.exists():
        found = f"not loaded ({shown})" if shown else "not loaded"
        return Diagnosis("Neuron driver", Level.MISSING, found, catalog.trouble("no-device-file").fix)
    version = DRIVER / "version"
    loaded = version.read_text().strip() if version.is_file() else "loaded"
    found = f"{loaded} ({shown})" if shown else loaded
    installed = versions.get("aws-neuronx-dkms", "")
    if (level := _misfit(accepted, loaded, unsaid)) is not Level.OK:
        said = f"{found}: {_fit(accepted, owner)}"
        return Diagnosis("Neuron driver", level, said, remedy or _remedy(accepted, loaded))
    if loaded == "loaded" or not installed or installed.startswith(loaded.partition("-")[0]):
        return Diagnosis("Neuron driver", Level.OK, found)
    found = f"{loaded} runs, {installed} is installed"
    if _misfit(accepted, installed, unsaid) is not Level.OK:
        found = f"{found} and comes with the next boot: {_fit(accepted, owner)}"
        return Diagnosis("Neuron driver", Level.NOTE, found, remedy or _remedy(accepted, installed))
    return Diagnosis("Neuron driver", Level.MISSING, found, RELOAD)


def _misfit(accepted: catalog.DriverRange, driver: str, unsaid: Level) -> Level:
    """How bad it is that a driver is out of the range of a runtime; ok for one in it, and where no version is known."""
    if not re.match(r"\d+\.\d+", driver) or accepted.accepts(driver):
        return Level.OK
    return Level.MISSING if accepted.refuses(driver) else unsaid


def _remedy(accepted: catalog.DriverRange, driver: str) -> str:
    """What to do about a driver that is out of the range of a runtime."""
    return catalog.trouble("driver-too-new" if accepted.is_too_new(driver) else "driver-too-old").fix


def _fit(accepted: catalog.DriverRange, owner: str) -> str:
    return f"runtime {accepted.runtime} of {owner} goes with {accepted}"


def devices(settings: Settings) -> Diagnosis:
    """Which devices neuron-ls and /dev show, compared with the instance's."""
    subject, wanted = "Neuron devices", settings.hardware.chips
    files = paths.device_files()
    if not files:
        remedy = f"on a machine without the chip use lane='rehearsal'. {catalog.trouble('no-device-file').fix}"
        return Diagnosis(subject, Level.MISSING, f"no {paths.devices()}/neuron*", remedy)
    try:
        seen = _neuron_ls()
    except _Refused as error:
        row = catalog.recognise(str(error))
        remedy = row.fix if row else f"`sudo neuron-ls` may say more; else {RELOAD}"
        return Diagnosis(subject, Level.MISSING, f"{len(files)} files, but {error}", remedy)
    except LabError as error:
        return Diagnosis(subject, Level.MISSING, f"{len(files)} files, but {error}", TOOLS_AGAIN)
    if seen is None:
        remedy = f"{TOOLS_AGAIN}; the container does not need it"
        return Diagnosis(subject, Level.NOTE, f"{len(files)} files; no neuron-ls to ask", remedy)
    return _judge(subject, seen, wanted, settings)


def permission(settings: Settings) -> Diagnosis | None:
    """Whether the container's user may open the device files, and who asks here; nothing where everybody may.

    The container is given the group of a file that is closed to others (Neuron SDK, about-neuron/security.rst, advises
    GROUP=neuron, MODE=0660).
    """
    closed = [path for path in paths.device_files() if is_closed(path.stat())]
    if not closed:
        return None
    lost = [path for path in closed if not _may_open(path.stat())]
    unasked = [path for path in closed if not os.access(path, os.R_OK | os.W_OK)]
    subject, shown = "device files", (lost or unasked or closed)[0]
    seen = shown.stat()
    group = _name_of_group(seen.st_gid)
    found = f"{shown} is {stat.filemode(seen.st_mode)}, of group {group}"
    if lost:
        return Diagnosis(subject, Level.MISSING, f"{found}: the container's user may not open it", OPEN_TO_A_GROUP)
    if not unasked:
        return Diagnosis(subject, Level.OK, f"{found}; the container is given the group")
    found = f"{found}: the container is given the group, and you are not in it, so neuron-ls cannot ask"
    joins = f"`sudo usermod -aG {group} $USER`, then log in again"
    return Diagnosis(subject, Level.NOTE, found, joins if seen.st_gid else OPEN_TO_A_GROUP)


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


def _may_open(seen: os.stat_result) -> bool:
    """Whether the container's user may open such a file, with its group."""
    return seen.st_mode & 0o060 == 0o060 or (seen.st_uid == CONTAINER_USER and seen.st_mode & 0o600 == 0o600)


def _name_of_group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _in_ring(device: NeuronDevice, count: int) -> bool:
    return set(device.connected_to) == {(device.number - 1) % count, (device.number + 1) % count}


def _neuron_ls() -> tuple[NeuronDevice, ...] | None:
    """What neuron-ls says; None where it is not installed. Raises LabError with its own words where it fails."""
    path = shutil.which("neuron-ls", path=f"{os.environ.get('PATH', '')}:{TOOLS}")
    if path is None:
        return None
    try:
        done = subprocess.run([path, "--json-output"], capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except subprocess.TimeoutExpired:
        raise _Refused(f"neuron-ls gave no answer within {ANSWER_S} s") from None
    except OSError as error:
        raise _Refused(f"neuron-ls cannot be run: {error.strerror}") from None
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).split())[:160]
        raise _Refused(f"neuron-ls ended with code {done.returncode}: {words}")
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
    if not (query := query_for_packages()):
        return found
    for name in PACKAGES:
        done = subprocess.run([*query, name], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip():
            found[name] = done.stdout.strip()
    return found
