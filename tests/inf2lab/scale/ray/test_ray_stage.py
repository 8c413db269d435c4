"""The recorded run: complete, within the project's bounds, and what the stage shows where nothing is live."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from inf2lab import Settings
from inf2lab.errors import ServerError, SettingsError
from inf2lab.planning.queue import erlang_c
from inf2lab.scale import RayCluster, Stage, loss_table, overhead_table, queue_table
from inf2lab.scale.ray.bench.cluster import HOME, HOMES, OWNER, processes_of, sweep
from inf2lab.scale.ray.bench.record import FILE, Figures
from inf2lab.scale.ray.bench.tables import autoscaling, options_table
from inf2lab.scale.ray.bench.tail_picture import queue_curve


@pytest.fixture
def recorded(root: Path) -> Figures:
    return Figures.read(root / FILE)


def test_the_recorded_run_kept_the_bounds(recorded: Figures) -> None:
    grown, shrunk = recorded.grown, recorded.shrunk
    assert (grown.before, grown.after, grown.failed, grown.all_s <= 20) == (1, 7, 0, True)
    assert (shrunk.before, shrunk.after, shrunk.failed) == (7, 1, 0)
    assert [one.node for one in recorded.placement] == [0, 0, 0, 1, 1, 1, 2]
    for loss, bound in zip(recorded.losses, (10, 10, 40), strict=True):
        assert loss.failed <= loss.in_flight
        assert loss.failed_later == 0
        assert loss.back_s <= bound + loss.load_s
    assert [one.whole == one.streams for one in recorded.streams] == [False, True]
    assert [one.added_ms <= bound for one, bound in zip(recorded.overheads, (15, 4), strict=True)] == [True] * 2
    for queued in recorded.queued:
        assert queued.failed == 0
        assert 0.9 * queued.ideal_p90_s < queued.p90_s < 2 * queued.ideal_p90_s


def test_figures_survive_their_file(recorded: Figures, tmp_path: Path) -> None:
    recorded.write(tmp_path / "figures.json")
    assert Figures.read(tmp_path / "figures.json") == recorded


def test_the_stage_shows_the_recorded_run_and_says_so(recorded: Figures) -> None:
    stage = Stage(Settings(), "recorded")
    stage.start()
    assert not stage.live
    assert stage.says.startswith(f"recorded on {recorded.date}")
    assert (stage.grow(), stage.lose(), stage.placement()) == (recorded.grown, recorded.losses, recorded.placement)
    assert stage.close() == []


def test_without_rays_environment_the_run_is_the_recorded_one(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Stage(Settings()).live
    with pytest.raises(ServerError, match="make scale-env"):
        Stage(Settings(), "live").start()


def test_a_cluster_that_was_never_started_leaves_nothing(clone: Path) -> None:
    before = set(Path("/tmp").glob("inf2ray-*"))
    cluster = RayCluster()
    with pytest.raises(ServerError, match="make scale-env"):
        cluster.start()
    with pytest.raises(ServerError, match="not started"):
        cluster.replicas()
    assert cluster.close() == []
    assert set(Path("/tmp").glob("inf2ray-*")) <= before


def test_haproxys_socket_has_room_below_a_clusters_folder() -> None:
    """A digit more in the folder's name, and no cluster with it starts: "socket path too long (max 97)"."""
    below = f"haproxy/{'0' * 56}/admin.sock"
    assert len(f"{HOMES}/{HOME}{'x' * 8}/{below}") <= 97


def test_what_a_killed_run_left_ends_with_the_next_start_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four folders only that goes whose parent and whose program are both gone, with its processes."""
    monkeypatch.setattr("inf2lab.scale.ray.bench.cluster.HOMES", tmp_path)
    (gone := subprocess.Popen(["true"])).wait()
    owners = {"inf2ray-a": gone.pid, "inf2ray-b": gone.pid, "inf2ray-c": os.getpid()}
    homes = [tmp_path / name for name in owners]
    waits = [sys.executable, "-c", "import time; time.sleep(600)"]
    processes = []
    for home, words in zip(homes, ([], ["inf2lab.scale.ray.bench.nodes"], []), strict=True):
        (home / "home").mkdir(parents=True)
        (home / OWNER).write_text(str(owners[home.name]))
        processes.append(subprocess.Popen([*waits, *words], env={"HOME": str(home / "home")}))
    (tmp_path / "inf2ray-of-old").mkdir()
    try:
        while [len(processes_of(home)) for home in homes] != [1, 1, 1]:  # a fork has its parent's environment at first
            time.sleep(0.01)
        sweep()
        assert [home.exists() for home in homes] == [False, True, True]
        assert not psutil.pid_exists(processes[0].pid)
        assert [process.poll() for process in processes[1:]] == [None, None]
        assert (tmp_path / "inf2ray-of-old").exists()
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_cluster_that_ends_does_not_erase_why_another_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray is not in this environment, so its program ends at once and says so."""
    monkeypatch.setenv("INF2LAB_LOGS", str(tmp_path))
    monkeypatch.setattr("inf2lab.scale.ray.bench.cluster.environment_python", lambda: Path(sys.executable))
    clusters = [RayCluster((8,)), RayCluster((8,))]
    for cluster in clusters:
        with pytest.raises(ServerError, match=r"ended; what it printed: \S+"):
            cluster.start()
    first, second = (cluster.log_path for cluster in clusters)
    assert first != second
    assert "No module named 'ray'" in first.read_text()
    assert (tmp_path / "ray" / "cluster.log").resolve() == second.resolve()


def test_the_environment_says_what_auto_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INF2LAB_CLUSTER", "live")
    assert Stage(Settings()).live
    assert not Stage(Settings(), "recorded").live
    monkeypatch.setenv("INF2LAB_CLUSTER", "recorded")
    assert not Stage(Settings()).live


@pytest.mark.parametrize("word", ["", "yes", "Live"])
def test_another_word_is_named(word: str) -> None:
    with pytest.raises(SettingsError, match="use one of auto, live, recorded"):
        Stage(Settings(), word)


def test_the_nodes_are_emulated_in_either_lane() -> None:
    assert Stage(Settings(lane="inf2"), "recorded").settings.lane == "rehearsal"


def test_tables_hold_what_was_counted(recorded: Figures) -> None:
    failed = replace(recorded.losses[0], what="a mast", failed=17)
    assert "a mast" in loss_table([failed])
    assert " 17 " in loss_table([failed])
    plain = overhead_table(recorded.overheads).splitlines()
    assert [line.split()[0] for line in plain[1:]] == ["Python", "HAProxy"]
    text = queue_table([replace(recorded.queued[0], ideal_p50_s=0.111, p50_s=0.222, p90_s=0.333)])
    for words in ("5 requests/s on 3 replicas", "formula   same arrivals   measured", " 111 ", " 222", " 333"):
        assert words in text


def test_the_options_name_rays_defaults_that_hurt(tmp_path: Path) -> None:
    text = options_table(Stage(Settings(), "recorded").spec)
    for words in ("cores a replica                   8", "Ray's default is 5", "Ray's is 20", "Ray's is 0.5"):
        assert words in text


def test_the_tail_leaves_the_median_as_the_replicas_fill(recorded: Figures) -> None:
    picture = queue_curve(recorded.queued)
    axes = picture.axes[0]
    tail, median = (list(axes.lines[number].get_ydata()) for number in (0, 1))
    assert tail == sorted(tail)
    assert tail[-1] - tail[0] > 3 * (median[-1] - median[0])
    assert "218 ms at 36% use and 423 ms at 72% use" in picture.alt
    assert picture.to_png().startswith(b"\x89PNG")


def test_the_formula_of_the_notebook_is_the_planners(recorded: Figures) -> None:
    """p90 = s + ln(10 C) / (2 (c / s - rate)), and never less than s."""
    for one in recorded.queued:
        busy = erlang_c(one.replicas, one.rate * one.service_s)
        spare = one.replicas / one.service_s - one.rate
        written = one.service_s + max(0.0, math.log(10 * busy) / (2 * spare))
        assert one.predicted.p90_s == pytest.approx(written)


def test_the_picture_says_what_it_shows(recorded: Figures) -> None:
    picture = autoscaling(recorded.grown, recorded.shrunk)
    assert "from 1 to 7 replicas" in picture.alt
    assert picture.to_png().startswith(b"\x89PNG")
