"""What all tests share: the root, its tools as modules, a clean environment, a free port, a Docker engine."""

from __future__ import annotations

import fcntl
import functools
import gc
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import typer.main

from tests.support import ports

pytest_plugins = ["warm_worker", "warm_kernel"]

# A slow machine fails no property: neither for one slow example nor for slow draws.
hypothesis.settings.register_profile(
    "any speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any speed")

ROOT = Path(__file__).resolve().parents[1]
for folder in (
    "tools",
    "tools/notebooks",
    "tools/pages",
    "tools/translation",
):  # the builders are scripts, not a package
    sys.path.insert(0, str(ROOT / folder))

# PyTorch is imported as a worker imports it, in half the time, in each of the processes that share the tests.
runpy.run_path(str(ROOT / "lib" / "rehearsal" / "neuron" / "sitecustomize.py"))

# Thousands of tests are kept until the end: looking through them for garbage took a quarter of collecting them.
gc.set_threshold(50_000)

# Typer reads all commands anew at each call of one, longer than most of them take; before typer.testing has its name.
typer.main.get_command = functools.cache(typer.main.get_command)

# Threads of PyTorch that wait for each other would spin: where other work has the core, a step takes 30 times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A process of pytest-xdist is told a width, which the command line's console would keep to.
os.environ.pop("COLUMNS", None)
# A reader's settings must not change a test; only the cache of downloads is shared.
for name in [name for name in os.environ if name.startswith("INF2LAB_") and name != "INF2LAB_CACHE"]:
    del os.environ[name]
os.environ.pop("HF_TOKEN", None)
# A shell starts what runs in the background with Ctrl-C ignored, and every process of a test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The files that take longest, in this order before all others: one that began last would be waited for alone.
LONGEST = [
    "notebooks/test_tutorial.py",
    "models/test_smollm2.py",
    "docker/test_container_lane.py",
    "browser/test_person.py",
    "rehearsal/server/test_lifecycle.py",
    "inf2lab/drills/test_drills.py",
    "inf2lab/aws/test_failures.py",
    "rehearsal/server/test_odd.py",
    "inf2lab/aws/test_endpoint.py",
    "models/test_tiny_opt.py",
    "inf2lab/prove/test_prove.py",
    "inf2lab/weights/test_downloads.py",
    "rehearsal/server/test_golden.py",
    "inf2lab/lint/test_rules.py",
    "inf2lab/serving/test_rehearsal.py",
    "rehearsal/server/test_odd_folders.py",
    "notebooks/test_run_notebooks.py",
    "notebooks/test_exercises.py",
    "notebooks/test_written_handler.py",
    "rehearsal/server/test_cores.py",
    "inf2lab/scale/ray/test_ray_server.py",
    "inf2lab/test_chip_lane.py",
    "cloud_lane/test_commands_inf2.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first, and mark `live` those that ask for Ray's environment."""
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
    for item in items:
        if "scale_environment" in getattr(item, "fixturenames", ()):
            item.add_marker("live")


def pytest_collection_finish() -> None:
    """Look through what was collected no more: it stays."""
    gc.freeze()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(autouse=True)
def _alone_on_the_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests run in several processes, but there is one engine, and its containers have names that all of them use."""
    if "engine" not in request.fixturenames:
        yield
        return
    with (Path(tempfile.gettempdir()) / "inf2lab-tests-engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def emulated_instance(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of an emulated instance whose NeuronCores this process may own, and no process of another run."""
    return str(tmp_path_factory.mktemp("instance") / "cores")


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens now, nor on the next one."""
    return ports.free_port(1)


def no_engine() -> str:
    """Why there is no engine to test with; empty where there is one."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    done = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, check=False
    )
    return done.stderr.strip().partition("\n")[0] if done.returncode else ""


@pytest.fixture(scope="session")
def engine() -> str:
    """The engine's version; without an engine the tests are skipped, or fail where REQUIRE_DOCKER is set."""
    reason = no_engine()
    if reason and os.environ.get("REQUIRE_DOCKER"):
        pytest.fail(f"REQUIRE_DOCKER is set, and there is no engine: {reason}")
    if reason:
        pytest.skip(f"no Docker engine: {reason}")
    words = ["docker", "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="session")
def scale_environment() -> None:
    """Skips unless REQUIRE_SCALE is set: these tests take minutes. Then a missing environment is a failure."""
    if not os.environ.get("REQUIRE_SCALE"):
        pytest.skip("`make test-scale` runs this: a live Ray cluster, some minutes")
    from inf2lab.errors import ServerError
    from inf2lab.scale.ray.environment import environment_python

    try:
        environment_python()
    except ServerError as error:
        pytest.fail(f"REQUIRE_SCALE is set: {error}")
