"""A real Docker engine, an image with the rehearsal at the real image's paths, and device files to map into it."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from inf2lab import ModelFolder, Settings, write_properties
from inf2lab.serving import stop_everything
from inf2lab.serving.docker_run import HOST_MANAGEMENT_OFFSET
from tests.support import chip_image, ports

WriteFolder = Callable[..., ModelFolder]
MakeSettings = Callable[..., Settings]


@pytest.fixture(scope="session")
def image(engine: str) -> Iterator[str]:
    """The rehearsal at the real image's paths; each process of tests removes its own."""
    name = chip_image.build(f"inf2lab-chip-rehearsal:tests-{os.getpid()}")
    yield name
    subprocess.run(["docker", "rmi", "--force", name], capture_output=True, check=False)


@pytest.fixture(scope="session")
def mounts(engine: str) -> str:
    """The further options that the image lives on."""
    return chip_image.docker_options()


@pytest.fixture(scope="session")
def has_bridge(engine: str) -> bool:
    """Whether the engine has the bridge network; ours in continuous integration has not."""
    words = ["docker", "network", "ls", "--format", "{{.Name}}"]
    return "bridge" in subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """INF2LAB_ROOT, _LOGS and _DEVICES: a clone of its own on a machine with twelve Neuron devices."""
    folder = (tmp_path / "clone").resolve()
    for name in ("notebooks", "lib/inf2lab", "models"):
        (folder / name).mkdir(parents=True)
    monkeypatch.setenv("INF2LAB_ROOT", str(folder))
    monkeypatch.setenv("INF2LAB_LOGS", str(folder / "logs"))
    monkeypatch.setenv("INF2LAB_DEVICES", str(chip_image.make_devices(tmp_path / "dev", 12)))
    yield folder
    monkeypatch.setenv("INF2LAB_ROOT", str(folder))
    monkeypatch.setenv("INF2LAB_LOGS", str(folder / "logs"))
    stop_everything(patience_s=1)


@pytest.fixture
def write_folder(clone: Path) -> WriteFolder:
    """A function that writes a model folder into the clone."""

    def write(name: str, handler: str, properties: Mapping[str, object] | None = None) -> ModelFolder:
        folder = ModelFolder(clone / "models" / name)
        folder.path.mkdir(exist_ok=True)
        write_properties(folder.properties_path, {"engine": "Python"} | dict(properties or {}))
        folder.handler_path.write_text(handler)
        return folder

    return write


@pytest.fixture
def free_port() -> int:
    """A port on which nothing listens now, nor on the one that management takes on the host's network."""
    return ports.free_port(HOST_MANAGEMENT_OFFSET)


@pytest.fixture
def settings(image: str, mounts: str, clone: Path, free_port: int) -> MakeSettings:
    """A function that makes settings of the chip's lane for this image, on the host's network."""

    def make(*, also: str = "", **choices: object) -> Settings:
        options = shlex.join([*shlex.split(mounts), *shlex.split(also)])
        given: dict[str, object] = {"port": free_port, "image": image, "network": "host", "docker_options": options}
        return Settings(lane="inf2", **(given | choices))

    return make
