"""Odd properties and odd starts with what the real DJLServing 0.25.0 made of them: golden/odd.jsonl."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from rehearsal.server import cli, server
from rehearsal.server.logs import ServerLog
from tests.support.golden.launch import GOLDEN
from tests.support.golden.odd import Places, ask, cases, differences, write_stores

PATIENCE_S, LINGER_S = 60, 0.1
TOLD = """from djl_python import Input, Output
import os, sys
first = None
def handle(inputs):
    global first
    pairs = [[key, value] for key, value in inputs.get_properties().items()]
    first = first or pairs
    if inputs.is_empty():
        return None
    if b"crash" in bytes(inputs.get_content().value_at(0)):
        os._exit(1)
    env = {key: value for key, value in os.environ.items() if key.startswith(("NEURON_RT_", "MY_"))}
    said = {"init": first, "argv": sys.argv[5:], "env": env}
    return Output().add_property("content-type", "application/json").add_as_json(said)
"""
SAID = re.compile(r"^INFO  \w+ ((?:Loading model on|loading model|scaling up|Set NEURON).*)")


@pytest.fixture(scope="module")
def odd(module_start, tmp_path_factory):
    """One server as the original is, whose configuration names a threshold that nobody reads."""
    places = write_stores(tmp_path_factory.mktemp("odd"))
    for folder in (places.work / "store").iterdir():
        if folder.name != "echo":
            folder.rename(places.work / folder.name)
    config = places.work / "config.properties"
    config.write_text("retry_threshold=0\n")
    return module_start(places.work / "store", "--strict", "on", "--allow-any-url", "-f", str(config)), places


@pytest.fixture
def written(odd):
    """Writes the folder `m` with properties; what is loaded of it goes with the test."""
    running, places = odd
    folder = places.work / "store" / "m"
    folder.mkdir(exist_ok=True)
    (folder / "model.py").write_text(TOLD)

    def write(properties):
        (folder / "serving.properties").write_bytes(properties.encode("latin-1"))
        return f"POST /models?url=file:{folder}/ HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode()

    yield write
    running.send("DELETE", "/models/m")


# A pool of threads that the original lost with an earlier model is not played.
PLAYED = [case for case in cases("serving.properties") if "RejectedExecution" not in str(case.values[0]["real"])]


@pytest.mark.parametrize("record", PLAYED)
def test_a_properties_file(odd, written, record):
    """Whether it loads, how it is described, what the log says, and what its worker is told."""
    running, places = odd
    data, real, step = written(record["properties"]), record["real"], record["step"]
    begins = len(running.log)
    got = ask(running.port, data, real if step == "register" else UNTOLD, patience_s=PATIENCE_S, linger_s=LINGER_S)
    if step == "log":
        deadline = time.monotonic() + PATIENCE_S
        while heard(running, begins) != real and time.monotonic() < deadline:  # the log is read by another thread
            time.sleep(0.01)
        assert heard(running, begins) == real
        return
    if step != "register":
        method, path = ("GET", "/models/m") if step == "describe" else ("POST", "/predictions/m")
        data = f"{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode()
        got = ask(running.port, data, real, patience_s=PATIENCE_S, linger_s=LINGER_S)
    assert differences(real, got, places) == []


UNTOLD = {"answers": [{}], "connection": "left open"}


def heard(running, begins):
    """The settings and the steps of a load, as the records show them."""
    lines = running.log[begins:]
    settings = [line for line in lines if line.startswith("\t")]
    return {"settings": settings, "log": [match[1] for line in lines if (match := SAID.match(line))]}


def test_variables_of_a_worker(odd, written):
    """Blanks around names and values are cut, items without a name or `=` count for nothing, `=` in a value stays."""
    running, _ = odd
    stated = r"option.env=\ MY_A \=1, =x,MY_B,MY_C==2,MY_D=,MY_A= 3 , ,"
    loaded = running.raw(written(f"engine=Python\nload_on_devices=nc1\noption.tensor_parallel_degree=1\n{stated}\n"))
    assert loaded.status == 200, loaded.body
    said = running.send("POST", "/predictions/m").json()
    assert said["env"] == {"MY_A": "3", "MY_C": "=2", "MY_D": "", "NEURON_RT_VISIBLE_CORES": "1-1"}


def test_a_stated_pythonpath_takes_the_place_of_the_models_folder(odd, written):
    """As in the original, where the handler is not found then."""
    running, _ = odd
    failed = running.raw(written("engine=Python\noption.env=PYTHONPATH=/nowhere\n"))
    assert (failed.status, failed.json()["message"]) == (500, "Python stream closed unexpectedly, exit code: 1")
    running.wait_for("No module named 'model'")


@pytest.mark.parametrize("line", ["retry_threshold=0\n", "option.retry_threshold=0\n", ""])
def test_the_threshold_of_failures(odd, written, line):
    """The model's own counts at its first crash; that of config.properties, which this server has, never."""
    running, _ = odd
    running.raw(written(f"engine=Python\nminWorkers=1\nmaxWorkers=1\n{line}"))
    running.predict("m", b"crash")
    ping, then = running.send("GET", "/ping"), running.predict("m")
    if line:
        assert (ping.status, ping.json()["m"]) == (500, {"status": "FAILED"})
        assert (then.status, then.json()["message"]) == (503, "Model is not ready: m (FAILED)")
    else:
        assert (ping.status, ping.json()["m"]) == (200, {"status": "Healthy"})
        assert (then.status, then.json()["type"]) == (503, "WlmCapacityException")


# --- starts, with workers that are played


class PlayedProcess:
    pid, lost = 7, False

    async def kill(self):
        self.lost = True

    async def retire(self, grace_s):
        self.lost = True


class PlayedFactory:
    def __init__(self, *_):
        pass

    async def start(self, model, device, *, retry=0):
        return PlayedProcess()

    def close(self):
        pass


class Log(ServerLog):
    """Keeps the lines; where the port opens for good, asks for the models and then ends the server."""

    def __init__(self, *_):
        super().__init__(console=io.StringIO())
        self.lines, self.models, self.opened = [], [], False

    def info(self, source, message):
        self._keep("INFO", source, message)
        bound = re.search(r"bind to: http://127\.0\.0\.1:(\d+)", message)
        if bound and not any("Stopping model server." in line for line in self.lines):
            self.opened = True
            threading.Thread(target=self._ask, args=(int(bound[1]),)).start()

    def warn(self, source, message):
        self._keep("WARN", source, message)

    def error(self, source, message):
        self._keep("ERROR", source, message)

    def _keep(self, level, source, message):
        self.lines += f"{level:<5} {source} {message}".splitlines()

    def _ask(self, port):
        request = b"GET /models HTTP/1.1\r\nHost: h\r\n\r\n"
        with contextlib.suppress(ConnectionResetError):
            got = ask(port, request, UNTOLD, patience_s=PATIENCE_S, linger_s=LINGER_S)
            self.models = [[answer["status"], answer["body"]] for answer in got["answers"]]
        os.kill(os.getpid(), signal.SIGTERM)  # which this server waits for, and nothing else


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The stores of the starts: `plain`, and `odd3` with an empty folder."""
    places = Places(tmp_path_factory.mktemp("starts"))
    for name in ("plain/echo", "plain/My-Model.v1", "odd3/echo"):
        shutil.copytree(GOLDEN / "models" / "main" / "echo", places.work / "store" / name)
    (places.work / "store" / "odd3" / "__pycache__").mkdir()
    return places


@pytest.mark.parametrize("waits", ["true", "false"])
def test_names_that_collide_open_no_port(stores, monkeypatch, capfd, waits):
    """Also where the port need not wait for the models."""
    told = stores.here("load_models=a=${STORE}/plain/echo,a=${STORE}/odd3/echo")
    (stores.work / "config.properties").write_text(f"wait_model_loading={waits}\n{told}\n")
    log = played(monkeypatch, stores, {})
    assert cli.main(["--port", "0", "-f", "config.properties"]) == 2
    assert (log.opened, "bind to" in "\n".join(log.lines)) == (False, False)
    assert "a name of its own" in capfd.readouterr().err


def played(monkeypatch, places, environ):
    """The log of a server whose processes are played, started in the folder of the stores."""
    log = Log()
    for name, value in {
        "ServerLog": lambda *_: log,
        "WorkerFactory": PlayedFactory,
        "worker_package": lambda *_: Path(),
        "FAILURE_PAUSE_S": 0,
    }.items():
        monkeypatch.setattr(server, name, value)
    monkeypatch.setattr(cli, "process_environment", lambda: environ)
    monkeypatch.chdir(places.work)
    return log


@pytest.mark.parametrize("fault", [OSError("disk"), ValueError("bug"), MemoryError()], ids=repr)
@pytest.mark.parametrize("step", ["configure", "devices", "load", "worker_range"])
def test_whatever_ends_a_load_ends_the_start(stores, monkeypatch, step, fault):
    """With its exit code and a sentence, whatever it was."""

    def fails(*_):
        raise fault

    log = played(monkeypatch, stores, {})
    monkeypatch.setattr("rehearsal.server.models.info.ModelInfo." + step, fails)
    assert cli.main(["--port", "0", "-s", stores.here("${STORE}/plain")]) == 1
    assert f"My_Model_v1 did not load: {fault}" in "\n".join(log.lines)


@pytest.mark.parametrize("record", cases("start"))
def test_a_start(stores, monkeypatch, capfd, record):
    """Whether the port opens, which models there are then, the exit code, and the lines of the log."""
    real, log = record["real"], played(monkeypatch, stores, record["environment"])
    (stores.work / "config.properties").write_text(stores.here(record["config.properties"]))
    store = record["name"].removeprefix("store ") if record["name"].startswith("store ") else "plain"
    argv = ["--strict", "on", "--port", "0", "-f", "config.properties", "-s", stores.here("${STORE}/" + store)]
    code = cli.main([*argv, *map(stores.here, record["arguments"])])
    assert (log.opened, log.models) == (real["opened"], [[s, stores.here(b)] for s, b in real.get("models", [])])
    if real["exit"] is not None:
        assert code == real["exit"]
    lines = iter([*log.lines, *capfd.readouterr().out.splitlines()])
    for line in dict.fromkeys(re.sub(r":\d{5}$", "", stores.here(line)) for line in real["log"]):
        assert any(said.startswith(line) for said in lines), line
