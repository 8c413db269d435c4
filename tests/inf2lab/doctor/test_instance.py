"""inf2lab.doctor on an instance that is played: neuron-ls, the driver's folder, the packages and Docker are scripts."""

from __future__ import annotations

import os
from collections import namedtuple
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from inf2lab import Settings, catalog, write_properties
from inf2lab.doctor import Diagnosis, examine, registry
from inf2lab.doctor import instance as checks
from inf2lab.serving.registry import Published
from neuron_rules import GIB
from tests.support.played_vllm import MIGRATED

DOCUMENTS = Path(__file__).parent / "neuron_ls"
Memory = namedtuple("Memory", "total")
Usage = namedtuple("Usage", "total used free")


@dataclass(frozen=True)
class Instance:
    """Folders of the played instance, and a way to put a program on its PATH."""

    programs: Path
    devices: Path
    driver: Path
    port: int

    def program(self, name: str, script: str) -> None:
        """Puts a program on PATH."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def neuron_ls(self, document: str) -> None:
        """Installs a neuron-ls that prints a document."""
        self.program("neuron-ls", f'[ "$1" = --json-output ] && cat {DOCUMENTS}/{document}.json')

    def found(self, subject: str, **choices: object) -> Diagnosis:
        """The one finding about a subject."""
        settings = Settings(lane="inf2", port=self.port, **choices)
        (finding,) = [finding for finding in examine(settings) if finding.subject == subject]
        return finding


@pytest.fixture
def instance(clone: Path, tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch) -> Instance:
    """An inf2.48xlarge in order: driver, twelve devices, packages, 768 GiB, a large disk, Docker without the image."""
    (clone / "requirements.txt").write_text(f"psutil=={psutil.__version__}\n")
    made = Instance(*(tmp_path / name for name in ("bin", "dev", "neuron")), free_port)
    for folder in (made.programs, made.devices, made.driver):
        folder.mkdir()
    for number in range(12):
        (made.devices / f"neuron{number}").touch()
        (made.devices / f"neuron{number}").chmod(0o666)
    (made.driver / "version").write_text("2.21.37.0\n")
    made.neuron_ls("inf2.48xlarge")
    made.program("dpkg-query", 'case "$4" in *dkms) printf 2.21.37.0;; *tools) printf 2.25.145.0;; esac')
    made.program(
        "docker", 'case "$1" in version) echo 27.3.1;; info) echo /;; image) echo "No such image" >&2; exit 1;; esac'
    )
    monkeypatch.setenv("PATH", f"{made.programs}:/usr/bin:/bin")
    monkeypatch.setenv("INF2LAB_DEVICES", str(made.devices))
    monkeypatch.setattr(checks, "DRIVER", made.driver)
    monkeypatch.setattr(checks, "TOOLS", str(tmp_path / "nowhere"))
    monkeypatch.setattr(checks, "query_for_packages", checks.query_for_packages.__wrapped__)
    monkeypatch.setattr(checks.psutil, "virtual_memory", lambda: Memory(768 * GIB))
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: Usage(0, 0, 400 * GIB))
    monkeypatch.setattr(checks.os, "getuid", lambda: 1000)
    says(monkeypatch, there=True)
    return made


def says(monkeypatch: pytest.MonkeyPatch, *, there: bool | None) -> None:
    """Has the image's registry say so."""
    monkeypatch.setattr(registry, "ask_registry", lambda image: Published(image, there, "said"))


def test_an_instance_in_order_lacks_only_the_image(instance: Instance) -> None:
    findings = examine(Settings(lane="inf2", port=instance.port))
    assert [finding.subject for finding in findings] == [
        *("Python", "packages", "user", "Neuron driver", "Neuron devices", "NeuronCores", "memory", "Docker"),
        *("disk of this clone", f"port {instance.port}", "image", "registry"),
    ]
    assert {finding.subject for finding in findings if finding.level != "ok"} == {"image"}
    assert instance.found("Neuron devices").found == "12 with 24 cores and 384 GiB"
    assert instance.found("Neuron driver").found == (
        "2.21.37.0 (aws-neuronx-dkms 2.21.37.0, aws-neuronx-tools 2.25.145.0)"
    )


def test_without_a_driver_the_table_of_troubles_says_what_to_do(instance: Instance) -> None:
    (instance.driver / "version").unlink()
    instance.driver.rmdir()
    finding = instance.found("Neuron driver")
    assert (finding.level, finding.found[:10]) == ("missing", "not loaded")
    assert "aws-neuronx-dkms" in finding.remedy
    instance.program("neuron-ls", f"cat {DOCUMENTS}/no_driver.txt >&2; exit 1")
    finding = instance.found("Neuron devices")
    assert finding.level == "missing"
    assert "Unable to read device information from the driver" in finding.found


def test_a_new_driver_that_is_not_loaded_yet_is_missing(instance: Instance) -> None:
    (instance.driver / "version").write_text("2.18.12.0\n")
    finding = instance.found("Neuron driver")
    assert (finding.level, finding.found) == ("missing", "2.18.12.0 runs, 2.21.37.0 is installed")
    assert "modprobe neuron" in finding.remedy


@pytest.mark.parametrize(
    ("runs", "level", "said"),
    [("2.30.2.0", "missing", "makes it worse"), ("2.13.4.0", "missing", "not the newest there is")],
)
def test_a_driver_out_of_the_runtimes_range_is_told_with_advice_that_does_not_make_it_worse(
    instance: Instance, runs: str, level: str, said: str
) -> None:
    """A driver that refuses the image's runtime was called ok, and the cure for one too old was to update it."""
    (instance.driver / "version").write_text(f"{runs}\n")
    finding = instance.found("Neuron driver")
    assert finding.level == level
    assert "runtime 2.18 of djl-0.25 goes with 2.14.5.0 or later, below 2.29" in finding.found
    assert said in finding.remedy


@pytest.mark.parametrize(
    ("tag", "runs", "level", "said"),
    [
        ("0.13.0-neuronx-py312-sdk2.28.0-ubuntu24.04", "2.26.5.0", "ok", ""),
        ("0.13.0-neuronx-py312-sdk2.28.0-ubuntu24.04", "2.28.0.0", "ok", ""),
        ("0.13.0-neuronx-py312-sdk2.28.0-ubuntu24.04", "2.25.4.0", "note", "2.26.5.0 or later, below 2.29"),
        ("0.13.0-neuronx-py312-sdk2.28.0-ubuntu24.04", "2.29.0.0", "missing", "2.26.5.0 or later, below 2.29"),
        ("0.16.0-neuronx-py312-sdk2.30.0-ubuntu24.04", "2.27.4.0", "note", "2.28.0.0 or later, below 2.29"),
        ("0.16.0-neuronx-py312-sdk2.31.1-ubuntu24.04", "2.25.4.0", "missing", "2.29.0.0 or later"),
        ("0.16.0-neuronx-py312-sdk2.31.1-ubuntu24.04", "2.31.7.0-8a6fdf", "ok", ""),
        ("0.11.0-optimum0.4.4-neuronx-py310-sdk2.26.1-ubuntu22.04", "2.25.4.0", "ok", ""),
        ("of-our-own", "2.25.4.0", "note", "does not say which SDK"),
        ("sdk9.99.0", "2.25.4.0", "note", "does not say which SDK"),
    ],
)
def test_a_successor_s_image_is_compared_with_the_host_s_driver(
    instance: Instance, clone: Path, tag: str, runs: str, level: str, said: str
) -> None:
    """A host that was rented for DJLServing's image is the wrong one for a newer image, and nobody said so."""
    folder = clone / "moved"
    folder.mkdir()
    (folder / "server.json").write_text(replace(MIGRATED, image=f"registry.example/neuron/vllm:{tag}").text)
    (instance.driver / "version").write_text(f"{runs}\n")
    instance.program("dpkg-query", "exit 1")
    found = examine(Settings(lane="inf2", port=instance.port), folder)
    (finding,) = [one for one in found if one.subject == "Neuron driver"]
    assert (finding.level, said in finding.found) == (level, True), finding
    if level != "ok" and "sdk2" in tag:
        assert f"SDK {tag.partition('sdk')[2].partition('-')[0]} (driver " in finding.remedy
    other = examine(Settings(lane="inf2", port=instance.port, image="own/vllm:sdk2.31.1"), folder)
    (finding,) = [one for one in other if one.subject == "Neuron driver"]
    assert (finding.level == "ok") == runs.startswith(("2.29", "2.31"))


def test_a_successor_off_the_chip_needs_no_driver(instance: Instance, clone: Path) -> None:
    folder = clone / "moved"
    folder.mkdir()
    (folder / "server.json").write_text(replace(MIGRATED, devices=0).text)
    found = examine(Settings(lane="inf2", port=instance.port), folder)
    assert "Neuron driver" not in [one.subject for one in found]


def test_a_driver_that_comes_with_the_next_boot_is_judged_before_it_is_loaded(instance: Instance) -> None:
    """Unattended upgrades install the newest: to load it now would end what works."""
    instance.program("dpkg-query", 'case "$4" in *dkms) printf 2.30.2.0;; esac')
    finding = instance.found("Neuron driver")
    assert (finding.level, "comes with the next boot" in finding.found) == ("note", True)
    assert "modprobe" not in finding.remedy


def test_without_packages_or_version_the_loaded_driver_is_enough(instance: Instance) -> None:
    (instance.driver / "version").unlink()
    instance.program("dpkg-query", "exit 1")
    assert instance.found("Neuron driver") == Diagnosis("Neuron driver", "ok", "loaded")


def test_the_module_s_own_spelling_of_its_version_is_no_other_driver(instance: Instance) -> None:
    """The module says its commit too: the doctor wanted the same driver to be loaded again."""
    (instance.driver / "version").write_text("2.21.37.0-8a6fdf292607dccc3b7059ebbe2fb24c60dfc7c4\n")
    assert instance.found("Neuron driver").level == "ok"


def test_where_no_program_knows_packages_the_loaded_driver_is_enough(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On macOS and Arch the doctor ended with "aws-neuronx-dkms: No such file or directory"."""
    monkeypatch.setenv("PATH", str(instance.programs))
    (instance.programs / "dpkg-query").unlink()
    assert instance.found("Neuron driver") == Diagnosis("Neuron driver", "ok", "2.21.37.0")


@pytest.mark.parametrize(
    ("script", "said", "remedy"),
    [
        ("exec /bin/sleep 60", "neuron-ls gave no answer within 1 s", "modprobe neuron"),
        ("echo 'Permission denied: /dev/neuron0' >&2; exit 1", "Permission denied", "--device"),
        ("echo nothing", "printed no list of devices", "apt-get install aws-neuronx-tools"),
    ],
)
def test_a_neuron_ls_that_hangs_or_is_refused_is_told(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, script: str, said: str, remedy: str
) -> None:
    """One that hung ended the doctor with a traceback; whatever it said, the cure was another driver."""
    monkeypatch.setattr(checks, "ANSWER_S", 1)
    instance.program("neuron-ls", script)
    finding = instance.found("Neuron devices")
    assert (finding.level, said in finding.found, remedy in finding.remedy) == ("missing", True, True), finding


def test_a_neuron_ls_of_another_machine_is_told(instance: Instance) -> None:
    (instance.programs / "neuron-ls").write_bytes(b"\x7fELF of another processor")
    assert "neuron-ls cannot be run: Exec format error" in instance.found("Neuron devices").found


@pytest.mark.parametrize(
    ("mode", "mine", "level", "said"),
    [
        (0o660, True, "ok", "is -rw-rw----, of group "),
        (0o660, False, "note", "you are not in it"),
        (0o600, False, "missing", "the container's user may not open it"),
        (0o640, True, "missing", "the container's user may not open it"),
    ],
)
def test_device_files_that_are_closed_to_others_are_told(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, mode: int, mine: bool, level: str, said: str
) -> None:
    for path in instance.devices.iterdir():
        path.chmod(mode)
    monkeypatch.setattr(checks.os, "access", lambda path, how: mine)
    monkeypatch.setattr(checks, "CONTAINER_USER", 4242)  # who owns the files here may be the user 1000
    finding = instance.found("device files")
    assert (finding.level, said in finding.found) == (level, True), finding
    assert (level == "ok") == (not finding.remedy)


@pytest.mark.parametrize(
    ("modes", "mine", "level", "told"),
    [
        ((0o660, 0o600), True, "missing", "neuron1 is "),
        ((0o600, 0o660), True, "missing", "neuron0 is "),
        ((0o660, 0o640), False, "missing", "neuron1 is "),
        ((0o660, 0o660), False, "note", "neuron1 is "),  # neuron0 may be opened
    ],
)
def test_of_device_files_that_differ_the_one_that_is_in_the_way_is_told(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, modes: tuple[int, ...], mine: bool, level: str, told: str
) -> None:
    for number, mode in enumerate(modes):
        (instance.devices / f"neuron{number}").touch()
        (instance.devices / f"neuron{number}").chmod(mode)
    monkeypatch.setattr(checks.os, "access", lambda path, how: mine or str(path).endswith("neuron0"))
    monkeypatch.setattr(checks, "CONTAINER_USER", 4242)
    finding = instance.found("device files")
    assert (finding.level, told in finding.found) == (level, True), finding


@pytest.mark.parametrize(("group", "remedy"), [(0, 'GROUP="neuron", MODE="0660"'), (4242, "usermod -aG 4242 $USER")])
def test_nobody_is_told_to_join_the_group_of_root(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, group: int, remedy: str
) -> None:
    for path in instance.devices.iterdir():
        path.chmod(0o660)
    stat = Path.stat
    monkeypatch.setattr(checks.os, "access", lambda path, how: False)
    monkeypatch.setattr(Path, "stat", lambda path, **how: os.stat_result([*stat(path, **how)[:5], group, 0, 0, 0, 0]))
    finding = checks.permission(Settings(lane="inf2"))
    assert finding is not None
    assert (finding.level, remedy in finding.remedy) == ("note", True), finding


def test_without_device_files_this_is_no_instance(instance: Instance) -> None:
    for path in instance.devices.iterdir():
        path.unlink()
    finding = instance.found("Neuron devices")
    assert finding.level == "missing"
    assert "lane='rehearsal'" in finding.remedy


def test_without_neuron_ls_the_files_are_counted(instance: Instance) -> None:
    (instance.programs / "neuron-ls").unlink()
    finding = instance.found("Neuron devices")
    assert (finding.level, finding.found) == ("note", "12 files; no neuron-ls to ask")
    assert "aws-neuronx-tools" in finding.remedy
    assert "NeuronCores" not in [f.subject for f in examine(Settings(lane="inf2", port=instance.port))]


def test_another_instance_than_the_named_one_is_noted(instance: Instance) -> None:
    instance.neuron_ls("inf2.xlarge")
    finding = instance.found("Neuron devices")
    assert (finding.level, finding.found) == ("note", "1 with 2 cores and 32 GiB; inf2.48xlarge has 12")
    assert "INF2LAB_INSTANCE" in finding.remedy
    assert instance.found("Neuron devices", instance="inf2.xlarge").level == "ok"


def test_older_tools_are_enough(instance: Instance) -> None:
    instance.neuron_ls("old_tools")
    assert instance.found("Neuron devices", instance="inf2.24xlarge").level == "ok"


def test_devices_with_gaps_and_other_links_are_told(instance: Instance) -> None:
    document = (DOCUMENTS / "inf2.48xlarge.json").read_text()
    (instance.programs / "gaps").write_text(document.replace('"neuron_device": 11', '"neuron_device": 12'))
    instance.program("neuron-ls", f"cat {instance.programs}/gaps")
    finding = instance.found("Neuron devices")
    assert (finding.level, "8, 9, 10, 12" in finding.found) == ("missing", True)
    links = document.replace("   11,\n   1\n", "   6,\n   1\n", 1)
    assert links != document
    (instance.programs / "links").write_text(links)
    instance.program("neuron-ls", f"cat {instance.programs}/links")
    finding = instance.found("Neuron devices")
    assert (finding.level, finding.found.endswith("; 0 joined otherwise")) == ("note", True)


def test_who_holds_cores_is_named(instance: Instance) -> None:
    instance.neuron_ls("busy")
    finding = instance.found("NeuronCores")
    assert (finding.level, finding.found) == ("note", "in use by process 4242: python3 djl_python_engine.py")
    assert "neuron-ls -a" in finding.remedy


@pytest.mark.parametrize(
    ("total_gib", "copies", "level"), [(768, 1, "ok"), (768, 12, "ok"), (16, 1, "note"), (1, 12, "missing")]
)
def test_memory_is_judged_by_the_plan(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, total_gib: int, copies: int, level: str
) -> None:
    monkeypatch.setattr(checks.psutil, "virtual_memory", lambda: Memory(total_gib * GIB))
    assert instance.found("memory", copies=copies).level == level


@pytest.mark.parametrize(
    ("degree", "said"),
    [("24", "loading takes up to 501, the built-in handler holds it twice in f32"), ("abc", "abc: write a number")],
)
def test_memory_is_judged_for_the_folder_that_is_served(
    instance: Instance, clone: Path, degree: str, said: str
) -> None:
    """The folder has OPT-66B, and the settings the article's OPT-13B."""
    options = {"option.model_id": "facebook/opt-66b", "option.tensor_parallel_degree": degree, "option.dtype": "fp16"}
    write_properties(clone / "models" / "opt13b" / "serving.properties", options)
    assert said in instance.found("memory").found


def test_a_small_disk_is_missing(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: Usage(0, 0, 9 * GIB))
    finding = instance.found("disk of this clone")
    assert (finding.level, finding.found) == ("missing", "9.0 GiB free, 100 are needed")
    assert "512 GB" in finding.remedy


def test_another_user_is_told_what_that_means(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.os, "getuid", lambda: 1001)
    finding = instance.found("user")
    assert (finding.level, finding.found) == ("note", "uid 1001, and the container's is 1000")


def test_docker_is_asked_and_its_refusal_told_once(instance: Instance) -> None:
    assert instance.found("Docker") == Diagnosis("Docker", "ok", "27.3.1")
    instance.program("docker", "echo permission denied ... unix:///var/run/docker.sock >&2; exit 1")
    finding = instance.found("Docker")
    assert (finding.level, finding.found) == ("missing", "this user may not talk to the Docker engine")
    assert "usermod -aG docker" in finding.remedy
    assert "image" not in [f.subject for f in examine(Settings(lane="inf2", port=instance.port))]


def packages(**changes: str) -> str:
    """A `docker` whose image has the packages of djl-0.25, with changes."""
    builds = {
        "torch-neuronx": "1.13.1.1.12.0+a1",
        "transformers-neuronx": "0.8.268.12",
        "neuronx-cc": "2.11.0.35+4f5279863",
    }
    found = {**catalog.profile("djl-0.25").packages, **builds}
    listed = ", ".join(f'\\"{name}\\": \\"{version}\\"' for name, version in (found | changes).items())
    return f'case "$1" in version) echo 27.3.1;; info) echo /;; image) echo x;; run) echo "{{{listed}}}";; esac'


def test_the_packages_of_the_image_are_those_of_the_profile(instance: Instance) -> None:
    instance.program("docker", packages())
    finding = instance.found("image")
    assert (finding.level, "transformers-neuronx 0.8.268.12" in finding.found) == ("ok", True)
    instance.program("docker", packages(transformers="4.34.10", pydantic="none"))
    finding = instance.found("image")
    assert (finding.level, finding.found) == (
        "missing",
        "transformers 4.34.10 instead of 4.34.0; pydantic none instead of 1.10.13",
    )
    assert "profile" in finding.remedy


@pytest.mark.parametrize(("there", "level"), [(False, "missing"), (None, "note")])
def test_an_image_that_its_registry_no_longer_has_is_known_with_a_second_source(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, there: bool | None, level: str
) -> None:
    says(monkeypatch, there=there)
    finding = instance.found("registry")
    assert (finding.level, finding.found) == (level, "deepjavalibrary/djl-serving:0.25.0-pytorch-inf2: said")
    assert ".amazonaws.com/djl-inference:0.25.0-neuronx-sdk2.15.0" in finding.remedy
    assert "by digest" in finding.remedy
    (instance.programs / "docker").unlink()
    assert instance.found("registry").level == level, "a laptop without Docker asks too"


def test_a_release_that_asks_the_metadata_needs_two_hops(instance: Instance) -> None:
    finding = instance.found("metadata", profile="seed-0.21")
    assert (finding.level, "hop limit" in finding.remedy) == ("note", True)
    settings = Settings(lane="inf2", profile="seed-0.21", network="host", port=instance.port)
    assert "metadata" not in [f.subject for f in examine(settings)]
