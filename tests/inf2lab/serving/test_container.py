"""inf2lab.serving's container: the `docker run` line for the chip, word by word and as a person types it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inf2lab import ModelFolder, Server, Settings, write_properties
from inf2lab.errors import FolderError, NotReady
from inf2lab.serving import Worker
from inf2lab.serving._container import ContainerServer

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
    assert words[:5] == ["docker", "run", "--detach", "--name", "inf2lab-opt13b"]
    assert words[-2:] == ["deepjavalibrary/djl-serving:0.25.0-pytorch-inf2", "serve"]
    assert container(opt13b, profile="seed-0.21").command()[-2].endswith(":0.21.0-pytorch-inf2")


def test_the_model_folder_is_mounted_read_only_and_the_logs_are_kept(opt13b: ModelFolder, logs: Path) -> None:
    words = container(opt13b).command()
    assert after(words, "-v") == [f"{opt13b.path}:/opt/ml/model/opt13b:ro", f"{logs}:/opt/djl/logs"]


def test_the_port_is_published_on_loopback_only(opt13b: ModelFolder) -> None:
    words = container(opt13b, port=8081).command()
    assert after(words, "-p") == ["127.0.0.1:8081:8080"]
    assert not any("--network" in word for word in words)


@pytest.mark.parametrize(
    ("profile", "loading", "predict"), [("seed-0.21", 240, 120), ("djl-0.25", 1200, 240)]
)
def test_the_time_outs_are_the_profiles(
    opt13b: ModelFolder, profile: str, loading: int, predict: int
) -> None:
    environment = after(container(opt13b, profile=profile).command(), "-e")
    assert f"MODEL_LOADING_TIMEOUT={loading}" in environment
    assert f"PREDICT_TIMEOUT={predict}" in environment
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


def test_what_a_person_types_names_the_clone_as_pwd_one_option_a_line(
    opt13b: ModelFolder, clone: Path
) -> None:
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


def test_start_prints_the_command_and_runs_nothing(opt13b: ModelFolder) -> None:
    said: list[str] = []
    server = container(opt13b)
    server.start(said.append)
    assert said[1] == server.typed()
    assert "terminal on the instance" in said[0]


def test_start_refuses_a_folder_that_cannot_be_served(write_folder: WriteFolder) -> None:
    with pytest.raises(FolderError, match="neither"):
        container(write_folder("m")).start(print)


def test_before_the_container_answers_it_is_loading(opt13b: ModelFolder, free_port: int) -> None:
    server = container(opt13b, port=free_port)
    status = server.status()
    assert (status.state, server.exists()) == ("loading", False)
    assert "docker logs inf2lab-opt13b" in status.detail
    with pytest.raises(NotReady, match=r"docker logs inf2lab-opt13b"):
        server.wait_ready(timeout_s=0.2, report=lambda _: None)


DESCRIPTION = {
    "modelName": "opt13b",
    "status": "Healthy",
    "workerGroups": [
        {"device": {"deviceType": "nc", "deviceId": 0}, "workers": [{"id": 1, "status": "READY"}]},
        {"device": {"deviceType": "nc", "deviceId": 2}, "workers": [{"id": 2, "status": "UNLOADING"}]},
        {"device": {"deviceType": "cpu", "deviceId": -1}, "workers": []},
        {"device": {"deviceType": "cpu", "deviceId": -1}, "workers": [{"id": 3, "status": "READY"}]},
    ],
}


@pytest.fixture
def answering() -> Iterator[int]:
    """The port of a server that describes its model as DJLServing does."""
    body = json.dumps([{"workflowName": "opt13b", "models": [DESCRIPTION]}]).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/models/opt13b" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_once_the_container_answers_it_is_ready_with_its_workers(opt13b: ModelFolder, answering: int) -> None:
    server = container(opt13b, port=answering)
    said: list[str] = []
    status = server.wait_ready(timeout_s=5, report=said.append)
    assert server.exists()
    assert (status.state, status.detail) == ("ready", f"opt13b answers at http://127.0.0.1:{answering}")
    assert status.workers == (Worker("nc0", "READY"), Worker("nc2", "UNLOADING"), Worker("cpu", "READY"))
    assert said[-1].endswith(f"ready at http://127.0.0.1:{answering}")


def test_a_server_that_does_not_know_the_model_is_not_ready(
    write_folder: WriteFolder, answering: int
) -> None:
    folder = write_folder("other", {"engine": "Python"})
    assert container(folder, port=answering).status().state == "loading"


def test_stop_leaves_a_container_that_a_person_started(opt13b: ModelFolder) -> None:
    assert container(opt13b).stop() is False
