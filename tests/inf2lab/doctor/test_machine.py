"""inf2lab.doctor on any machine: each finding in each of its states, and that looking changes nothing."""

from __future__ import annotations

import shutil
import socket
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from inf2lab import Settings
from inf2lab.doctor import Diagnosis, examine
from inf2lab.doctor import machine as checks
from neuron_rules import GIB

Usage = namedtuple("Usage", "total used free")
Memory = namedtuple("Memory", "available")


@pytest.fixture
def settings(free_port: int) -> Settings:
    """The defaults on a free port."""
    return Settings(port=free_port)


@pytest.fixture
def machine(clone: Path, cache: Path) -> Path:
    """An empty clone with one pin that holds, and an empty cache."""
    (clone / "requirements.txt").write_text(f"# reasons\npsutil=={psutil.__version__}  # a reason\n")
    return clone


def found(settings: Settings, subject: str) -> Diagnosis:
    """The one finding about `subject`."""
    (finding,) = [finding for finding in examine(settings) if finding.subject == subject]
    return finding


def test_the_rehearsal_is_asked_what_it_needs(machine: Path, settings: Settings) -> None:
    assert [finding.subject for finding in examine(settings)] == [
        *("Python", "packages", "memory", "disk", f"port {settings.port}", "stand-in weights", "DJL's worker")
    ]


def test_whatever_is_not_ok_has_a_remedy(machine: Path, settings: Settings) -> None:
    for finding in examine(settings):
        assert finding.level in ("ok", "note", "missing")
        assert finding.found
        assert finding.level == "ok" or finding.remedy


def test_looking_changes_nothing(machine: Path, settings: Settings) -> None:
    before = sorted(machine.rglob("*"))
    assert examine(settings) == examine(settings)
    assert sorted(machine.rglob("*")) == before


def test_this_python_is_in_range_and_an_older_one_is_not(
    machine: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(settings, "Python").level == "ok"
    for version in ((3, 10, 9), (3, 14, 0)):
        monkeypatch.setattr(checks.sys, "version_info", version)
        finding = found(settings, "Python")
        assert (finding.level, "3.11, 3.12 or 3.13" in finding.remedy) == ("missing", True)


def test_packages_are_compared_with_their_pins(machine: Path, settings: Settings) -> None:
    finding = found(settings, "packages")
    assert (finding.level, finding.found) == ("ok", "all 1 as pinned")
    (machine / "requirements.txt").write_text("psutil==0.1\nno-such-package==1.0\n")
    finding = found(settings, "packages")
    assert finding.level == "missing"
    assert finding.found == (f"psutil {psutil.__version__} instead of 0.1; no-such-package none instead of 1.0")
    assert "make setup" in finding.remedy


def test_a_local_build_of_a_pinned_version_is_that_version(
    machine: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "requirements.txt").write_text("torch==2.7.1\n")
    monkeypatch.setattr(checks.importlib.metadata, "version", lambda _: "2.7.1+cpu")
    assert found(settings, "packages").level == "ok"


def test_the_pins_of_this_repository_are_all_read(root: Path) -> None:
    lines = (root / "requirements.txt").read_text().splitlines()
    assert len(checks.pins()) == sum("==" in line.split("#")[0] for line in lines) > 10


@pytest.mark.parametrize(("free_gib", "level"), [(8, "ok"), (2, "ok"), (1.9, "note")])
def test_little_memory_is_a_note(
    machine: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, free_gib: float, level: str
) -> None:
    monkeypatch.setattr(checks.psutil, "virtual_memory", lambda: Memory(free_gib * GIB))
    assert found(settings, "memory").level == level


@pytest.mark.parametrize(("free_gib", "level"), [(3, "ok"), (1, "missing")])
def test_a_full_disk_is_missing(
    machine: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, free_gib: int, level: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free_gib * GIB))
    assert found(settings, "disk").level == level


def test_a_port_in_use_is_a_note_with_two_ways_out(machine: Path, settings: Settings) -> None:
    subject = f"port {settings.port}"
    assert found(settings, subject) == Diagnosis(subject, "ok", "free")
    with socket.create_server(("127.0.0.1", settings.port)):
        finding = found(settings, subject)
    assert (finding.level, finding.found) == ("note", "in use")
    assert "inf2lab stop" in finding.remedy
    assert "INF2LAB_PORT" in finding.remedy


def test_missing_weights_are_got_back_with_git(machine: Path, settings: Settings) -> None:
    finding = found(settings, "stand-in weights")
    assert (finding.level, finding.found, finding.remedy) == ("missing", "no tiny-opt", "`git checkout models`")
    (machine / "models" / "tiny-opt").mkdir()
    (machine / "models" / "tiny-opt" / "model.safetensors").write_bytes(b"weights")
    assert found(settings, "stand-in weights").level == "ok"


def test_the_worker_is_found_where_the_server_keeps_it(
    machine: Path, cache: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rehearsal.server.workers import package

    finding = found(settings, "DJL's worker")
    assert (finding.level, finding.found) == ("note", "0.25.0 not fetched yet")
    monkeypatch.delenv("INF2LAB_CACHE")
    fetched = package.worker_package("0.25.0")  # from the user's own cache, or once from Maven
    folder = cache / fetched.relative_to(fetched.parents[1])
    folder.parent.mkdir(parents=True)
    shutil.copytree(fetched, folder)
    monkeypatch.setenv("INF2LAB_CACHE", str(cache))
    finding = found(settings, "DJL's worker")
    assert (finding.level, finding.found) == ("ok", "0.25.0 in the cache")
