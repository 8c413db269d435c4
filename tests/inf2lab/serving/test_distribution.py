"""inf2lab.serving with a real DJLServing: its command, environment and configuration; and one run where it is there.

The runs without it are given a folder shaped like the distribution, or a program that takes Docker's words; either
starts the rehearsal server with the same `-f`. What is tested there is how a program of that shape is started, found,
read and stopped.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inf2lab import ModelFolder, Server, Settings, paths
from inf2lab.errors import ServerError
from inf2lab.folder import read_properties
from inf2lab.serving import all_servers, left_over, stop_everything
from inf2lab.serving.distribution import DistributionServer
from inf2lab.serving.state import read_state, state_path

if TYPE_CHECKING:
    from conftest import WriteFolder

REAL = os.environ.get("DJL_SERVING_HOME")
SERVING = """#!{python}
import os, sys
print("home", os.environ["MODEL_SERVER_HOME"], "java", os.environ["JAVA_OPTS"], flush=True)
os.execv(sys.executable, [sys.executable, "-m", "rehearsal.server", *sys.argv[1:]])
"""
DOCKER = """#!{python}
import os, subprocess, sys
words = sys.argv[1:]
with open({log!r}, "a") as log:
    print(*words[:2], *words[-1:], file=log)
if words[0] == "inspect":
    sys.exit("Error: No such container: " + words[-1])
if words[0] == "run":
    mounts = [words[i + 1].split(":")[:2] for i, word in enumerate(words) if word == "-v"]
    config = words[-1]
    for outside, inside in mounts:
        config = config.replace(inside, outside)
    text = open(config).read()
    for outside, inside in mounts:
        text = text.replace(os.path.dirname(inside) + "\\n", os.path.dirname(outside) + "\\n")
    open(config, "w").write(text)
    port = words[words.index("-p") + 1].split(":")[1]
    server = [sys.executable, "-m", "rehearsal.server", "-f", config, "--host", "127.0.0.1", "--port", port]
    sys.exit(subprocess.call(server))
"""
TELLS = """\
import os, sys
from djl_python import Input, Output


def handle(inputs: Input):
    if inputs.is_empty():
        import transformers_neuronx.config
        return None
    found = sys.modules["transformers_neuronx"].__file__
    return Output().add_as_json({"found": found, "cores": os.environ["NEURON_RT_VISIBLE_CORES"], **os.environ})
"""


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Every test ends with no process of its own log folder."""
    yield
    stop_everything(patience_s=5)
    assert left_over() == []


@pytest.fixture
def settings(free_port: int) -> Settings:
    """The defaults on a free port."""
    return Settings(port=free_port)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DJL_SERVING_HOME: a folder shaped like DJLServing 0.25.0."""
    folder = (tmp_path / "serving-0.25.0").resolve()
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "serving-0.25.0.jar").touch()
    script = folder / "bin" / "serving"
    script.parent.mkdir()
    script.write_text(SERVING.format(python=sys.executable))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("DJL_SERVING_HOME", str(folder))
    monkeypatch.setenv("JAVA_HOME", str(folder))  # there may be no Java
    return folder


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """No DJL_SERVING_HOME: the Docker image is meant."""
    monkeypatch.delenv("DJL_SERVING_HOME", raising=False)


@pytest.fixture
def tells(write_folder: WriteFolder) -> ModelFolder:
    """A folder whose handler says what its worker finds."""
    properties = {"engine": "Python", "option.tensor_parallel_degree": 2}
    return write_folder("tells", properties, handler=TELLS)


def after(words: list[str], option: str) -> list[str]:
    """What follows each occurrence of an option."""
    return [words[at + 1] for at, word in enumerate(words) if word == option]


def test_the_name_chooses_the_server_of_the_rehearsals_lane(settings: Settings, echo: ModelFolder) -> None:
    assert type(Server.of(settings, echo.path, server="djl")) is DistributionServer
    assert type(Server.of(settings, echo.path)) is not DistributionServer
    assert type(Server.of(Settings(lane="inf2"), echo.path, server="djl")) is not DistributionServer
    with pytest.raises(ServerError, match="server 'torchserve': use one of rehearsal, djl"):
        Server.of(settings, echo.path, server="torchserve")


def test_the_command_and_the_configuration(settings: Settings, echo: ModelFolder, home: Path, logs: Path) -> None:
    server = DistributionServer(settings, echo)
    written = logs / f"server-{settings.port}" / "config.properties"
    assert server.command() == [str(home / "bin" / "serving"), "-f", str(written)]
    assert server.configuration() == {
        "inference_address": f"http://127.0.0.1:{settings.port}",
        "management_address": f"http://127.0.0.1:{settings.port}",
        "model_store": str(echo.path),
        "load_models": "ALL",
        "load_on_devices": "nc0",
    }


def test_each_copy_has_cores_of_its_own(free_port: int, tells: ModelFolder, home: Path) -> None:
    server = DistributionServer(Settings(port=free_port, copies=3), tells)  # degree 2
    assert server.configuration()["load_on_devices"] == "nc0;nc2;nc4"


def test_the_environment_leads_the_worker_to_the_emulated_chip(
    settings: Settings, echo: ModelFolder, home: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/mine")
    environment = DistributionServer(settings, echo).environment()
    lib = paths.root() / "lib"
    assert environment["PYTHONPATH"].split(os.pathsep) == ["/mine", f"{lib}/rehearsal/neuron", f"{lib}"]
    assert (lib / "rehearsal" / "neuron" / "transformers_neuronx").is_dir()
    assert environment["PYTHON_EXECUTABLE"] == sys.executable
    assert environment["REHEARSAL_NEURON_CORES"] == "24"
    assert environment["MODEL_LOADING_TIMEOUT"] == "7200"  # as the chip's container is told
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["MODEL_SERVER_HOME"] == str(logs / f"server-{settings.port}")


def test_the_docker_command(settings: Settings, echo: ModelFolder, no_home: None, logs: Path) -> None:
    server = DistributionServer(settings, echo)
    words = server.command()
    assert words[:6] == ["docker", "run", "--rm", "--init", "--name", f"inf2lab-djl-{settings.port}"]
    assert "--detach" not in words  # it is found and stopped by its own process
    assert words[-3:] == ["inf2lab-djl:0.25.0", "-f", "/opt/inf2lab/run/config.properties"]
    assert after(words, "-p") == [f"127.0.0.1:{settings.port}:8080"]
    assert f"{echo.path}:/opt/ml/model/echo:ro" in after(words, "-v")
    assert f"{paths.root() / 'lib'}:/opt/inf2lab/lib:ro" in after(words, "-v")
    inside = dict(word.split("=", 1) for word in after(words, "-e"))
    assert inside["PYTHONPATH"] == "/opt/inf2lab/lib/rehearsal/neuron:/opt/inf2lab/lib"
    assert "PYTHON_EXECUTABLE" not in inside
    assert not any(str(logs) in value or str(paths.cache()) in value for value in inside.values())
    assert server.configuration()["inference_address"] == "http://0.0.0.0:8080"
    assert server.configuration()["model_store"] == "/opt/ml/model"


def test_the_image_is_built_as_the_command_names_it(root: Path) -> None:
    text = (root / "docker" / "djl-cpu.Dockerfile").read_text()
    assert "docker build -t inf2lab-djl:0.25.0 -f docker/djl-cpu.Dockerfile ." in text
    assert 'ENTRYPOINT ["/opt/djl-serving/bin/serving"]' in text


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda home: shutil.rmtree(home / "bin"), "no bin/serving there; unpack DJLServing 0.25.0"),
        (lambda home: shutil.rmtree(home / "lib"), "holds no serving-\\*.jar, and profile djl-0.25"),
        (
            lambda home: (home / "lib" / "serving-0.25.0.jar").rename(home / "lib" / "serving-0.27.0.jar"),
            "holds serving-0.27.0.jar, and profile djl-0.25 is DJLServing 0.25.0",
        ),
    ],
)
def test_a_home_that_cannot_serve_is_said_before_anything_starts(
    settings: Settings, echo: ModelFolder, home: Path, broken, says: str
) -> None:
    broken(home)
    with pytest.raises(ServerError, match=says):
        Server.start(settings, echo.path, server="djl")
    assert all_servers() == []


def test_no_java_no_docker_no_image(
    settings: Settings, echo: ModelFolder, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME")
    with pytest.raises(ServerError, match="needs Java, and there is none: install 11 or later"):
        Server.start(settings, echo.path, server="djl")
    monkeypatch.delenv("DJL_SERVING_HOME")
    with pytest.raises(
        ServerError, match=r"set DJL_SERVING_HOME to an unpacked DJLServing 0\.25\.0, or install Docker"
    ):
        Server.start(settings, echo.path, server="djl")
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'Error: No such image' >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    with pytest.raises(ServerError, match=r"no image inf2lab-djl:0\.25\.0: build it with `docker build -t"):
        Server.start(settings, echo.path, server="djl")


def test_it_is_started_found_read_and_stopped_like_the_rehearsal(
    settings: Settings, tells: ModelFolder, home: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    started = Server.start(settings, tells.path, report=said.append, server="djl")
    assert said[-1].endswith(f"ready at {started.url}")
    assert read_properties(started.config_path) == started.configuration()
    state = read_state(state_path(settings.port))
    assert state is not None
    assert state.server == "djl"
    assert f"home {logs / f'server-{settings.port}'} java" in started.logs(200)[0]
    assert f"-Djava.io.tmpdir={state.scratch}" in started.logs(200)[0]
    monkeypatch.delenv("DJL_SERVING_HOME")  # another shell
    found = Server.running(Settings(port=settings.port))
    assert type(found) is DistributionServer
    assert [(w.device, w.status) for w in found.status().workers] == [("nc0", "READY")]
    _check_worker(found)
    assert found.stop() is True
    assert found.status().state == "stopped"
    assert not Path(state.scratch).exists()


def test_the_container_is_found_and_stopped_by_its_own_process(
    settings: Settings, echo: ModelFolder, no_home: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, said = tmp_path / "path", tmp_path / "said"
    folder.mkdir()
    (folder / "docker").write_text(DOCKER.format(python=sys.executable, log=str(said)))
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    server = Server.start(settings, echo.path, report=lambda _: None, server="djl")
    assert server.endpoint.generate(["Hello,"], 64) == ["Hello,"]
    assert server.stop() is True
    name = f"inf2lab-djl-{settings.port}"
    assert said.read_text().splitlines() == [
        "image inspect inf2lab-djl:0.25.0",
        "run --rm /opt/inf2lab/run/config.properties",
        f"inspect --type {name}",
    ]


@pytest.mark.skipif(not REAL, reason="DJL_SERVING_HOME names no DJLServing")
def test_the_real_server_serves_the_same_folder(settings: Settings, tells: ModelFolder) -> None:
    server = Server.start(settings, tells.path, server="djl")
    assert [(w.device, w.status) for w in server.status().workers] == [("nc0", "READY")]
    assert any("Model [tells] initialized." in line for line in server.logs(400))
    _check_worker(server)
    assert server.endpoint.ping().json() == {"tells": {"status": "Healthy"}}
    assert server.stop() is True
    assert server.status().state == "stopped"


def _check_worker(server) -> None:
    """The handler found the emulated chip, and was told its cores and the rehearsal's variables."""
    seen = server.endpoint.send({"any": 1}).json()
    assert seen["found"].startswith(str(paths.root() / "lib" / "rehearsal" / "neuron"))
    assert seen["cores"] == "0-1"
    assert seen["REHEARSAL_NEURON_CORES"] == "24"
    assert seen["REHEARSAL_TNX_GENERATION"] == "0.8"
