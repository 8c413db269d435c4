"""inf2lab.serving's container: the `docker run` line for the chip, word by word and as a person types it.

What Docker makes of it is in tests/docker; what is said where Docker refuses, in test_docker.py.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inf2lab import ModelFolder, Server, Settings, lint, write_properties
from inf2lab.errors import FolderError, ServerError, SettingsError
from inf2lab.serving import host
from inf2lab.serving.container import ContainerServer

if TYPE_CHECKING:
    from conftest import WriteFolder


def container(folder: ModelFolder, **settings: object) -> ContainerServer:
    """The container that serves `folder`."""
    return ContainerServer(Settings(lane="inf2", **settings), folder)


@pytest.fixture
def opt13b(clone: Path) -> ModelFolder:
    """The article's folder in a clone."""
    folder = ModelFolder(clone / "models" / "opt13b")
    write_properties(folder.properties_path, {"engine": "Python", "option.tensor_parallel_degree": 2})
    return folder


def after(words: list[str], option: str) -> list[str]:
    """What follows each occurrence of an option."""
    return [words[at + 1] for at, word in enumerate(words) if word == option]


def test_the_lane_chooses_the_container(opt13b: ModelFolder) -> None:
    server = Server.of(Settings(lane="inf2"), opt13b.path)
    assert isinstance(server, ContainerServer)
    assert server.folder == opt13b


def test_the_command_runs_the_profiles_image(opt13b: ModelFolder) -> None:
    words = container(opt13b).command()
    assert words[:6] == ["docker", "run", "--detach", "--init", "--name", "inf2lab-opt13b"]
    assert words[-2:] == ["deepjavalibrary/djl-serving:0.25.0-pytorch-inf2", "serve"]
    assert container(opt13b, profile="seed-0.21").command()[-2].endswith(":0.21.0-pytorch-inf2")


def test_the_model_folder_is_mounted_read_only_and_the_logs_are_kept(opt13b: ModelFolder, logs: Path) -> None:
    words = container(opt13b).command()
    model, log, *caches = after(words, "-v")
    assert model == f"{opt13b.path}:/opt/ml/model/opt13b:ro"
    assert log == f"{logs}/server-8080:/opt/djl/logs"
    assert caches == [
        f"{opt13b.path.parents[1]}/cache/huggingface:/cache/huggingface",
        f"{opt13b.path.parents[1]}/cache/neuron-compile-cache:/var/tmp/neuron-compile-cache",
    ]


def test_downloads_land_in_the_cache_volume_whatever_the_image_says(opt13b: ModelFolder) -> None:
    """HF_HOME alone did nothing: the image's two older variables won over it, and 26 GB came anew at each start."""
    said = dict(word.split("=", 1) for word in after(container(opt13b).command(), "-e"))
    hub = "/cache/huggingface/hub"
    assert said["HF_HOME"] == "/cache/huggingface"
    assert said["HUGGINGFACE_HUB_CACHE"] == said["TRANSFORMERS_CACHE"] == hub
    later = dict(word.split("=", 1) for word in after(container(opt13b, profile="djl-0.27").command(), "-e"))
    assert later["TRANSFORMERS_CACHE"] == hub
    assert "HUGGINGFACE_HUB_CACHE" not in later, "that image sets HF_HOME itself, which the command overrides"


def addresses(words: list[str]) -> dict[str, str]:
    """Where inference and management listen, by the variables that say it."""
    names = dict(word.split("=", 1) for word in after(words, "-e"))
    return {name: names[f"SERVING_{name.upper()}_ADDRESS"] for name in ("inference", "management")}


def test_the_port_is_published_on_loopback_only_and_management_not_at_all(opt13b: ModelFolder) -> None:
    words = container(opt13b, port=8081).command()
    assert after(words, "-p") == ["127.0.0.1:8081:8080"]
    assert addresses(words) == {"inference": "http://0.0.0.0:8080", "management": "http://127.0.0.1:8081"}
    assert not any("--network" in word for word in words)


def test_on_the_hosts_network_both_listen_on_loopback(opt13b: ModelFolder) -> None:
    words = container(opt13b, port=8081, network="host").command()
    assert after(words, "--network") == ["host"]
    assert after(words, "-p") == []
    assert addresses(words) == {"inference": "http://127.0.0.1:8081", "management": "http://127.0.0.1:8091"}


def test_the_user_is_a_number_and_nothing_restarts_by_itself(opt13b: ModelFolder, logs: Path) -> None:
    words = container(opt13b).command()
    assert after(words, "-u") == ["1000"]
    assert after(words, "--restart") == ["no"]
    assert after(words, "--label") == [f"inf2lab.owner={logs}"]


def test_an_image_of_ones_own_and_further_options_stand_before_serve(opt13b: ModelFolder) -> None:
    pinned = "acme/djl@sha256:" + 64 * "a"
    words = container(opt13b, image=pinned, docker_options="-e HF_TOKEN --shm-size '8 g'").command()
    assert words[-6:] == ["-e", "HF_TOKEN", "--shm-size", "8 g", pinned, "serve"]
    with pytest.raises(SettingsError, match="No closing quotation"):
        container(opt13b, docker_options="-e 'HF").command()


def test_the_linter_finds_nothing_in_our_command(opt13b: ModelFolder) -> None:
    """The rules about containers: devices, mounts, network, image, time-outs."""
    for network in ("bridge", "host"):
        server = container(opt13b, network=network)
        (opt13b.path / "run.sh").write_text(server.typed().replace("$PWD/models/opt13b:", "$PWD:") + "\n")
        assert [f for f in lint(opt13b.path, server.settings).findings if f.file == "run.sh"] == []
    script = opt13b.path / "run.sh"
    script.write_text(script.read_text().replace("SERVING_MANAGEMENT_ADDRESS=", "X="))
    assert any(f.file == "run.sh" for f in lint(opt13b.path).findings), "the linter does read the command"


def test_files_that_only_a_group_may_open_bring_the_group_along(
    opt13b: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INF2LAB_DEVICES", str(tmp_path))
    device = tmp_path / "neuron0"
    device.touch()
    device.chmod(0o660)
    words = container(opt13b).command()
    assert after(words, "--group-add") == [str(device.stat().st_gid)]
    assert after(words, "--device") == [f"{device}:/dev/neuron0"]
    device.chmod(0o666)
    assert after(container(opt13b).command(), "--group-add") == []


def test_copies_take_further_neighbours(write_folder: WriteFolder) -> None:
    folder = write_folder("m", {"option.tensor_parallel_degree": 4})
    assert len(after(container(folder, copies=3).command(), "--device")) == 6
    with pytest.raises(ServerError, match=r"7 x degree 4 needs 28 NeuronCores, and inf2.48xlarge has 24"):
        container(folder, copies=7).command()


def test_a_degree_that_is_no_number_is_named(write_folder: WriteFolder) -> None:
    with pytest.raises(FolderError, match="tensor_parallel_degree=two"):
        container(write_folder("m", {"option.tensor_parallel_degree": "two"})).command()


@pytest.mark.parametrize("profile", ["seed-0.21", "djl-0.25"])
def test_the_time_outs_are_those_of_a_first_load_whatever_the_image_has(opt13b: ModelFolder, profile: str) -> None:
    environment = after(container(opt13b, profile=profile).command(), "-e")
    assert "MODEL_LOADING_TIMEOUT=7200" in environment
    assert "PREDICT_TIMEOUT=360" in environment
    assert "OPT_OUT_TRACKING=true" in environment


@pytest.mark.parametrize(
    ("degree", "devices"), [(None, 1), (1, 1), (2, 1), (4, 2), (8, 4), (24, 12)], ids=lambda value: str(value)
)
def test_one_copy_gets_contiguous_devices_for_its_degree(
    write_folder: WriteFolder, degree: int | None, devices: int
) -> None:
    properties = {"engine": "Python"} | ({"option.tensor_parallel_degree": degree} if degree else {})
    words = container(write_folder("m", properties)).command()
    assert after(words, "--device") == [f"/dev/neuron{number}" for number in range(devices)]


def test_degree_max_takes_every_device(opt13b: ModelFolder) -> None:
    write_properties(opt13b.properties_path, {"option.tensor_parallel_degree": "max"})
    assert len(after(container(opt13b, instance="inf2.24xlarge").command(), "--device")) == 6


def test_a_folder_with_only_a_handler_gets_one_device(write_folder: WriteFolder) -> None:
    folder = write_folder("m", handler="def handle(inputs): ...\n")
    assert after(container(folder).command(), "--device") == ["/dev/neuron0"]


def words_of_shell(typed: str, folder: Path) -> list[str]:
    """The words that a shell makes of what a person types in `folder`."""
    show = r"docker() { printf '%s\0' docker "
    done = subprocess.run(
        ["sh", "-c", f'{show}"$@"; }}\n{typed}\n'], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.split("\0")[:-1]


def test_what_a_person_types_is_the_same_command(opt13b: ModelFolder, clone: Path) -> None:
    server = container(opt13b)
    assert words_of_shell(server.typed(), clone) == server.command()


def test_what_a_person_types_names_the_clone_as_pwd_one_option_a_line(opt13b: ModelFolder, clone: Path) -> None:
    lines = container(opt13b).typed().splitlines()
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert all(line.startswith("    ") for line in lines[1:])
    assert '    -v "$PWD/models/opt13b:/opt/ml/model/opt13b:ro" \\' in lines
    assert str(clone) + "/models" not in container(opt13b).typed()


@pytest.mark.parametrize("name", ["with space", "quote'd", 'double"quoted', "$HOME", "back`tick", "sl\\ash"])
def test_unusual_folder_names_survive_the_shell(clone: Path, tmp_path: Path, name: str) -> None:
    for store in (clone / "models", tmp_path / "elsewhere"):
        folder = ModelFolder(store / name)
        write_properties(folder.properties_path, {"option.tensor_parallel_degree": 2})
        assert words_of_shell(container(folder).typed(), clone) == container(folder).command()


def test_a_folder_whose_path_only_begins_like_the_clones_is_written_out(clone: Path) -> None:
    folder = ModelFolder(Path(f"{clone}2") / "models" / "opt13b")
    write_properties(folder.properties_path, {"option.tensor_parallel_degree": 2})
    typed = container(folder).typed()
    assert f"{clone}2/models/opt13b:" in typed
    assert words_of_shell(typed, clone) == container(folder).command()


@pytest.mark.parametrize(("uid", "mode", "given"), [(0, 0o755, True), (1000, 0o755, False), (1001, 0o777, False)])
def test_the_containers_user_may_write_logs_and_caches_whoever_starts_it(
    opt13b: ModelFolder, monkeypatch: pytest.MonkeyPatch, uid: int, mode: int, given: bool
) -> None:
    """Root gives the folders away, user 1000 is the container's own, and anybody else opens them."""
    owned: list[tuple[Path, int, int]] = []
    monkeypatch.setattr(host.os, "geteuid", lambda: uid)
    monkeypatch.setattr(host.os, "chown", lambda *words: owned.append(words))
    written = [Path(words.split(":")[0]) for words in after(container(opt13b).command(), "-v")[1:]]
    host.make_writable(written)
    assert {folder.stat().st_mode & 0o777 for folder in written} == {mode}
    assert owned == ([(folder, 1000, 1000) for folder in written] if given else [])


def test_start_refuses_a_folder_that_cannot_be_served(write_folder: WriteFolder) -> None:
    with pytest.raises(FolderError, match="neither"):
        container(write_folder("m")).start(print)
