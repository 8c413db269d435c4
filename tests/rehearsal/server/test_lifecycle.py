"""Start, failure to load, timeouts, crashes and the end of a server: what is answered, logged and left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

ONE = "engine=Python\noption.entryPoint=model.py\nminWorkers=1\nmaxWorkers=1\n"
SLOW = """
import os, time
def handle(inputs):
    if inputs.is_empty():
        return None
    d = inputs.get_as_json()
    if d.get("crash"):
        os._exit(d["crash"])
    time.sleep(d.get("sleep", 0))
    return Output().add_as_json({"pid": os.getpid()})
"""
SLOW_LOAD = """
import time
def handle(inputs):
    if inputs.is_empty():
        time.sleep(float(inputs.get_properties()["load_sleep"]))
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


def in_background(call, *args):
    """Runs a call on a thread; the list holds its result when the thread is done."""
    result: list[object] = []
    thread = threading.Thread(target=lambda: result.append(call(*args)))
    thread.start()
    return thread, result


def test_the_port_opens_after_the_models_are_loaded(start, model, tmp_path):
    model(tmp_path / "s", "late", SLOW_LOAD, ONE + "option.load_sleep=1\n")
    server = start(tmp_path / "s", wait=False)
    server.wait_for(r"Python engine started")
    assert not any("API bind to" in line for line in server.log)
    began = time.monotonic()
    server.wait_for("API bind to")
    assert time.monotonic() - began > 0.5


@pytest.mark.parametrize(
    ("code", "properties", "cause", "last"),
    [
        (BAD, ONE, NO_INIT, "RuntimeError: cannot load weights"),
        ("import no_such_module_xyz\n", ONE, "Failed to loaded model.", NO_MODULE),
        ("x = 1\n", ONE, NO_INIT, NO_HANDLE),
        (None, ONE, "Failed to loaded model.", "ValueError: entry-point file not found {folder}/model.py."),
        (None, "engine=Python\n", ".py file not found in: {folder}", None),
        (BAD, "engine=Bogus\n", "Deep learning engine not found: Bogus", None),
        (BAD, ONE + "option.tensor_parallel_degree=two\n", 'For input string: "two"', None),
        (BAD, ONE + "load_on_devices=0\n", "No GPU device detected.", None),
        (SLOW_LOAD, ONE + "option.load_sleep=30\noption.model_loading_timeout=1\n", TIMEOUT, None),
    ],
)
def test_a_model_that_does_not_load_ends_the_server(start, model, tmp_path, code, properties, cause, last):
    folder = model(tmp_path / "s", "bad", code, properties)
    server = start(tmp_path / "s", wait=False)
    assert server.process.wait(20) == 1
    time.sleep(0.1)
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


def test_timeout_answers_at_once_and_replaces_the_worker(start, model, tmp_path):
    model(tmp_path / "s", "slow", SLOW, ONE + "option.predict_timeout=1\n")
    server = start(tmp_path / "s")
    first = server.predict("slow", {}).json()["pid"]
    began = time.monotonic()
    answer = server.predict("slow", {"sleep": 30})
    assert 0.9 < time.monotonic() - began < 3
    assert (answer.status, answer.reason, answer.json()["type"]) == (
        503,
        "Service Unavailable",
        "WlmException",
    )
    assert answer.json()["message"].startswith(
        "java.util.concurrent.TimeoutException: no answer in 1 s (option.predict_timeout)"
    )
    after = server.predict("slow", {})
    assert after.status == 200
    assert after.json()["pid"] != first


def test_crash_during_a_request_and_while_idle(start, model, tmp_path):
    model(tmp_path / "s", "slow", SLOW, ONE)
    server = start(tmp_path / "s")
    answer = server.predict("slow", {"crash": 3})
    assert answer.status == 503
    assert answer.json()["message"].startswith(
        "java.util.concurrent.ExecutionException: java.io.IOException: Python worker disconnected."
    )
    pid = server.predict("slow", {}).json()["pid"]
    os.kill(pid, signal.SIGKILL)  # a worker of this test's own server
    server.wait_for(f"Stop process: -1:{pid}, failure=true")
    again = server.predict("slow", {})
    assert again.status == 200
    assert again.json()["pid"] != pid
    assert server.send("GET", "/ping").json() == {"slow": {"status": "Healthy"}}


@tells_unread
@pytest.mark.parametrize(("strict", "statuses"), [("off", {200}), ("on", {503, 400})])
def test_a_request_that_no_handler_has_read_goes_to_the_replacement(start, model, tmp_path, strict, statuses):
    model(tmp_path / "s", "slow", SLOW, ONE)
    server = start(tmp_path / "s", "--strict", strict)
    pid = server.predict("slow", {}).json()["pid"]
    os.kill(pid, signal.SIGSTOP)  # it reads nothing from here on
    thread, result = in_background(server.predict, "slow", {})
    time.sleep(0.3)
    os.kill(pid, signal.SIGKILL)
    thread.join(20)
    assert result[0].status in statuses  # 400 if the worker was gone before the request came


@tells_unread
def test_a_request_right_after_a_kill_is_answered(start, model, tmp_path):
    model(tmp_path / "s", "slow", SLOW, ONE)
    server = start(tmp_path / "s")
    for before in (True, False) * 3:
        pid = server.predict("slow", {}).json()["pid"]
        server.process.send_signal(signal.SIGSTOP)  # so that it meets the request and the loss together
        if before:
            os.kill(pid, signal.SIGKILL)
        thread, result = in_background(server.predict, "slow", {})
        time.sleep(0.05)
        if not before:
            os.kill(pid, signal.SIGKILL)
        server.process.send_signal(signal.SIGCONT)
        thread.join(20)
        assert result[0].status == 200
        assert result[0].json()["pid"] != pid


def test_requests_behind_a_crash_wait_for_the_replacement(start, model, tmp_path):
    model(tmp_path / "s", "slow", SLOW, ONE)
    server = start(tmp_path / "s")
    crashing = in_background(server.predict, "slow", {"sleep": 0.5})
    time.sleep(0.2)
    behind = in_background(server.predict, "slow", {"crash": 1})
    time.sleep(0.1)
    last = in_background(server.predict, "slow", {})
    for thread, _ in (crashing, behind, last):
        thread.join(20)
    assert [result[0].status for _, result in (crashing, behind, last)] == [200, 503, 200]


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


def test_what_a_crashed_handler_started_ends_too(start, model, alive, tmp_path):
    code = """
    import os, subprocess, sys
    child = None
    def handle(inputs):
        global child
        if inputs.is_empty():
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            return None
        if inputs.get_as_json():
            os._exit(1)
        return Output().add_as_json({"child": child.pid})
    """
    model(tmp_path / "s", "m", code, ONE)
    server = start(tmp_path / "s")
    child = server.predict("m", {}).json()["child"]
    assert alive(child)
    assert server.predict("m", {"crash": 1}).status == 503
    assert server.predict("m", {}).json()["child"] != child
    assert not alive(child)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_all_processes_even_busy_ones(start, model, alive, tmp_path, number, code):
    model(tmp_path / "s", "slow", SLOW, ONE)
    server = start(tmp_path / "s")
    pid = server.predict("slow", {}).json()["pid"]
    with server.open() as client:
        client.sendall(b'POST /predictions/slow HTTP/1.1\r\nContent-Length: 12\r\n\r\n{"sleep":60}')
        time.sleep(0.3)
        began = time.monotonic()
        assert server.stop(number) == code
        assert time.monotonic() - began < 2
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert not alive(pid)
    assert not any("Traceback" in line for line in server.log)


def test_a_signal_while_loading_leaves_nothing(start, model, alive, tmp_path):
    model(tmp_path / "s", "late", SLOW_LOAD, ONE + "option.load_sleep=60\n")
    server = start(tmp_path / "s", wait=False)
    server.wait_for(r"Python engine started")
    assert server.stop(signal.SIGTERM) == 143
    assert not any(map(alive, server.workers()))


@pytest.mark.parametrize("state", ["idle", "busy", "loading"])
def test_workers_die_with_a_killed_server(start, model, alive, tmp_path, state):
    loading = state == "loading"
    code = SLOW_LOAD if loading else SLOW
    model(tmp_path / "s", "m", code, ONE + "option.load_sleep=60\n")
    server = start(tmp_path / "s", wait=not loading)
    server.wait_for(r"Python engine started")
    client = None
    if state == "busy":
        client = server.open()
        client.sendall(b'POST /predictions/m HTTP/1.1\r\nContent-Length: 12\r\n\r\n{"sleep":60}')
        time.sleep(0.3)
    workers = server.workers()
    assert workers
    server.stop(signal.SIGKILL)
    deadline = time.monotonic() + 3
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, workers))
    if client is not None:
        client.close()


def test_it_listens_on_loopback_only(start, model, tmp_path):
    model(tmp_path / "s", "echo")
    server = start(tmp_path / "s")
    listening = subprocess.run(
        [
            sys.executable,
            "-c",
            "import psutil, sys; print([c.laddr.ip for c in "
            "psutil.Process(int(sys.argv[1])).net_connections() if c.status == 'LISTEN'])",
            str(server.process.pid),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listening.stdout.strip() == "['127.0.0.1']"


def test_a_taken_port_is_said_and_ends_with_1(start, tmp_path):
    (tmp_path / "s").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = start(tmp_path / "s", "--port", str(taken.getsockname()[1]), wait=False)
        assert server.process.wait(20) == 1
    time.sleep(0.1)
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
    assert server.process.wait(20) == 1
    server.wait_for("Neuron devices are not enough to run 8 partitions")


def test_logs_on_stdout_and_in_files(start, model, tmp_path):
    code = """
    import logging, sys
    def handle(inputs):
        if inputs.is_empty():
            print("to stdout"); print("to stderr", file=sys.stderr); logging.warning("a warning")
            return None
        print("[METRICS]tokens.Count:7|#Model:tokens")
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
    assert _matches(folder / "serving.log", stamp + r"INFO  PyProcess Model \[tokens\] initialized\.$")
    assert _matches(folder / "access.log", stamp + r'/127\.0\.0\.1:\d+ "POST /predictions/tokens HTTP/1\.1" 200 \d+$')
    assert _matches(folder / "model_metric.log", r"\[METRICS\]tokens")
    for metric in (  # as ai.djl.metric.Metric of 0.25 prints them
        r"QueueTime\.Microseconds:\d+\|#Host:\S+$",
        r"ModelLatency\.Microseconds:\d+\|#Model:tokens$",
        r"Response_2XX\.Count:1\|#Host:\S+$",
    ):
        assert _matches(folder / "server_metric.log", stamp + "INFO  " + metric)


def test_start_is_quick_and_small(start, model, tmp_path):
    model(tmp_path / "s", "echo", properties=ONE)
    server = start(tmp_path / "s")
    script = "p = psutil.Process(int(sys.argv[1])); print(sum(p.cpu_times()[:2]), p.memory_info().rss)"
    command = [sys.executable, "-c", f"import psutil, sys; {script}", str(server.process.pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert float(shown[0]) < 1.0  # seconds of CPU, which other work on the machine does not change
    assert int(shown[1]) < 80 * 1024 * 1024


def _matches(path, pattern):
    return any(re.search(pattern, line) for line in path.read_text().splitlines())
