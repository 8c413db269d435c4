"""Queue limits, server-side batching, scaling by load, and the strict behaviour after a timeout."""

from __future__ import annotations

import time

import pytest

ONE = "engine=Python\nminWorkers=1\nmaxWorkers=1\n"
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


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_full_queue_refuses_and_says_the_limit(shared, serve, gate, background, size):
    """QUEUE_LIMIT_UNSAID, off; the recordings have it on."""
    name = serve(gate.code, ONE + f"job_queue_size={size}\n")
    accepted = [background(shared.predict, name, gate.held())]
    shared.wait_for(f"-{name}-stdout: begins")
    for waiting in range(1, size):
        accepted.append(background(shared.predict, name, gate.held()))
        shared.wait_for_queue(name, waiting)
    full = f"Worker queue capacity exceeded for model: {name} (READY)"
    for _ in range(2):
        refused = shared.predict(name, {})
        assert refused.status == 503
        assert refused.json()["message"] == f"{full}; job_queue_size={size}, {size - 1} waiting and 1 being answered"
    gate.open()
    assert {answer.result().status for answer in accepted} == {200}
    assert shared.predict(name, {}).status == 200


def test_an_asynchronous_request_that_is_refused_says_so_later(shared, serve, gate, background):
    name = serve(gate.code, ONE + "job_queue_size=1\n")
    busy = background(shared.predict, name, gate.held())
    shared.wait_for(f"-{name}-stdout: begins")
    token = shared.predict(name, {}, x_synchronous="false").header("x-next-token")
    while (later := shared.predict(name, b"", x_starting_token=token)).status == 202:
        time.sleep(0.01)
    assert later.status == 500
    assert later.reason.startswith("ai.djl.serving.wlm.util.WlmCapacityException: Worker queue capacity exceeded")
    gate.open()
    assert busy.result().status == 200


def test_a_batch_goes_off_when_it_is_full(shared, serve, background):
    name = serve(BATCH, ONE + "batch_size=3\nmax_batch_delay=100000\n")
    together = [background(shared.predict, name, {"n": n}) for n in range(3)]
    assert [answer.result().json() for answer in together] == [{"batch": 3, "n": n} for n in range(3)]


def test_a_batch_that_does_not_fill_goes_off_after_its_delay(shared, serve):
    name = serve(BATCH, ONE + "batch_size=3\nmax_batch_delay=300\n")
    began = time.monotonic()
    assert shared.predict(name, {"n": 0}).json() == {"batch": 1, "n": 0}
    assert time.monotonic() - began >= 0.3


def test_a_batch_whose_answer_has_another_size_fails(shared, serve, background):
    name = serve(BATCH, ONE + "batch_size=2\nmax_batch_delay=100000\n")
    wrong = [background(shared.predict, name, {"n": n, "bad": n == 0}) for n in range(2)]
    assert {(answer.result().status, answer.result().json()["message"]) for answer in wrong} == {
        (400, "Batch output size mismatch, expected: 2, actual: 1")
    }


def test_load_adds_workers_that_leave_when_idle(shared, serve, gate, background):
    name = serve(gate.code, "engine=Python\nminWorkers=1\nmaxWorkers=2\nmax_idle_time=1\n")
    answers = [background(shared.predict, name, gate.held(n=n)) for n in range(8)]
    shared.wait_for(f"Scaling up workers for model {name} .READY. to 2")
    gate.open()
    assert {answer.result().status for answer in answers} == {200}
    while (states := _states(shared, name)) != ["READY", "UNLOADING"]:
        assert states in (["READY"], ["READY", "READY"])  # on its way, and at work
        time.sleep(0.05)


def test_strict_answers_a_timeout_after_the_reload_and_then_refuses(start, model, gate, tmp_path):
    """RELOAD_BEFORE_ANSWER, DEAD_WORKERS_COUNT and NO_WORKER_IS_503, on."""
    model(tmp_path / "s", "m", gate.code, ONE + "option.predict_timeout=1\n")
    server = start(tmp_path / "s", "--strict", "on")
    late = server.predict("m", gate.held())
    assert late.body == (
        b'{\n  "code": 503,\n  "type": "WlmException",\n  "message": "java.util.concurrent.TimeoutException"\n}\n'
    )
    assert len(server.workers()) == 2  # loaded again before the answer
    refused = server.predict("m", {})
    assert refused.json()["message"] == "Worker queue capacity exceeded for model: m (READY)"
    assert _states(server, "m") == ["UNLOADING"]
    assert server.send("GET", "/ping").json() == {"m": {"status": "Healthy"}}


def test_strict_load_failure_exits_with_0(start, model, tmp_path):
    """FAILED_LOAD_EXITS_0, on."""
    model(tmp_path / "s", "bad", "raise RuntimeError('no')\n", ONE)
    server = start(tmp_path / "s", "--strict", "on", wait=False)
    assert server.ended() == 0
    assert "BOTH API bind to" in "\n".join(server.log)


def _states(server, name):
    group = server.send("GET", f"/models/{name}").json()[0]["models"][0]["workerGroups"][0]
    return [worker["status"] for worker in group["workers"]]
