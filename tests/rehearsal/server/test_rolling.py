"""Rolling batch: requests join while others run, each gets its own stream, failures reset the batch."""

from __future__ import annotations

import json
import threading
import time

import pytest

from rehearsal.server.errors import CodecError
from rehearsal.server.workers.rolling import read_item

# Answers each request with `n` texts; requests keep their place until their last text.
ROLLING = """
import json, struct, time
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
    time.sleep(0.05)
    return out
"""
MODEL = "engine=Python\nminWorkers=1\nmaxWorkers=1\noption.rolling_batch=auto\noption.max_rolling_batch_size=2\n"


@pytest.fixture
def server(start, model, tmp_path):
    model(tmp_path / "s", "m", ROLLING, MODEL + "option.output_formatter=jsonlines\n")
    return start(tmp_path / "s")


def test_one_request_is_a_stream(server):
    answer = server.predict("m", {"name": "a", "n": 3})
    assert (answer.status, answer.header("content-type")) == (200, "application/jsonlines")
    assert answer.header("transfer-encoding") == "chunked"
    assert answer.body == b"a1/1 a2/1 a3/1 "
    assert server.predict("m", {"name": "p", "n": 6, "pairs": True}).body == b"p1/1 p2/1 p3/1 p4/1 p5/1 p6/1 "


def test_requests_join_up_to_the_limit(server):
    answers = {}

    def send(name, n):
        answers[name] = server.predict("m", {"name": name, "n": n}).body.decode()

    threads = [threading.Thread(target=send, args=pair) for pair in [("a", 30), ("b", 5), ("c", 5)]]
    for thread in threads:
        thread.start()
        time.sleep(0.15)
    for thread in threads:
        thread.join(60)
    assert [len(answers[name].split()) for name in "abc"] == [30, 5, 5]
    assert "/2" in answers["a"]
    assert "/3" not in "".join(answers.values())


def test_a_failed_step_ends_its_requests_and_resets(server):
    failed = server.predict("m", {"name": "x", "n": 2, "fail": True})
    assert json.loads(failed.body) == {"code": 424, "message": "Batch inference failed"}
    assert server.predict("m", {"name": "y", "n": 1}).body == b"y1/1 "


@pytest.mark.parametrize("content", [b"{", b"\x00", b"\x00\x01\x00\x05ab", b"\x00\x01\x00\x01\xff\x00\x01a"])
def test_items_that_are_neither_form(content):
    with pytest.raises(CodecError):
        read_item(content + b"" if content != b"\x00\x01\x00\x05ab" else b"\x00\x02\x00\x01a")
