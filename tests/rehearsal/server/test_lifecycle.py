"""Start, failure to load, timeouts, crashes and the end of a server: what is answered, logged and left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time

import psutil
import pytest

ONE = "engine=Python\noption.entryPoint=model.py\nminWorkers=1\nmaxWorkers=1\n"
LOADS = """
import os, time
def handle(inputs):
    if inputs.is_empty():
        while not os.path.exists(inputs.get_properties()["until"]):
            time.sleep(0.005)
        return None
    return Output().add("ok")
"""
tells_unread = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere a socket does not tell what was left unread"
)
NO_INIT = "Failed to initialize model: prediction failure"
NO_MODULE = "ModuleNotFoundError: No module named 'no_such_module_xyz'"
NO_HANDLE = "AttributeError: module 'model' has no attribute 'handle'"
TIMEOUT = "java.util.concurrent.TimeoutException"
BAD = """
def handle(inputs):
    if inputs.is_empty():
        raise RuntimeError("cannot load weights")
"""


def test_the_port_opens_after_the_models_are_loaded(start, model, tmp_path):
    model(tmp_path / "s", "late", LOADS, ONE + f"option.until={tmp_path}/gate\n")
    server = start(tmp_path / "s", wait=False)
    server.wait_for(r"Python engine started")
    assert not any("API bind to" in line for line in server.log)
    (tmp_path / "gate").touch()
    server.wait_for("API bind to")
    (loaded,) = [i for i, line in enumerate(server.log) if "Model [late] initialized" in line]
    assert not any("API bind to" in line for line in server.log[:loaded])


@pytest.mark.parametrize(
    ("code", "properties", "cause", "last"),
    [
        (BAD, ONE, NO_INIT, "RuntimeError: cannot load weights"),
        ("import no_such_module_xyz\n", ONE, "Failed to loaded model.", NO_MODULE),
        pytest.param("x = 1\n", ONE, NO_INIT, NO_HANDLE, marks=pytest.mark.thorough),
        (None, ONE, "Failed to loaded model.", "ValueError: entry-point file not found {folder}/model.py."),
        pytest.param(None, "engine=Python\n", ".py file not found in: {folder}", None, marks=pytest.mark.thorough),
        (BAD, "engine=Bogus\n", "Deep learning engine not found: Bogus", None),
        pytest.param(
            *(BAD, ONE + "option.tensor_parallel_degree=two\n", 'For input string: "two"', None),
            marks=pytest.mark.thorough,
        ),
        pytest.param(BAD, ONE + "load_on_devices=0\n", "No GPU device detected.", None, marks=pytest.mark.thorough),
        (LOADS, ONE + "option.until=never\noption.model_loading_timeout=1\n", TIMEOUT, None),
    ],
)
def test_a_model_that_does_not_load_ends_the_server(start, model, tmp_path, code, properties, cause, last):
    """FAILED_LOAD_EXITS_0, off."""
    folder = model(tmp_path / "s", "bad", code, properties)
    server = start(tmp_path / "s", wait=False)
    assert server.ended() == 1
    text = "\n".join(server.log)
    assert "ERROR ModelServer Failed register workflow" in server.log
    assert cause.format(folder=folder) in text
    assert "API bind to" not in text
    assert "ERROR Rehearsal bad did not load: " in text
    if last is not None:
        assert server.log[-1] == last.format(folder=folder)


def test_missing_and_empty_stores_serve_nothing(start, tmp_path):
    (tmp_path / "empty").mkdir()
    assert start(tmp_path / "empty").send("GET", "/ping").body == b"{}\n"
    missing = start(tmp_path / "missing")
    assert missing.send("GET", "/models").json() == {"models": []}
    missing.wait_for(r"WARN  ModelServer Model store path is not found: ")


def test_a_store_with_a_file_is_itself_a_model(start, model, tmp_path):
    model(tmp_path, "My Model-1.5b")
    server = start(tmp_path / "My Model-1.5b")
    assert server.predict("My_Model_1_5b", [1]).status == 200
    listed = server.send("GET", "/models").json()["models"]
    assert [(m["modelName"], m["status"]) for m in listed] == [("My_Model_1_5b", "READY")]
    assert listed[0]["modelUrl"].endswith("/My%20Model-1.5b/")


def test_timeout_answers_at_once_and_replaces_the_worker(shared, serve, gate):
    """RELOAD_BEFORE_ANSWER, off."""
    name = serve(gate.code, ONE + "option.predict_timeout=1\n")
    answer = shared.predict(name, gate.held())  # without a timeout it would not be answered
    assert (answer.status, answer.reason, answer.json()["type"]) == (503, "Service Unavailable", "WlmException")
    assert answer.json()["message"].startswith(
        "java.util.concurrent.TimeoutException: no answer in 1 s (option.predict_timeout)"
    )
    first, *_ = _workers(shared, name)
    while (after := shared.predict(name, {})).status == 503:  # on a machine on which this takes a second
        assert "no answer in 1 s" in after.json()["message"]
    assert after.status == 200
    assert after.json()["pid"] != first


def test_crash_during_a_request_and_while_idle(shared, serve, gate):
    """IDLE_DEATH_IS_FINAL, off; the recordings have it on."""
    name = serve(gate.code, ONE)
    answer = shared.predict(name, {"crash": 3})
    assert answer.status == 503
    assert answer.json()["message"].startswith(
        "java.util.concurrent.ExecutionException: java.io.IOException: Python worker disconnected."
    )
    pid = shared.predict(name, {}).json()["pid"]
    child = shared.wait_for(rf"W-(\d+)-{name}-stdout: {pid} - ")[1]  # what the server started; the worker may be a fork
    os.kill(pid, signal.SIGKILL)  # a worker of this test's own model
    shared.wait_for(f"Stop process: -1:{child}, failure=true")
    again = shared.predict(name, {})
    assert again.status == 200
    assert again.json()["pid"] != pid
    assert shared.send("GET", "/ping").json()[name] == {"status": "Healthy"}


@tells_unread
@pytest.mark.parametrize(("strict", "statuses"), [("off", {200}), ("on", {503, 400})])
def test_a_request_that_no_handler_has_read_goes_to_the_replacement(
    start, model, gate, background, tmp_path, strict, statuses
):
    """UNREAD_REQUEST_IS_LOST, off and on."""
    model(tmp_path / "s", "m", gate.code, ONE)
    server = start(tmp_path / "s", "--strict", strict)
    pid = server.predict("m", {}).json()["pid"]
    os.kill(pid, signal.SIGSTOP)  # it reads nothing from here on
    answer = background(server.predict, "m", {})
    time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    assert answer.result().status in statuses  # 400 if the worker was gone before the request came


@tells_unread
def test_a_request_right_after_a_kill_is_answered(start, model, gate, background, tmp_path):
    model(tmp_path / "s", "m", gate.code, ONE)
    server = start(tmp_path / "s")
    for before in (True, False) * 2:
        pid = server.predict("m", {}).json()["pid"]
        server.process.send_signal(signal.SIGSTOP)  # so that it meets the request and the loss together
        if before:
            os.kill(pid, signal.SIGKILL)
        answer = background(server.predict, "m", {})
        time.sleep(0.05)
        if not before:
            os.kill(pid, signal.SIGKILL)
        server.process.send_signal(signal.SIGCONT)
        assert answer.result().status == 200
        assert answer.result().json()["pid"] != pid


def test_requests_behind_a_crash_wait_for_the_replacement(shared, serve, gate, background):
    """QUEUE_IS_LEFT_ALONE and DEAD_WORKERS_COUNT, off."""
    name = serve(gate.code, ONE)
    answers = [background(shared.predict, name, gate.held())]
    shared.wait_for(f"-{name}-stdout: begins")
    for waiting, body in enumerate(({"crash": 1}, {}), 1):
        answers.append(background(shared.predict, name, body))
        shared.wait_for_queue(name, waiting)
    gate.open()
    assert [answer.result().status for answer in answers] == [200, 503, 200]


@pytest.mark.thorough
def test_a_model_that_keeps_dying_is_given_up(start, model, tmp_path):
    marker = tmp_path / "loaded"
    code = f"""
    import os, pathlib
    marker = pathlib.Path({str(marker)!r})
    def handle(inputs):
        if inputs.is_empty():
            if marker.exists():
                raise RuntimeError("second load fails")
            marker.touch()
            return None
        os._exit(1)
    """
    model(tmp_path / "s", "dies", code, ONE)
    server = start(tmp_path / "s", env={"SERVING_RETRY_THRESHOLD": "1"})
    assert server.predict("dies").status == 503
    server.wait_for("the replacement did not load")
    answer = server.predict("dies")
    assert answer.json()["message"] == "Model is not ready: dies (FAILED)"
    ping = server.send("GET", "/ping")
    assert (ping.status, ping.json()) == (500, {"dies": {"status": "FAILED"}})


def test_what_a_crashed_handler_started_ends_too(shared, serve, alive):
    code = """
    import os, subprocess, sys
    child = None
    def handle(inputs):
        global child
        if inputs.is_empty():
            child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"])
            return None
        if inputs.get_as_json():
            os._exit(1)
        return Output().add_as_json({"child": child.pid})
    """
    name = serve(code, ONE)
    child = shared.predict(name, {}).json()["child"]
    assert alive(child)
    assert shared.predict(name, {"crash": 1}).status == 503
    assert shared.predict(name, {}).json()["child"] != child
    assert not alive(child)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.thorough)]
)
def test_signals_end_all_processes_even_busy_ones(start, model, gate, alive, tmp_path, number, code):
    model(tmp_path / "s", "m", gate.code, ONE)
    server = start(tmp_path / "s")
    with server.open() as client:
        _post(client, gate.held())
        server.wait_for("-m-stdout: begins")
        assert server.stop(number) == code
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert not any(map(alive, server.workers()))
    assert not any("Traceback" in line for line in server.log)


@pytest.mark.thorough
def test_a_signal_while_loading_leaves_nothing(start, model, alive, tmp_path):
    model(tmp_path / "s", "late", LOADS, ONE + "option.until=never\n")
    server = start(tmp_path / "s", wait=False)
    server.wait_for(r"Python engine started")
    assert server.stop(signal.SIGTERM) == 143
    assert not any(map(alive, server.workers()))


@pytest.mark.parametrize("state", ["idle", *(pytest.param(s, marks=pytest.mark.thorough) for s in ("busy", "loading"))])
def test_workers_die_with_a_killed_server(start, model, gate, gone, tmp_path, state):
    code = LOADS if state == "loading" else gate.code
    model(tmp_path / "s", "m", code, ONE + "option.until=never\n")
    server = start(tmp_path / "s", wait=state != "loading")
    server.wait_for(r"Python engine started")
    client = None
    if state == "busy":
        client = server.open()
        _post(client, gate.held())
        server.wait_for("-m-stdout: begins")
    workers = server.workers()
    assert workers
    server.stop(signal.SIGKILL)
    assert gone(workers)
    if client is not None:
        client.close()


def test_it_listens_on_loopback_only(start, model, tmp_path):
    model(tmp_path / "s", "echo")
    server = start(tmp_path / "s")
    connections = psutil.Process(server.process.pid).net_connections()
    assert [one.laddr.ip for one in connections if one.status == "LISTEN"] == ["127.0.0.1"]


def test_a_taken_port_is_said_and_ends_with_1(start, tmp_path):
    (tmp_path / "s").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = start(tmp_path / "s", "--port", str(taken.getsockname()[1]), wait=False)
        assert server.ended() == 1
    assert any("Failed to bind to address" in line for line in server.log)
    assert "free it or take another --port" in server.log[-1]


def test_emulated_cores_make_groups(start, model, tmp_path):
    code = """
    import os
    def handle(inputs):
        if inputs.is_empty():
            return None
        return Output().add({k: os.environ.get(k) for k in ("NEURON_RT_VISIBLE_CORES", "REHEARSAL_NEURON_CORES")})
    """
    model(tmp_path / "s", "tp", code, "engine=Python\noption.tensor_parallel_degree=2\n")
    server = start(tmp_path / "s", "--neuron-cores", "6", "--worker-limit", "2")
    groups = server.send("GET", "/models/tp").json()[0]["models"][0]["workerGroups"]
    assert [(g["device"], g["minWorkers"], g["maxWorkers"], len(g["workers"])) for g in groups] == [
        ({"deviceType": "nc", "deviceId": n}, 1, 1, 1) for n in (0, 2)
    ]
    assert server.predict("tp").json() == {"NEURON_RT_VISIBLE_CORES": "0-1", "REHEARSAL_NEURON_CORES": "6"}
    server.wait_for(r"INFO  Connection Set NEURON_RT_VISIBLE_CORES=2-3")
    server.wait_for(r"INFO  ModelManager Loading model on Python:\[nc0, nc2, nc4\]")
    server.wait_for(
        r"WARN  Rehearsal --worker-limit 2: an instance would start 3 workers, on nc0, nc2, nc4; started here: nc0, nc2"
    )
    server.wait_for(r"engine started with args: .*'--device-id', '2'")


def test_too_few_cores_fail_the_load(start, model, tmp_path):
    model(tmp_path / "s", "tp", properties="engine=Python\noption.tensor_parallel_degree=8\n")
    server = start(tmp_path / "s", "--neuron-cores", "2", wait=False)
    assert server.ended() == 1
    server.wait_for("Neuron devices are not enough to run 8 partitions")


def test_logs_on_stdout_and_in_files(start, model, tmp_path):
    code = """
    import logging, sys
    def handle(inputs):
        if inputs.is_empty():
            print("to stdout"); print("to stderr", file=sys.stderr); logging.warning("a warning")
            return None
        print("took [METRICS]tokens.Count:7|#Model:tokens")
        print("[METRICS]tokens.Count:8|#Model:tokens", file=sys.stderr, flush=True)
        return Output().add("x")
    """
    model(tmp_path / "s", "tokens", code, ONE)
    server = start(tmp_path / "s", "--log-dir", str(tmp_path / "logs"))
    server.predict("tokens")
    worker = rf"W-{server.workers()[0]}-tokens"
    for line in [
        r"^INFO  ModelServer Starting djl-serving: 0\.25\.0 \.\.\.$",
        rf"^INFO  ModelServer Found model tokens=file:{tmp_path}/s/tokens/$",
        r"^INFO  PyProcess Start process: 19000 - retry: 0$",
        rf"^INFO  PyProcess {worker}-stdout: to stdout$",
        rf"^WARN  PyProcess {worker}-stderr: to stderr$",
        rf"^INFO  PyProcess {worker}-stdout: a warning$",
        r"^INFO  PyProcess Model \[tokens\] initialized\.$",
    ]:
        server.wait_for(line)
    folder = tmp_path / "logs"
    assert {path.name for path in folder.iterdir()} == {
        "serving.log",
        "access.log",
        "server_metric.log",
        "model_metric.log",
    }
    stamp = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "
    assert _matches(folder / "serving.log", r"^\[INFO \] " + stamp[1:] + r"PyProcess - Model \[tokens\] initialized\.$")
    assert _matches(folder / "access.log", stamp + r'/127\.0\.0\.1:\d+ "POST /predictions/tokens HTTP/1\.1" 200 \d+$')
    for count in (7, 8):
        assert _matches(folder / "model_metric.log", stamp + rf"tokens\.Count:{count}\|#Model:tokens$")
    assert not any("tokens.Count" in line for line in server.log)
    for metric in (  # as ai.djl.metric.Metric of 0.25 prints them
        r"QueueTime\.Microseconds:\d+\|#Host:\S+$",
        r"ModelLatency\.Microseconds:\d+\|#Model:tokens$",
        r"Response_2XX\.Count:1\|#Host:\S+$",
    ):
        assert _matches(folder / "server_metric.log", stamp + metric)


def test_the_server_is_small_and_loads_nothing_heavy(start, model, tmp_path):
    model(tmp_path / "s", "echo", properties=ONE)
    server = psutil.Process(start(tmp_path / "s").process.pid)
    assert server.memory_info().rss < 80 * 1024 * 1024
    mapped = " ".join(part.path for part in server.memory_maps())
    assert not any(f"/{name}/" in mapped for name in ("numpy", "torch", "pydantic_core", "tokenizers"))


def _workers(server, name):
    """Process ids of a model's workers, from the log."""
    found = (re.search(rf"W-(\d+)-{name}-.*engine started with args", line) for line in server.log)
    return [int(match[1]) for match in found if match]


def _post(client, body):
    data = json.dumps(body).encode()
    client.sendall(b"POST /predictions/m HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data))


def _matches(path, pattern):
    return any(re.search(pattern, line) for line in path.read_text().splitlines())
