"""What a container needs of the machine it runs on: devices, a folder its user can read, a free name, room to write."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from inf2lab import catalog, paths
from inf2lab.errors import FolderError, ServerError
from inf2lab.folder import ModelFolder
from inf2lab.serving import docker
from inf2lab.serving.docker_line import Line
from inf2lab.serving.docker_run import CONTAINER_USER


def check_devices(line: Line) -> None:
    """Raise ServerError if the machine lacks a device that the copies sit on."""
    wanted = line.devices
    missing = [path for path in wanted if not path.exists()]
    if missing:
        found, row = len(paths.device_files()), catalog.trouble("no-device-file")
        raise ServerError(
            f"no {missing[0]}: {line.asks_for} needs {len(wanted)} Neuron devices, {found} are here: "
            f"use lane='rehearsal' without the chip. {row.cause} {row.fix}"
        )


def check_readable(folder: ModelFolder) -> None:
    """Raise FolderError if the container's user may not read all of a model folder."""
    for path in (folder.path, *folder.path.rglob("*")):
        seen = path.stat()
        needed = 0o5 if path.is_dir() else 0o4
        if seen.st_uid != CONTAINER_USER and seen.st_mode & needed != needed:
            reason = (
                f"the container's user {CONTAINER_USER} may not read it: `chmod -R o+rX {paths.shown(folder.path)}`"
            )
            raise FolderError(paths.shown(path), reason)


def free_name(name: str) -> None:
    """Remove this clone's ended container of that name; raises ServerError if another one has it."""
    seen = docker.find(name)
    if seen is None:
        return
    if not seen.is_ours or seen.running:
        raise ServerError(
            f"there is a container {seen.name} already ({seen.state}): "
            f"stop it with `inf2lab stop`, or `docker rm --force {seen.name}`"
        )
    docker.remove(seen.id, patience_s=0)


def make_writable(folders: Iterable[Path]) -> None:
    """Make the folders that the container writes, and let its user write them; raises ServerError.

    Root gives them away; any other user opens them to all.
    """
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if os.geteuid() == 0:
                os.chown(folder, CONTAINER_USER, CONTAINER_USER)
            elif os.geteuid() != CONTAINER_USER:
                folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o777)
        except PermissionError:
            row = catalog.trouble("log-folder")
            raise ServerError(
                f"{paths.shown(folder)} cannot be made writable for the container's user {CONTAINER_USER}: "
                f"`sudo chown -R {CONTAINER_USER} {paths.shown(folder)}` ({row.symptom})"
            ) from None
