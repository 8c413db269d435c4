"""A live Ray cluster of emulated nodes for the tests that are marked with it; it takes Ray's own environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from inf2lab import Settings
from inf2lab.errors import ServerError
from inf2lab.scale.ray_environment import environment_python
from inf2lab.scale.ray_light import light_folder
from inf2lab.scale.ray_local import RayCluster
from inf2lab.scale.ray_spec import RaySpec


@pytest.fixture(scope="session")
def scale_environment() -> None:
    """Skips unless REQUIRE_SCALE is set: these tests take minutes. Then a missing environment is a failure."""
    if not os.environ.get("REQUIRE_SCALE"):
        pytest.skip("`make test-scale` runs this: a live Ray cluster, some minutes")
    try:
        environment_python()
    except ServerError as error:
        pytest.fail(f"REQUIRE_SCALE is set: {error}")


@pytest.fixture(scope="module")
def place(scale_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """INF2LAB_LOGS while the cluster starts and for what it starts."""
    folder = tmp_path_factory.mktemp("scale")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INF2LAB_LOGS", str(folder / "logs"))
        yield folder


@pytest.fixture(scope="module")
def cluster(place: Path) -> Iterator[RayCluster]:
    """24, 24 and 12 NeuronCores; when the tests are done, nothing of it may be left that had to be killed."""
    with RayCluster() as running:
        yield running
        assert running.close() == []


@pytest.fixture(scope="module")
def spec(place: Path) -> RaySpec:
    """The light folder at 8 NeuronCores a replica, from one to seven replicas."""
    return RaySpec.of(Settings(), light_folder(at=place / "light"))
