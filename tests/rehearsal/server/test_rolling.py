"""Rolling batch: requests join while others run, each gets its own stream, failures reset the batch."""

from __future__ import annotations

import json

import pytest

# Answers each request with `n` texts; requests keep their place until their last text.
ROLLING = """
import json, os, struct, time
active = []
def text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data
def handle(inputs):
    if inputs.is_empty():
        return None
    if inputs.get_property("reset_rollingbatch"):
        active.clear()
    out = Output()
    for i, item in enumerate(inputs.get_batches()):
        body = bytes(item.get_as_bytes())
        if body:
            active.append({"step": 0, **json.loads(body)})
        one = active[i]
        one["step"] += 1
        if one.get("crash"):
            os._exit(1)
        if one.get("fail"):
            raise ValueError("step failed")
        last = one["step"] >= one["n"]
        data = f'{one["name"]}{one["step"]}/{inputs.get_batch_size()} '
        if one.get("pairs"):
            content = struct.pack(">h", 2) + text("data") + text(data) + text("last") + text(str(last))
        else:
            content = json.dumps({"data": data, "last": last})
        out.add(content, key="data", batch_index=i)
    active[:] = [one for one in active if one["step"] < one["n"]]
    print("step", *(one["name"] for one in active), flush=True)
    if active and "until" in active[0]:
        while not os.path.exists(active[0]["until"]):
            time.sleep(0.005)
    return out
"""
NORMAL = """
def handle(inputs):
    return None if inputs.is_empty() else Output().add_as_json([{"generated_text": "x"}])
"""
ONE = "engine=Python\nminWorkers=1\nmaxWorkers=1\n"
MODEL = f"{ONE}option.rolling_batch=auto\noption.max_rolling_batch_size=2\n"


@pytest.fixture
def name(serve):
    return serve(ROLLING, MODEL + "option.output_formatter=jsonlines\n")


def test_one_request_is_a_stream(shared, name):
    answer = shared.predict(name, {"name": "a", "n": 3})
    assert (answer.status, answer.header("content-type")) == (200, "application/jsonlines")
    assert answer.header("transfer-encoding") == "chunked"
    assert answer.body == b"a1/1 a2/1 a3/1 "
    assert shared.predict(name, {"name": "p", "n": 6, "pairs": True}).body == b"p1/1 p2/1 p3/1 p4/1 p5/1 p6/1 "


def test_requests_join_up_to_the_limit(shared, name, gate, background):
    first = background(shared.predict, name, gate.held(name="a", n=30))
    shared.wait_for(f"-{name}-stdout: step a$")
    others = []
    for waiting, other in enumerate("bc", 1):
        others.append(background(shared.predict, name, {"name": other, "n": 5}))
        shared.wait_for_queue(name, waiting)
    gate.open()
    texts = [answer.result().body.decode() for answer in (first, *others)]
    assert [len(text.split()) for text in texts] == [30, 5, 5]
    assert texts[0].split()[:3] == ["a1/1", "a2/2", "a3/2"], "the next step takes one more"
    assert "/3" not in "".join(texts)


def test_a_failed_step_ends_its_requests_and_resets(shared, name):
    failed = shared.predict(name, {"name": "x", "n": 2, "fail": True})
    assert json.loads(failed.body)["message"] == "Batch inference failed"
    assert shared.predict(name, {"name": "y", "n": 1}).body == b"y1/1 "


@pytest.mark.parametrize("line", ["option.rolling_batch=disable", "option.rolling_batch=", "rolling_batch=auto"])
def test_a_handler_that_answers_normally_is_told_of_the_line(shared, serve, line):
    """ROLLING_BATCH_HANGS, off."""
    name = serve(NORMAL, f"{ONE}{line}\n")
    for _ in range(2):
        said = shared.predict(name, {"a": 1})
        assert (said.status, said.json()["type"]) == (400, "TranslateException")
        assert (
            "an instance leaves this request and all after it without an answer; take the line out"
            in said.body.decode()
        )


def test_in_the_original_its_requests_hang_until_the_connection_drops(start, model, tmp_path):
    """ROLLING_BATCH_HANGS, on: also those of a worker that crashes, which is then loaded again and goes on."""
    model(tmp_path / "s", "m", NORMAL, f"{ONE}option.rolling_batch=disable\n")
    model(tmp_path / "s", "crashes", ROLLING, MODEL)
    server = start(tmp_path / "s", "--strict", "on", env={"SERVING_CHUNKED_READ_TIMEOUT": "1"})
    crash = b'{"name": "a", "n": 1, "crash": 1}'
    for name, body in (("m", b"1"), ("m", b"1"), ("crashes", crash)):
        with server.open() as client:
            client.sendall(
                b"POST /predictions/%b HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (name.encode(), len(body)) + body
            )
            assert client.recv(1) == b""
    assert server.predict("crashes", {"name": "b", "n": 2}).body == b"b1/1 b2/1 "


def test_a_size_that_is_no_number_fails_the_load(shared, model, tmp_path):
    folder = model(tmp_path, "m", NORMAL, f"{ONE}rolling_batch=auto\noption.max_rolling_batch_size=x\n")
    said = shared.send("POST", f"/models?url=file://{folder}&model_name=none")
    assert (said.status, said.json()["type"], said.json()["message"]) == (
        500,
        "NumberFormatException",
        'For input string: "x"',
    )
