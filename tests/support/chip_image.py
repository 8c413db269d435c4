"""The chip's lane without the chip: an image with the rehearsal at the real image's paths, and device files to map.

    eval "$(python tests/support/chip_image.py)"     makes image and devices, and prints the variables that name them
    inf2lab serve models/opt13b --lane inf2  then runs the very command of an instance

The image itself is some text files; this machine's Python, its packages and lib/ are mounted into it, so it runs
here only. Its container proves the command, the mounts, the user, the waiting and the stopping; nothing about a chip.
"""

from __future__ import annotations

import argparse
import io
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from inf2lab import paths
from inf2lab.weights import standins
from inf2lab.weights.cache import Repository

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "inf2lab-chip-rehearsal:latest"
LIB, CACHE = "/rehearsal/lib", "/rehearsal/cache"  # inside

ENTRY_POINT = """\
#!/bin/sh
# As the original: `serve` starts the server, and again while it ends with 77. Cores are counted by device files.
if [ "$1" = serve ]; then
    shift
    devices=$(ls -d /dev/neuron[0-9]* 2>/dev/null | wc -l)
    code=77
    while [ "$code" -eq 77 ]; do
        python3 -m rehearsal.server --neuron-cores $((devices * 2)) "$@"
        code=$?
    done
    exit "$code"
fi
exec "$@"
"""
CONFIGURATION = """\
inference_address=http://0.0.0.0:8080
management_address=http://0.0.0.0:8080
model_store=/opt/ml/model
load_models=ALL
"""
FILES = {
    "usr/local/bin/dockerd-entrypoint.sh": (0o755, ENTRY_POINT),
    "opt/djl/conf/config.properties": (0o644, CONFIGURATION),
    "etc/passwd": (0o644, "root:x:0:0::/:/bin/sh\ndjl:x:1000:1000::/opt/djl:/bin/sh\n"),
    "etc/group": (0o644, "root:x:0:\ndjl:x:1000:\n"),
}
FOLDERS = {"tmp": 0o1777, "opt/djl": 0o777, "opt/djl/logs": 0o777, "opt/ml/model": 0o755}
SYSTEM = ("/usr/bin", "/usr/lib", "/usr/lib64")  # of this machine: the C library, sh, what the packages link to


def build(image: str = IMAGE, *, files: Mapping[str, tuple[int, str]] = FILES) -> str:
    """Makes the image in the engine from {path: (mode, text)}, and returns its name."""
    python = Path(sys.prefix).resolve() / "bin"
    environment = {
        "PATH": f"{python}:/usr/local/bin:/usr/bin",
        "MODEL_SERVER_HOME": "/opt/djl",
        "HOME": "/opt/djl",
        "PYTHONPATH": LIB,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "INF2LAB_CACHE": CACHE,
        "HF_HUB_OFFLINE": "1",
        # As the image of 0.25 sets them: a command that says HF_HOME alone loses its downloads with the container.
        "HUGGINGFACE_HUB_CACHE": "/tmp/.cache/huggingface/hub",
        "TRANSFORMERS_CACHE": "/tmp/.cache/huggingface/transformers",
        "REHEARSAL_TNX_GENERATION": "0.8",
        "NEURON_CC_FLAGS": "--logfile /tmp/compile.log --temp-dir=/tmp",
    }
    changes = [f'ENV {name}="{value}"' for name, value in environment.items()]
    changes += [
        'ENTRYPOINT ["/usr/local/bin/dockerd-entrypoint.sh"]',
        'CMD ["serve"]',
        "WORKDIR /opt/djl",
        "EXPOSE 8080",
    ]
    words = [word for change in changes for word in ("--change", change)]
    subprocess.run(["docker", "import", *words, "-", image], input=_tar(files), check=True, capture_output=True)
    return image


def docker_options() -> str:
    """Returns what goes into Settings.docker_options: the mounts that the image lives on."""
    worker = subprocess.run(
        [sys.executable, "-m", "rehearsal.server.workers.package"], capture_output=True, text=True, check=True
    )
    package = Path(worker.stdout.strip())
    here = {Path(path).resolve() for path in (sys.prefix, sys.base_prefix)}
    mounts = {str(path): str(path) for path in [*map(Path, SYSTEM), *sorted(here)] if path.is_dir()}
    mounts |= {str(ROOT / "lib"): LIB, str(package): f"{CACHE}/worker/{package.name}"}
    return shlex.join(word for host, inside in mounts.items() for word in ("-v", f"{host}:{inside}:ro"))


def make_devices(folder: Path, count: int) -> Path:
    """Makes neuron0, neuron1, ... in a folder, as devices that swallow everything, and returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"neuron{number}"
        path.unlink(missing_ok=True)
        try:
            os.mknod(path, stat.S_IFCHR, os.makedev(1, 3))  # /dev/null's numbers
            path.chmod(0o666)
        except PermissionError:
            path.symlink_to("/dev/null")  # Docker follows it
    return folder


def put_weights(model_id: str, cache: Path) -> None:
    """Puts the stand-in for a model where the container finds its downloads: `cache` is its HF_HOME."""
    prepared = standins.prepare(model_id)
    place = Repository(cache, model_id)
    shutil.copytree(prepared.snapshot, place.snapshot(prepared.snapshot.name), dirs_exist_ok=True)
    place.point("main", prepared.snapshot.name)
    for path in (cache, *cache.rglob("*")):  # another user reads it
        path.chmod(0o755 if path.is_dir() else 0o644)


def _tar(files: Mapping[str, tuple[int, str]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("lib", "lib64", "bin"):
            _add(tar, name, 0o777, link=f"usr/{name}")
        for name, mode in FOLDERS.items():
            _add(tar, name, mode, kind=tarfile.DIRTYPE)
        for name, (mode, text) in files.items():
            _add(tar, name, mode, text=text)
    return buffer.getvalue()


def _add(
    tar: tarfile.TarFile, name: str, mode: int, *, text: str = "", link: str = "", kind: bytes = tarfile.REGTYPE
) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = mode, len(text.encode())
    entry.type, entry.linkname = (tarfile.SYMTYPE, link) if link else (kind, "")
    tar.addfile(entry, io.BytesIO(text.encode()))


def main() -> int:
    """Makes everything and prints the variables; returns the exit code."""
    parser = argparse.ArgumentParser(description="Rehearse the chip's lane in a container.")
    parser.add_argument("--devices", type=int, default=12, help="how many (default 12, as an inf2.48xlarge)")
    parser.add_argument("--model", default="facebook/opt-13b", help="model that the stand-in plays")
    arguments = parser.parse_args()
    put_weights(arguments.model, paths.container_cache() / "huggingface")
    variables = {
        "INF2LAB_IMAGE": build(),
        "INF2LAB_DOCKER_OPTIONS": docker_options(),
        "INF2LAB_DEVICES": str(make_devices(paths.container_cache() / "devices", arguments.devices)),
    }
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
