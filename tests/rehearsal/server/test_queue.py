"""Queue limits, server-side batching, scaling by load, and the strict behaviour after a timeout."""

from __future__ import annotations

import threading
import time

import pytest

ONE = "engine=Python\nminWorkers=1\nmaxWorkers=1\n"
SLOW = """
import os, time
def handle(inputs):
    if inputs.is_empty():
        return None
    time.sleep(inputs.get_as_json().get("sleep", 0))
    return Output().add_as_json({"pid": os.getpid()})
"""
BATCH = """
def handle(inputs):
    if inputs.is_empty():
        return None
    if not inputs.is_batch():
        return Output().add_as_json({"batch": 1, "n": inputs.get_as_json()["n"]})
    out, items = Output(), inputs.get_batches()
    if any(one.get_as_json().get("bad") for one in items):
        return out.add("just one")
    for i, one in enumerate(items):
        out.add({"batch": inputs.get_batch_size(), "n": one.get_as_json()["n"]}, key="data", batch_index=i)
    return out
"""


def at_once(server, name, bodies, gap_s=0.05):
    """Answers to requests that start one after the other while the first still run."""
    answers = [None] * len(bodies)

    def send(i):
        answers[i] = server.predict(name, bodies[i])

    threads = [threading.Thread(target=send, args=(i,)) for i in range(len(bodies))]
    for thread in threads:
        thread.start()
        time.sleep(gap_s)
    for thread in threads:
        thread.join(60)
    return answers


@pytest.mark.parametrize(("size", "accepted"), [(1, 1), (2, 2), (3, 3)])
def test_a_full_queue_refuses_and_says_the_limit(start, model, tmp_path, size, accepted):
    model(tmp_path / "s", "q", SLOW, ONE + f"job_queue_size={size}\n")
    server = start(tmp_path / "s")
    answers = at_once(server, "q", [{"sleep": 1}] * 5)
    refused = [answer for answer in answers if answer.status == 503]
    assert len(refused) == 5 - accepted
    full = "Worker queue capacity exceeded for model: q (READY)"
    assert {answer.json()["message"] for answer in refused} == {
        f"{full}; job_queue_size={size}, {accepted - 1} waiting and 1 being answered"
    }
    assert server.predict("q").status == 200


def test_an_asynchronous_request_that_is_refused_says_so_later(start, model, tmp_path):
    code = SLOW.replace("    time.sleep", "    print('busy', flush=True)\n    time.sleep")
    model(tmp_path / "s", "q", code, ONE + "job_queue_size=1\n")
    server = start(tmp_path / "s")
    busy = threading.Thread(target=server.predict, args=("q", {"sleep": 4}))
    busy.start()
    server.wait_for("busy")
    token = server.predict("q", {}, x_synchronous="false").header("x-next-token")
    while (later := server.predict("q", b"", x_starting_token=token)).status == 202:
        time.sleep(0.05)
    assert later.status == 500
    assert later.reason.startswith("ai.djl.serving.wlm.util.WlmCapacityException: Worker queue capacity exceeded")
    busy.join()


def test_requests_are_batched(start, model, tmp_path):
    model(tmp_path / "s", "b", BATCH, ONE + "batch_size=3\nmax_batch_delay=700\n")
    server = start(tmp_path / "s")
    began = time.monotonic()
    assert server.predict("b", {"n": 0}).json() == {"batch": 1, "n": 0}
    assert time.monotonic() - began >= 0.7
    together = at_once(server, "b", [{"n": n} for n in range(3)], gap_s=0.02)
    assert [answer.json() for answer in together] == [{"batch": 3, "n": n} for n in range(3)]
    wrong = at_once(server, "b", [{"n": 0, "bad": True}, {"n": 1}], gap_s=0.02)
    assert {(answer.status, answer.json()["message"]) for answer in wrong} == {
        (400, "Batch output size mismatch, expected: 2, actual: 1")
    }


def test_load_adds_workers_that_leave_when_idle(start, model, tmp_path):
    model(tmp_path / "s", "m", SLOW, "engine=Python\nminWorkers=1\nmaxWorkers=2\nmax_idle_time=1\n")
    server = start(tmp_path / "s")
    answers = at_once(server, "m", [{"sleep": 0.5}] * 8, gap_s=0.01)
    assert {answer.status for answer in answers} == {200}
    server.wait_for("Scaling up workers for model m .READY. to 2")
    server.wait_for("Shutting down temporary worker")
    states = [w["status"] for w in server.send("GET", "/models/m").json()[0]["models"][0]["workerGroups"][0]["workers"]]
    assert states == ["READY", "UNLOADING"]


def test_strict_answers_a_timeout_after_the_reload_and_then_refuses(start, model, tmp_path):
    model(tmp_path / "s", "m", SLOW, ONE + "option.predict_timeout=1\n")
    server = start(tmp_path / "s", "--strict", "on")
    late = server.predict("m", {"sleep": 5})
    assert late.body == (
        b'{\n  "code": 503,\n  "type": "WlmException",\n  "message": "java.util.concurrent.TimeoutException"\n}\n'
    )
    assert len(server.workers()) == 2  # loaded again before the answer
    refused = server.predict("m", {})
    assert refused.json()["message"] == "Worker queue capacity exceeded for model: m (READY)"
    states = [w["status"] for w in server.send("GET", "/models/m").json()[0]["models"][0]["workerGroups"][0]["workers"]]
    assert states == ["UNLOADING"]
    assert server.send("GET", "/ping").json() == {"m": {"status": "Healthy"}}


def test_strict_load_failure_exits_with_0(start, model, tmp_path):
    model(tmp_path / "s", "bad", "raise RuntimeError('no')\n", ONE)
    server = start(tmp_path / "s", "--strict", "on", wait=False)
    assert server.process.wait(60) == 0
    assert "BOTH API bind to" in "\n".join(server.log)
