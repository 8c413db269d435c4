"""The chip's lane on a real Docker engine: the command that is printed is the one that runs, serves, fails and ends."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import requests
from typer.testing import CliRunner

from inf2lab import ModelFolder, Server, Settings
from inf2lab.cli import app
from inf2lab.doctor import examine
from inf2lab.errors import EngineError, FolderError, LoadFailed, PortInUse, ServerError
from inf2lab.serving import ModelServer, all_servers, docker, left_over, stop_everything
from inf2lab.serving.interface import Worker
from inf2lab.serving.state import read_state, state_path

if TYPE_CHECKING:
    from conftest import MakeSettings, WriteFolder

pytestmark = pytest.mark.thorough
ECHO = """\
from djl_python import Input, Output


def handle(inputs: Input):
    if inputs.is_empty():
        return None
    return Output().add_as_json({"outputs": inputs.get_as_json()["text"]})
"""
# Answers with what it sees of the container.
TELLS = """\
import glob
import os
from djl_python import Input, Output


def writable(folder):
    try:
        path = os.path.join(folder, "probe")
        open(path, "w").close()
        os.remove(path)
        return True
    except OSError as error:
        return error.strerror


def handle(inputs: Input):
    if inputs.is_empty():
        return None
    folders = [".", "/opt/djl/logs", os.environ["HF_HOME"], "/var/tmp/neuron-compile-cache", "/tmp"]
    seen = {
        "uid": os.getuid(),
        "folder": os.getcwd(),
        "devices": sorted(glob.glob("/dev/neuron*")),
        "cores": os.environ.get("NEURON_RT_VISIBLE_CORES"),
        "timeouts": [os.environ["MODEL_LOADING_TIMEOUT"], os.environ["PREDICT_TIMEOUT"]],
        "tracking": os.environ["OPT_OUT_TRACKING"],
        "downloads": [os.environ["HUGGINGFACE_HUB_CACHE"], os.environ["TRANSFORMERS_CACHE"]],
        "writable": {folder: writable(folder) for folder in folders},
    }
    return Output().add_as_json(seen)
"""
# Loads until somebody has heard that it takes long.
WAITS = """\
    if inputs.is_empty():
        import os, time

        while not os.path.exists("heard"):
            time.sleep(0.05)
"""
BROKEN = "raise KeyError('fp16')\n"
GREEDY = """\
def handle(inputs):
    if inputs.is_empty():
        bytearray(2**30)[:: 4096] = b"x" * 2**18
    return None
"""


def start(settings: Settings, folder: ModelFolder, **choices: object) -> ModelServer:
    """Start the container without a word."""
    return Server.start(settings, folder.path, report=lambda line: None, **choices)


def containers() -> list[str]:
    """The names of every container in the engine whose name is the lab's."""
    words = ("ps", "--all", "--filter", "name=inf2lab-", "--format", "{{.Names}}")
    return docker.run_docker(*words, what="docker ps").split()


def management_is_apart(server: ModelServer) -> None:
    """Predictions and management listen on ports of their own, on this machine alone."""
    assert requests.get(f"{server.url}/models", timeout=30).status_code == 404
    assert server.describe()["modelName"] == server.folder.name
    listening = {
        c.laddr
        for c in psutil.net_connections("tcp")
        if c.status == psutil.CONN_LISTEN and c.laddr.port in (server.settings.port, server.settings.port + 10)
    }
    assert {(address.ip, address.port - server.settings.port) for address in listening} == {
        ("127.0.0.1", 0),
        ("127.0.0.1", 10),
    }


def test_a_container_lives_from_the_command_to_its_end(
    settings: MakeSettings, write_folder: WriteFolder, clone: Path
) -> None:
    chosen = settings()
    folder = write_folder("tells", TELLS, {"option.tensor_parallel_degree": 4})
    files = sorted(folder.path.rglob("*"))
    before = folder.fingerprint()
    said: list[str] = []
    server = Server.start(chosen, folder.path, report=said.append)

    assert said[0] == server.typed()
    steps = [line.partition("s  ")[2] for line in said[1:]]
    assert steps[:2] == ["model folder found", "worker process started"]
    assert steps[-3:] == ["model loaded", "port open", f"ready at {server.url}"]
    assert server.status().workers == (Worker("nc0", "READY"),)

    management_is_apart(server)
    seen = server.endpoint.send({}).json()
    assert seen["uid"] == 1000
    assert seen["folder"] == "/opt/ml/model/tells"
    assert seen["devices"] == ["/dev/neuron0", "/dev/neuron1"]
    assert seen["cores"] == "0-3"
    assert seen["timeouts"] == ["7200", "360"]
    assert seen["tracking"] == "true"
    assert seen["downloads"] == ["/cache/huggingface/hub"] * 2, "the image has places of its own for them"
    assert seen["writable"].pop(".") == "Read-only file system"
    assert set(seen["writable"].values()) == {True}

    state = read_state(state_path(chosen.port))
    assert state is not None
    assert state.container == docker.find("inf2lab-tells").id
    assert server.stop(patience_s=1) is True
    assert server.status().state == "stopped"
    assert server.stop(patience_s=1) is False
    assert (containers(), left_over(), all_servers()) == ([], [], [])
    assert "API bind to" in "\n".join(server.logs(5)), "the log outlives the container"
    assert (clone / "logs" / f"server-{chosen.port}" / "serving.log").stat().st_uid == 1000
    assert (folder.fingerprint(), sorted(folder.path.rglob("*"))) == (before, files)


def test_both_lanes_serve_the_same_bytes(settings: MakeSettings, write_folder: WriteFolder) -> None:
    folder = write_folder("echo", ECHO, {"option.tensor_parallel_degree": 2})
    before = {path: path.read_bytes() for path in folder.path.iterdir()}
    stamps = {path: path.stat().st_mtime_ns for path in [folder.path, *folder.path.iterdir()]}
    answers = []
    for chosen in (Settings(port=settings().port), settings()):
        server = start(chosen, folder)
        answers.append(server.endpoint.send({"text": ["same"]}))
        server.stop(patience_s=1)
        assert {path: path.read_bytes() for path in folder.path.iterdir()} == before
        assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    one, two = answers
    assert (one.status, one.text, one.headers.keys()) == (two.status, two.text, two.headers.keys())


def test_on_the_bridge_network_only_predictions_are_published(
    settings: MakeSettings, write_folder: WriteFolder, has_bridge: bool
) -> None:
    if not has_bridge:
        pytest.skip("this engine was started without the bridge network")
    server = start(settings(network="bridge"), write_folder("echo", ECHO))
    assert server.endpoint.generate(["x"], 8) == ["x"]
    assert requests.get(f"{server.url}/models", timeout=30).status_code == 404
    assert server.status().workers[0].status == "READY"


def test_copies_get_devices_and_workers_of_their_own(settings: MakeSettings, write_folder: WriteFolder) -> None:
    folder = write_folder("echo", ECHO, {"option.tensor_parallel_degree": 2})
    server = start(settings(copies=3), folder)
    deadline = time.monotonic() + 120
    while len(server.status().workers) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [worker.device for worker in server.status().workers] == ["nc0", "nc2", "nc4"]


def test_another_notebook_finds_it_and_the_command_line_shows_it(
    settings: MakeSettings, write_folder: WriteFolder
) -> None:
    chosen = settings()
    start(chosen, write_folder("echo", ECHO))
    found = Server.running(Settings(lane="inf2", port=chosen.port))
    assert found.endpoint.generate(["x"], 8) == ["x"]

    def run(*words: str) -> str:
        done = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(words))
        assert done.exit_code == 0, done.output
        return done.stdout

    assert f"echo at {found.url}: ready (nc0 READY, nc1 READY)" in run("status")
    assert "INFERENCE API bind to" in run("logs", "--port", str(chosen.port), "-n", "2")
    assert run("stop") == "1 stopped, 0 left\n"
    assert containers() == []


def test_the_command_typed_by_hand_is_found_and_stopped_as_well(
    settings: MakeSettings, write_folder: WriteFolder, clone: Path
) -> None:
    chosen = settings(model_name="echo")
    server = Server.of(chosen, write_folder("echo", ECHO).path)
    for name in (f"logs/server-{chosen.port}", "cache/huggingface", "cache/neuron-compile-cache"):
        (clone / name).mkdir(parents=True)
        (clone / name).chmod(0o777)
    subprocess.run(["sh", "-c", server.typed()], cwd=clone, check=True, capture_output=True)
    found = Server.running(chosen)
    found.wait_ready(report=lambda line: None)
    assert found.endpoint.generate(["x"], 8) == ["x"]
    assert stop_everything(patience_s=1) == 1
    assert containers() == []


def test_a_long_load_says_now_and_then_that_it_goes_on(settings: MakeSettings, write_folder: WriteFolder) -> None:
    folder = write_folder("echo", ECHO.replace("    if inputs.is_empty():\n", WAITS))
    server = start(settings(), folder, wait=False)
    server.note_s = 0.5
    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        if "still loading, of at most " in line:
            (folder.path / "heard").touch()

    server.wait_ready(report=hear)
    assert (folder.path / "heard").exists(), said


def test_doctor_reads_the_packages_of_the_image(settings: MakeSettings, clone: Path) -> None:
    (clone / "requirements.txt").write_text(f"psutil=={psutil.__version__}\n")
    findings = {finding.subject: finding for finding in examine(settings())}
    assert findings["Docker"].level == "ok"
    assert findings["Neuron devices"].found == "12 files; no neuron-ls to ask"
    assert findings["image"].level == "missing", "the image of these tests has the rehearsal's packages"
    assert "torch-neuronx none instead of 1.13.1.1.12.0" in findings["image"].found


def test_the_log_can_be_followed(settings: MakeSettings, write_folder: WriteFolder) -> None:
    handler = ECHO.replace(
        "    return Output", "    print('asked for', inputs.get_as_json()['text'])\n    return Output"
    )
    server = start(settings(), write_folder("echo", handler))
    words = [sys.executable, "-m", "inf2lab.cli", "logs", "--follow", "--port", str(server.settings.port)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, bufsize=1) as follower:
        assert follower.stdout is not None
        lines = iter(follower.stdout)
        assert any("API bind to" in line for line in lines)
        server.endpoint.send({"text": ["later"]})
        assert "asked for ['later']" in next(line for line in lines if "asked for" in line)
        server.stop(patience_s=1)
        assert follower.wait(timeout=60) == 0, "it ends with the container"


def test_a_start_on_the_same_port_takes_the_place_of_either_lane(
    settings: MakeSettings, write_folder: WriteFolder
) -> None:
    chosen = settings()
    folder, second = write_folder("echo", ECHO), write_folder("second", ECHO)
    start(Settings(port=chosen.port), folder)
    process = read_state(state_path(chosen.port)).process()
    start(chosen, folder)
    assert not process.is_running()
    start(chosen, second, wait=False)
    assert containers() == ["inf2lab-second"]
    start(Settings(port=chosen.port), folder)
    assert containers() == []


def test_a_model_that_does_not_load_is_one_sentence_and_leaves_a_log(
    settings: MakeSettings, write_folder: WriteFolder
) -> None:
    with pytest.raises(LoadFailed, match=r"bad did not load: KeyError: 'fp16' \(whole log: logs/server-"):
        start(settings(), write_folder("bad", BROKEN))
    (server,) = all_servers()
    assert server.status().state == "failed"
    assert "KeyError: 'fp16'" in "\n".join(server.logs(100))
    assert stop_everything() == 0
    assert containers() == []


def test_a_container_that_is_killed_has_failed(settings: MakeSettings, write_folder: WriteFolder) -> None:
    server = start(settings(), write_folder("echo", ECHO))
    docker.run_docker("kill", server.container, what="docker kill")
    status = server.status()
    assert status.state == "failed"
    assert "it was ready, then its process ended" in status.detail
    assert not server.exists()


def test_the_kernels_kill_for_memory_is_told_with_its_remedy(settings: MakeSettings, write_folder: WriteFolder) -> None:
    with pytest.raises(
        LoadFailed, match=r"the kernel killed it. The host has too little memory: .* Take a larger host"
    ):
        start(settings(also="--memory 256m --memory-swap 256m"), write_folder("greedy", GREEDY))


def test_a_taken_port_names_who_has_it_and_starts_nothing(settings: MakeSettings, write_folder: WriteFolder) -> None:
    chosen = settings()
    folder = write_folder("echo", ECHO)
    for offset in (0, 10):  # predictions and management
        with socket.create_server(("127.0.0.1", chosen.port + offset)), pytest.raises(PortInUse) as caught:
            start(chosen, folder)
        assert f"port {chosen.port + offset} is taken by" in str(caught.value)
        assert str(os.getpid()) in str(caught.value)
    assert (containers(), all_servers()) == ([], [])


def test_a_missing_device_is_told_before_anything_starts(
    settings: MakeSettings, write_folder: WriteFolder, tmp_path: Path
) -> None:
    (tmp_path / "dev" / "neuron3").unlink()
    folder = write_folder("echo", ECHO, {"option.tensor_parallel_degree": 8})
    with pytest.raises(ServerError, match=r"neuron3: degree 8 needs 4 Neuron devices, 11 are here"):
        start(settings(), folder)
    assert containers() == []


def test_docker_s_own_words_about_a_missing_device_are_understood(image: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"a driver that is not loaded.*lsmod"):
        docker.run_docker(
            "run", "--rm", "--network", "host", "--device", f"{tmp_path}/dev/neuron0", image, what="docker run"
        )


def test_a_folder_that_the_containers_user_cannot_read_is_named(
    settings: MakeSettings, write_folder: WriteFolder
) -> None:
    folder = write_folder("echo", ECHO)
    folder.handler_path.chmod(0o600)
    if folder.handler_path.stat().st_uid == 1000:
        pytest.skip("these tests run as user 1000, whose files the container may read")
    with pytest.raises(FolderError, match=r"model.py: the container's user 1000 may not read it: `chmod -R o\+rX"):
        start(settings(), folder)


def test_a_strangers_container_of_the_same_name_is_left_alone(
    settings: MakeSettings, write_folder: WriteFolder, image: str
) -> None:
    words = ("create", "--name", "inf2lab-echo", "--network", "host", image)
    stranger = docker.run_docker(*words, what="docker create").strip()
    try:
        with pytest.raises(ServerError, match="there is a container inf2lab-echo already"):
            start(settings(), write_folder("echo", ECHO))
        assert stop_everything() == 0
        assert docker.find("inf2lab-echo").id == stranger
    finally:
        docker.remove(stranger, patience_s=1)


def test_a_container_whose_state_is_lost_is_found_by_its_label(
    settings: MakeSettings, write_folder: WriteFolder, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings()
    start(chosen, write_folder("echo", ECHO))
    state_path(chosen.port).unlink()
    monkeypatch.setenv("INF2LAB_LOGS", str(clone / "elsewhere"))
    assert (left_over(), stop_everything(patience_s=1)) == ([], 0), "another clone does not see it"
    monkeypatch.setenv("INF2LAB_LOGS", str(clone / "logs"))
    assert len(left_over()) == 1
    assert stop_everything(patience_s=1) == 1
    assert (left_over(), containers()) == ([], [])


def test_without_an_engine_the_sentence_says_so(
    settings: MakeSettings, write_folder: WriteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, folder = settings(), write_folder("echo", ECHO)
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
        with pytest.raises(EngineError, match=r"the Docker engine does not run; start it with"):
            start(chosen, folder)
        assert Server.of(chosen, folder.path).status().state == "stopped"
        assert left_over() == []


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, to become nobody")
def test_without_permission_on_the_socket_the_sentence_says_so(
    settings: MakeSettings, write_folder: WriteFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, folder = settings(), write_folder("echo", ECHO)
    script = tmp_path / "bin" / "docker"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec setpriv --reuid 65534 --clear-groups {shutil.which("docker")} "$@"\n')
    script.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
        patch.setenv("DOCKER_CONFIG", "/nonexistent")  # whose own is root's
        with pytest.raises(EngineError, match=r"may not talk to the Docker engine; `sudo usermod -aG docker"):
            start(chosen, folder)


def test_the_state_file_holds_no_option_that_may_be_a_secret(
    settings: MakeSettings, write_folder: WriteFolder, clone: Path
) -> None:
    start(settings(also="-e API_KEY=hf_abcdef"), write_folder("echo", ECHO), wait=False)
    for path in (clone / "logs").rglob("*.json"):
        assert "hf_abcdef" not in path.read_text()
        assert json.loads(path.read_text())["lane"] == "inf2"
