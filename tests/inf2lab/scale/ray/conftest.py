"""A live Ray cluster of emulated nodes for the tests that are marked with it; it takes Ray's own environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inf2lab import Settings
from inf2lab.scale.ray.bench.cluster import RayCluster
from inf2lab.scale.ray.bench.light_folder import light_folder
from inf2lab.scale.ray.spec import RaySpec


@pytest.fixture(scope="module")
def place(scale_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """INF2LAB_LOGS while the cluster starts and for what it starts."""
    folder = tmp_path_factory.mktemp("scale")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INF2LAB_LOGS", str(folder / "logs"))
        yield folder


@pytest.fixture(scope="module")
def cluster(place: Path) -> Iterator[RayCluster]:
    """24 NeuronCores; when the tests are done, nothing of it may be left that had to be killed."""
    with RayCluster((24,)) as running:
        yield running
        assert running.close() == []


@pytest.fixture(scope="module")
def beside(place: Path) -> Iterator[RayCluster]:
    """A second cluster, of 8 NeuronCores and with Ray's HAProxy."""
    with RayCluster((8,), haproxy=True) as running:
        yield running


@pytest.fixture(scope="module")
def spec(place: Path) -> RaySpec:
    """The light folder at 8 NeuronCores a replica, from one to seven replicas."""
    return RaySpec.of(Settings(), light_folder(at=place / "light"))
