"""The played instance refuses what a real one refuses, and its time goes by sizes and rates alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from inf2lab import ModelFolder, catalog, write_properties
from tests.support import played_machine
from tests.support.played_instance import PlayedInstance

STATED = {"option.model_id": "facebook/opt-13b", "option.n_positions": 2048, "option.model_loading_timeout": 7200}
DRIVERS = {row.driver for row in catalog.driver_facts().releases.values()}


def end_of_load(machine: PlayedInstance, folder: ModelFolder) -> tuple[str, float]:
    """How a container that serves a folder ends its load, and after how many minutes."""
    mounts = {f"/opt/ml/model/{folder.name}": str(folder.path)}
    layer = str(machine.folder / "layer")
    container = {"model": str(folder.path), "mounts": mounts, "env": {}, "layer": layer, "forgets": False}
    played_machine.timeline(machine.read(), container)
    return container["end"], container["ends_at"] / 60


def folder_of(tmp_path: Path, handler: str, **changes: object) -> ModelFolder:
    """A folder with a handler of its own."""
    folder = ModelFolder(tmp_path / "opt13b")
    write_properties(folder.properties_path, STATED | changes)
    folder.handler_path.write_text(f"AutoModelForCausalLM.from_pretrained(name, {handler}low_cpu_mem_usage=True)\n")
    return folder


HALF = 'torch_dtype="auto", '


@pytest.mark.parametrize("driver", sorted(DRIVERS))
def test_the_runtime_starts_on_the_drivers_of_the_catalog_and_no_others(driver: str, tmp_path: Path) -> None:
    machine = PlayedInstance.make(tmp_path / "machine", driver=driver)
    fits = catalog.accepted_drivers(catalog.profile("djl-0.25").runtime).accepts(driver)
    assert (played_machine.nrt_refusal(machine.read()) == "") is fits


@pytest.mark.parametrize(
    ("handler", "host_gib", "end"),
    [(HALF, 64, "ready"), ("", 64, "ready"), (HALF, 54, "ready"), ("", 54, "killed"), (HALF, 32, "killed")],
)
def test_a_load_beyond_the_host_s_memory_is_killed(handler: str, host_gib: int, end: str, tmp_path: Path) -> None:
    machine = PlayedInstance.make(tmp_path / "machine", host_gib=host_gib)
    assert end_of_load(machine, folder_of(tmp_path, handler))[0] == end


def test_twenty_six_gigabytes_take_forty_minutes_and_less_on_a_faster_disk(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, HALF)
    slow = PlayedInstance.make(tmp_path / "slow", host_gib=128)
    fast = PlayedInstance.make(tmp_path / "fast", host_gib=128, disk_mb_s=500)
    assert end_of_load(slow, folder) == ("ready", pytest.approx(40, abs=1))
    assert end_of_load(fast, folder)[1] < end_of_load(slow, folder)[1] - 5


def test_the_server_gives_up_when_the_folder_s_time_is_over(tmp_path: Path) -> None:
    machine = PlayedInstance.make(tmp_path / "machine", host_gib=128)
    folder = folder_of(tmp_path, HALF, **{"option.model_loading_timeout": 1200})
    assert end_of_load(machine, folder) == ("timed out", 20)


def test_an_image_that_is_gone_is_refused_and_another_takes_time(tmp_path: Path) -> None:
    there = PlayedInstance.make(tmp_path / "there")
    gone = PlayedInstance.make(tmp_path / "gone", gone=True)
    image, began = catalog.profile("djl-0.25").image, there.clock()
    assert there.run(f"docker pull --quiet {image}").returncode == 0
    assert (there.clock() - began).total_seconds() == pytest.approx(9000 / 80)
    refused = gone.run(f"docker pull --quiet {image}")
    assert (refused.returncode, "manifest unknown" in refused.stderr) == (1, True)


def test_a_program_that_is_asked_for_what_nobody_plays_fails_alone(tmp_path: Path) -> None:
    """One process plays all of them: it would take every later one with it."""
    machine = PlayedInstance.make(tmp_path / "machine")
    failed = machine.run("docker swarm init")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "KeyError: 'swarm'" in failed.stderr
    assert machine.run("docker version").stdout == "27.3.1\n"
    assert machine.run("date +%s; date -u -d @0 +%Y").stdout == f"{int(machine.read()['now'])}\n1970\n"
