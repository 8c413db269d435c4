"""inf2lab.serving end to end: the real rehearsal server and DJL's worker, started, looked at, killed and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import warm_worker
from inf2lab import ModelFolder, Server, Settings
from inf2lab.errors import EndpointDown, FolderError, LoadFailed, NotReady, PortInUse, ServerError, StandInError
from inf2lab.serving import ModelServer, all_servers, left_over, stop_everything
from inf2lab.serving.state import read_state, state_path

if TYPE_CHECKING:
    from conftest import WriteFolder

HEAD = "import os, time\nfrom djl_python import Input, Output\n\n\ndef handle(inputs: Input):\n"
RAISES = f"{HEAD}    raise RuntimeError('cannot load weights')\n"
SLOW = f"{HEAD}    time.sleep(60)\n"
TELLS = f"{HEAD}    return None if inputs.is_empty() else Output().add_as_json({{'pid': os.getpid(), **os.environ}})\n"

Ask = Callable[[], object]


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Every test ends with no process of its own log folder, whatever happened in it."""
    yield
    stop_everything(patience_s=5)
    assert left_over() == []


@pytest.fixture
def settings(free_port: int) -> Settings:
    """The defaults on a free port."""
    return Settings(port=free_port)


@pytest.fixture
def other_port(free_port: int) -> int:
    """A second free port."""
    with socket.socket() as taken, socket.socket() as probe:
        taken.bind(("127.0.0.1", free_port))
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(settings: Settings, folder: ModelFolder) -> ModelServer:
    """Start without printing, and wait."""
    return Server.start(settings, folder.path, report=lambda _: None)


def process_of(server: ModelServer) -> psutil.Process:
    """The server's own process."""
    state = read_state(state_path(server.settings.port))
    assert state is not None
    process = state.process()
    assert process is not None
    return process


def workers_of(server: ModelServer) -> list[psutil.Process]:
    """The workers of a server: the processes below it that run DJL's engine."""
    found = []
    for process in process_of(server).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [process] if any("djl_python_engine.py" in word for word in process.cmdline()) else []
    return found


def worker_of(server: ModelServer) -> psutil.Process:
    """The one worker of a ready server."""
    (worker,) = workers_of(server)
    return worker


def eventually(ask: Ask, *, within_s: float = 60) -> None:
    """Wait until `ask` is true; fail when it takes too long."""
    deadline = time.monotonic() + within_s
    while not ask():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended; a zombie that nobody reaps has."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_start_answer_status_logs_stop_and_stop_again(settings: Settings, echo: ModelFolder) -> None:
    before = echo.fingerprint()
    said: list[str] = []
    server = Server.start(settings, echo.path, report=said.append)
    process, worker = process_of(server), worker_of(server)
    status = server.status()
    assert (status.state, status.detail) == ("ready", f"echo answers at {server.url}")
    assert [(w.device, w.status) for w in status.workers] == [("nc0", "READY")]
    assert server.endpoint.generate(["Hello,", "Welcome"], 64) == ["Hello,", "Welcome"]
    assert server.endpoint.ping().json() == {"echo": {"status": "Healthy"}}
    steps = [line.split(" s  ")[1] for line in said]
    assert steps == [
        "model folder found",
        "worker process started",
        "the worker has imported the handler",
        "model loaded",
        "port open",
        f"ready at {server.url}",
    ]
    assert len(server.logs(5)) == 5
    assert any("Model [echo] initialized." in line for line in server.logs(100))
    assert server.stop() is True
    assert gone(process)
    assert gone(worker)
    assert echo.fingerprint() == before
    assert server.status().state == "stopped"
    with pytest.raises(EndpointDown):
        server.endpoint.ping()
    assert server.stop() is False


def test_the_server_listens_on_loopback_only_and_its_scratch_goes_with_it(
    settings: Settings, echo: ModelFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where the environment names a configuration that says otherwise, as the inf2 image's does."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.properties").write_text(
        "inference_address=http://0.0.0.0:8080\nmanagement_address=http://0.0.0.0:8081\n"
    )
    monkeypatch.setenv("MODEL_SERVER_HOME", str(tmp_path))
    said: list[str] = []
    server = Server.start(settings, echo.path, report=said.append)
    assert sum("MODEL_SERVER_HOME" in line for line in said) == 1
    listening = [c.laddr for c in process_of(server).net_connections("inet") if c.status == "LISTEN"]
    assert listening == [("127.0.0.1", settings.port)]
    state = read_state(state_path(settings.port))
    assert state is not None
    assert Path(state.scratch).is_dir()
    server.stop()
    assert not Path(state.scratch).exists()
    assert not state.path.exists()


def test_another_notebook_finds_the_server_by_its_state(settings: Settings, echo: ModelFolder) -> None:
    started = start(settings, echo)
    found = Server.running(Settings(port=settings.port))
    assert found.folder == started.folder
    assert found.endpoint.generate(["x"], 8) == ["x"]
    assert [server.url for server in all_servers()] == [started.url]
    started.stop()
    with pytest.raises(ServerError, match=rf"no server of this lab runs on port {settings.port}: run notebook 05"):
        Server.running(settings)


@pytest.mark.thorough
def test_a_server_outlives_the_process_that_started_it(settings: Settings, echo: ModelFolder, root: Path) -> None:
    program = (
        "import os, signal\nfrom inf2lab import Server, Settings\n"
        f"Server.start(Settings(port={settings.port}), {str(echo.path)!r})\n"
        "os.killpg(0, signal.SIGKILL)\n"
    )
    notebook = subprocess.run(
        [sys.executable, "-c", program], cwd=root, start_new_session=True, capture_output=True, check=False
    )
    assert notebook.returncode == -signal.SIGKILL, notebook.stderr
    assert Server.running(settings).endpoint.generate(["still here"], 8) == ["still here"]
    assert stop_everything() >= 1


def test_a_worker_sees_the_images_and_the_rehearsals_environment(
    free_port: int, write_folder: WriteFolder, logs: Path
) -> None:
    folder = write_folder("tells", {"option.tensor_parallel_degree": 2}, handler=TELLS)
    seen = start(Settings(port=free_port), folder).endpoint.send({}).json()
    assert seen["REHEARSAL_TNX_GENERATION"] == "0.8"
    assert seen["NEURON_CC_FLAGS"] == "--logfile /tmp/compile.log --temp-dir=/tmp"
    assert seen["NEURON_RT_VISIBLE_CORES"] == "0-1"
    assert seen["HF_HUB_OFFLINE"] == "1"
    assert seen["HF_HOME"].endswith("/stand-ins")
    assert (seen["MODEL_LOADING_TIMEOUT"], seen["PREDICT_TIMEOUT"]) == ("7200", "360")  # as on the chip
    assert seen["TMPDIR"] != os.environ.get("TMPDIR")
    assert seen["INF2LAB_OWNER"] == str(logs)


@pytest.mark.thorough
def test_the_articles_profile_runs_a_handler_under_its_own_rules(free_port: int, write_folder: WriteFolder) -> None:
    folder = write_folder("tells", {"engine": "Python"}, handler=TELLS)
    seen = start(Settings(port=free_port, profile="seed-0.21"), folder).endpoint.send({}).json()
    assert seen["REHEARSAL_TNX_GENERATION"] == "0.2"
    assert seen["MODEL_LOADING_TIMEOUT"] == "7200"


@pytest.mark.thorough
def test_a_folder_with_only_a_handler_is_served(settings: Settings, write_folder: WriteFolder) -> None:
    server = start(settings, write_folder("bare", handler=TELLS))
    assert server.endpoint.send({}).ok


def test_a_handler_that_raises_is_named_with_its_own_exception(settings: Settings, write_folder: WriteFolder) -> None:
    folder = write_folder("badload", {"engine": "Python"}, handler=RAISES)
    with pytest.raises(LoadFailed) as caught:
        start(settings, folder)
    assert caught.value.cause == "RuntimeError: cannot load weights"
    assert "badload did not load: RuntimeError: cannot load weights (whole log: " in str(caught.value)
    server = Server.of(settings, folder.path)
    status = server.status()
    assert (status.state, status.detail) == ("failed", "RuntimeError: cannot load weights")
    assert left_over() == []
    assert server.stop() is False
    assert server.status().state == "stopped"


@pytest.mark.thorough
def test_a_handler_that_cannot_be_imported_is_named_with_what_is_missing(
    settings: Settings, write_folder: WriteFolder
) -> None:
    folder = write_folder("badimport", {"engine": "Python"}, handler="import not_installed_anywhere\n")
    with pytest.raises(LoadFailed, match="ModuleNotFoundError: No module named 'not_installed_anywhere'"):
        start(settings, folder)


def test_more_cores_than_the_instance_has_are_named(free_port: int, write_folder: WriteFolder) -> None:
    folder = write_folder("large", {"option.tensor_parallel_degree": 4}, handler=TELLS)
    with pytest.raises(LoadFailed, match="not enough"):
        start(Settings(port=free_port, instance="inf2.xlarge"), folder)


def test_a_port_in_use_names_its_owner_and_starts_nothing(settings: Settings, echo: ModelFolder) -> None:
    with socket.create_server(("127.0.0.1", settings.port)), pytest.raises(PortInUse) as caught:
        start(settings, echo)
    assert f"port {settings.port} is taken by" in str(caught.value)
    assert f"(process {os.getpid()})" in str(caught.value)
    assert "choose another port" in str(caught.value)
    assert all_servers() == []


def test_a_server_that_loads_is_loading_and_can_be_stopped(settings: Settings, write_folder: WriteFolder) -> None:
    folder = write_folder("slow", {"engine": "Python"}, handler=SLOW)
    server = Server.start(settings, folder.path, wait=False, report=lambda _: None)
    eventually(lambda: any("Python engine started." in line for line in server.logs(100)))
    assert server.status().state == "loading"
    with pytest.raises(NotReady, match="is not ready after 0 s; last log line: "):
        server.wait_ready(timeout_s=0.3, report=lambda _: None)
    worker = worker_of(server)
    assert server.stop(patience_s=600) is True, "it ends when it is asked; a kill would come after the test's own time"
    assert gone(worker)


def test_a_killed_server_has_failed_and_leaves_nothing(settings: Settings, echo: ModelFolder) -> None:
    server = start(settings, echo)
    process, worker = process_of(server), worker_of(server)
    process.kill()
    eventually(lambda: gone(process))
    status = server.status()
    assert status.state == "failed"
    assert "was ready, then its process ended" in status.detail
    eventually(lambda: gone(worker))
    stop_everything()
    assert left_over() == []
    assert all_servers() == []


def test_a_killed_worker_is_replaced_and_the_endpoint_answers_again(settings: Settings, echo: ModelFolder) -> None:
    server = start(settings, echo)
    killed = worker_of(server)
    killed.kill()
    # Not only an answer: a warm worker is a fork that may give one more before it notices.
    eventually(lambda: [one for one in workers_of(server) if one != killed])
    eventually(lambda: server.status().state == "ready")
    eventually(lambda: server.endpoint.send({"text": ["again"]}).ok)
    assert worker_of(server) != killed


def lose(server: ModelServer) -> Path:
    """Delete the state file of a running server; returns its scratch folder."""
    state = read_state(state_path(server.settings.port))
    assert state is not None
    state.path.unlink()
    assert server.status().state == "stopped"
    return Path(state.scratch)


def test_a_server_whose_state_is_lost_is_found_by_its_mark(settings: Settings, echo: ModelFolder, root: Path) -> None:
    server = start(settings, echo)
    process, worker = process_of(server), worker_of(server)
    scratch = lose(server)
    done = subprocess.run(
        [sys.executable, "-m", "inf2lab.cli", "stop"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("stopped, 0 left")
    assert gone(process)
    assert gone(worker)
    assert not scratch.exists()


@pytest.mark.thorough
def test_of_two_servers_side_by_side_a_start_takes_the_port_back_from_the_lost_one_and_leaves_the_other_alone(
    settings: Settings, echo: ModelFolder, write_folder: WriteFolder, other_port: int
) -> None:
    lost = start(settings, echo)
    other = start(Settings(port=other_port), write_folder("second", {"engine": "Python"}, handler=TELLS))
    assert {server.url for server in all_servers()} == {lost.url, other.url}
    assert lost.endpoint.generate(["x"], 8) == ["x"]
    assert other.endpoint.send({}).ok
    process, kept = process_of(lost), process_of(other)
    scratch = lose(lost)
    server = start(settings, echo)
    assert gone(process)
    assert not scratch.exists()
    assert server.endpoint.generate(["x"], 8) == ["x"]
    server.stop()
    assert process_of(other) == kept
    assert other.endpoint.send({}).ok
    assert stop_everything() == 1


@pytest.mark.thorough
def test_starting_again_on_the_same_port_replaces_the_old_server(
    settings: Settings, echo: ModelFolder, write_folder: WriteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(warm_worker.NAME, raising=False)  # the handler's process is the one that the server started
    old = start(settings, echo)
    process, worker = process_of(old), worker_of(old)
    new = start(settings, write_folder("second", {"engine": "Python"}, handler=TELLS))
    assert gone(process)
    assert gone(worker)
    assert new.endpoint.send({}).json()["pid"] == worker_of(new).pid
    assert not old.endpoint.send({}).ok, "the old model is still served"


def test_a_missing_folder_starts_nothing_and_leaves_the_running_server_alone(
    settings: Settings, echo: ModelFolder, tmp_path: Path
) -> None:
    server = start(settings, echo)
    with pytest.raises(FolderError, match="no such model folder"):
        Server.start(settings, tmp_path / "nowhere")
    assert server.status().state == "ready"


def test_a_model_without_stand_in_weights_starts_nothing(settings: Settings, write_folder: WriteFolder) -> None:
    folder = write_folder("other", {"option.model_id": "acme/llm-7b"}, handler=TELLS)
    with pytest.raises(StandInError, match="acme/llm-7b: the rehearsal does not know this model"):
        start(settings, folder)
    assert all_servers() == []


def test_the_built_in_handler_of_the_articles_image_cannot_be_rehearsed(
    free_port: int, write_folder: WriteFolder
) -> None:
    folder = write_folder("m", {"option.entryPoint": "djl_python.transformer-neuronx"})
    with pytest.raises(ServerError) as caught:
        start(Settings(port=free_port, profile="seed-0.21"), folder)
    assert "built-in handler of DJLServing 0.21.0 cannot be rehearsed" in str(caught.value)
    assert "model.py (notebook 04)" in str(caught.value)
    assert "profile djl-0.25" in str(caught.value)
