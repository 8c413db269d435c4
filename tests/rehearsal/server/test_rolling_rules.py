"""The rules of 0.25's rolling batch, beside small readings of their text: what switches it on, what a step means."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehearsal.server.config import Flags, load_config
from rehearsal.server.errors import ApiError, WorkerLost
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.devices import Device
from rehearsal.server.models.info import ModelInfo, Registration
from rehearsal.server.switches import Switch
from rehearsal.server.workers.codec import Frame, Reply, encode_request
from rehearsal.server.workers.jobs import Job, Message
from rehearsal.server.workers.members import Shared, Worker
from rehearsal.server.workers.rolling import roll
from tests.support.golden.odd import cases

VALUES = st.sampled_from(["auto", "disable", "", "foo", "Disable", "DISABLE", "false", "none", "scheduler", " disable"])
SIZES = st.sampled_from(["1", "32", "0", "-1", "+4", "007", "", "x", "2.0", " 3", "3 ", "1e2", "99999999999", "0x10"])
FORMATS = st.sampled_from([None, "json", "jsonlines", "", "x", "JSON", "json ", "sse"])
QUICK = settings(max_examples=50, deadline=None)


def model(properties: dict[str, str], environ: dict[str, str] | None = None, *switches: Switch) -> ModelInfo:
    """A model with these lines in its serving.properties."""
    config = load_config(Flags(original=frozenset(switches)), environ or {})
    made = ModelInfo(Registration("m", "file:/m/"), config)
    made.properties = properties
    made.options = {key[7:]: value for key, value in properties.items() if key.startswith("option.")}
    return made


def lines(key: str, places: str, value: str) -> dict[str, str]:
    """A key as an option, as a plain key, or as both, in which case the option counts."""
    return {
        "option": {f"option.{key}": value},
        "plain": {key: value},
        "both": {key: "?", f"option.{key}": value},
        "nowhere": {},
    }[places]


PLACES = st.sampled_from(["option", "plain", "both", "nowhere"])


@given(PLACES, VALUES)
@QUICK
def test_any_value_in_any_place_switches_rolling_batch_on(places, value):
    assert model(lines("rolling_batch", places, value)).rolls is (places != "nowhere")


@given(PLACES, SIZES)
@QUICK
def test_the_size_is_read_as_java_reads_a_number(places, text):
    digits = text[1:] if text[:1] in ("+", "-") else text
    read = model(lines("max_rolling_batch_size", places, text))
    if places == "nowhere":
        assert read.rolling_size == 32
    elif digits.isdigit() and abs(int(text)) < 2**31:
        assert read.rolling_size == int(text)
    else:
        with pytest.raises(ApiError, match="NumberFormatException"):
            _ = read.rolling_size


@dataclass
class Steps:
    """A worker process that answers each step with what was prepared for it, and keeps what it was asked."""

    answers: list[Reply]
    asked: list[bytes] = field(default_factory=list)

    async def ask(self, message: Iterable[bytes], timeout_s: float) -> Reply:
        self.asked.append(b"".join(message))
        if not self.answers:
            raise WorkerLost
        return self.answers.pop(0)

    async def frames(self):
        yield Frame(b"a normal ", last=False)
        yield Frame(b"stream", last=True)


@dataclass
class Played:
    """What became of the requests of one run."""

    steps: Steps
    worker: Worker
    shared: Shared
    jobs: list[Job]

    async def answers(self) -> list[object]:
        """For each request its status, content type and pieces, or the error; None where it never ends."""
        return [await _answer(job) for job in self.jobs]


async def _answer(job: Job) -> object:
    if not job.result.done():
        return None
    if error := job.result.exception():
        return error
    reply, pieces = job.result.result(), []
    try:
        async with asyncio.timeout(0.01):  # all pieces are there already
            async for piece in reply.pieces:
                pieces.append(piece.decode())
    except TimeoutError:
        return [reply.code, reply.message, pieces, "open"]
    except WorkerLost:
        return [reply.code, reply.message, pieces, "broken off"]
    return [reply.code, reply.message, pieces, "ended"]


def play(answers: list[Reply], info: ModelInfo, requests: int = 1) -> tuple[Played, list[object]]:
    """Runs a rolling batch of so many requests over prepared answers."""

    async def run() -> tuple[Played, list[object]]:
        steps = Steps(answers)
        worker = Worker(steps, Device("cpu", -1), permanent=True)
        shared = Shared(info, None, ServerLog())
        jobs = [Job(Message({"X-A": f"{i}"}, [("data", b"{}")])) for i in range(requests)]
        done = Played(steps, worker, shared, jobs)
        with contextlib.suppress(WorkerLost):
            await roll(worker, shared, jobs)
        return done, await done.answers()

    return asyncio.run(run())


def pairs(**values: str) -> bytes:
    """An item in the socket's own form."""
    words = [word.encode() for pair in values.items() for word in pair]
    return struct.pack(">h", len(values)) + b"".join(struct.pack(">h", len(word)) + word for word in words)


def step(*items: bytes, code: int = 200) -> Reply:
    return Reply(code, "OK", {}, [(f"batch_{i}.data", item) for i, item in enumerate(items)])


ROLLS = {"option.rolling_batch": "auto"}
TEXTS = st.lists(st.tuples(st.sampled_from(["pairs", "json"]), st.text("ab{}é\n", max_size=4)), max_size=12)


@given(TEXTS, st.sampled_from([None, "1", "2", "3", "4", "7", "-2"]))
@QUICK
def test_texts_come_in_groups_and_those_in_json_at_once(texts, buffered):
    """Pairs are sent after the first, then each fourth, and at the end; JSON passes what is buffered."""
    size, expected, kept = abs(int(buffered or "4")), [], ""
    items = []
    for place, (form, text) in enumerate([*texts, ("pairs", "end")], 1):
        last = place == len(texts) + 1
        if form == "json":
            items.append(json.dumps({"data": text, "last": last}).encode())
            expected.append(text)
            continue
        items.append(pairs(data=text, last=str(last)))
        kept += text
        if last or place % size == 1:
            expected.append(kept)
            kept = ""
    environ = {"SERVING_ROLLING_BATCH_BUFFER": buffered} if buffered else {}
    _, (answer,) = play([step(item) for item in items], model(ROLLS, environ))
    assert answer == [200, "OK", expected, "ended"]


@given(FORMATS, PLACES)
@QUICK
def test_the_content_type_follows_the_output_formatter(value, places):
    """JSON where nothing is said or `json`, JSON lines for `jsonlines`, none for all others."""
    info = model(ROLLS | (lines("output_formatter", places, value) if value is not None else {}))
    done, _ = play([step(pairs(data="x", last="true"))], info)
    said = None if value is None or places == "nowhere" else value
    expected = {None: "application/json", "json": "application/json", "jsonlines": "application/jsonlines"}.get(said)
    assert done.jobs[0].result.result().properties == ({"Content-Type": expected} if expected else {})


@given(st.integers(0, 6), st.sampled_from(["424", "500", "-1"]), st.sampled_from([None, "bad one", "<it's>"]))
@QUICK
def test_an_error_item_drops_what_is_buffered_and_names_the_error_first(before, code, error):
    items = [pairs(data=f"t{i} ", last="false") for i in range(before)]
    items.append(pairs(data="", last="True", code=code, **({"error": error} if error else {})))
    _, (answer,) = play([step(item) for item in items], model(ROLLS))
    sent = ["t0 ", "t1 t2 t3 t4 "][: (before > 0) + (before > 4)]
    shown = (error or "").replace("<", "\\u003c").replace(">", "\\u003e").replace("'", "\\u0027")
    text = f'{{\n  "error": "{shown}",\n  "code": {code}\n}}' if error else f'{{\n  "code": {code}\n}}'
    assert answer == [200, "OK", [*sent, text], "ended"]


@pytest.mark.parametrize(
    ("code", "items", "says"), [(424, 1, 424), (500, 2, 500), (201, 1, 201), (200, 0, 200), (200, 2, 200)]
)
def test_a_step_that_fails_ends_all_with_the_whole_answer_as_json(code, items, says):
    done, (answer,) = play([step(*[pairs(data="x", last="true")] * items, code=code)], model(ROLLS))
    text = (
        f'{{"code":{says},"message":"Batch inference failed","properties":{{}},'
        '"content":{"keys":[],"values":[]},"cancelled":false}'
    )
    assert answer == [200, "OK", [text], "ended"]
    assert done.worker.reset_batch


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ('{"code": 424, "error": "no"}', 424, "no"),
        ('{"code": "424", "error": 7}', 424, "7"),
        ('{"code": 424}', 424, "OK"),
        ('{"code": 424, "error": null}', 424, "OK"),
        ('{"code": 424, "error": {"a": 1}}', 424, "OK"),
        ('{"code": true, "error": "no"}', 200, "OK"),
        ('{"code": " 424"}', 200, "OK"),
        ('{"code": 424.9, "error": ["no"]}', 424, "no"),
        ('{"code": 1e999}', 200, "OK"),
        ("{code: 424, 'error': 'no'}", 424, "no"),
        ('{"code": 424, "error": "no"} x', 200, "OK"),
        ('{"error": "no"}', 200, "OK"),
        ("no json", 200, "OK"),
        ("[1]", 200, "OK"),
    ],
)
def test_a_first_text_that_is_an_error_in_json_gives_the_status(text, code, message):
    _, (answer,) = play([step(json.dumps({"data": text, "last": True}).encode())], model(ROLLS))
    assert answer == [code, message, [text], "ended"]


@pytest.mark.parametrize(
    "item",
    [
        "{'data': 'x', 'last': True}",
        "{data: x; last = TRUE}",
        '{"data": ["x"], "last": "true", "more": {"a": [1]}}',
        '{"data": "x", "last": true /* so */}',
    ],
)
def test_an_item_in_json_is_read_with_all_that_gson_forgives(item):
    """So that what Python writes of a dictionary is one."""
    _, (answer,) = play([step(item.encode())], model(ROLLS))
    assert answer == [200, "OK", ["x"], "ended"]


def test_the_first_message_of_a_request_has_its_headers_and_no_handler():
    info = model(ROLLS | {"option.handler": "serve"})
    done, _ = play([step(pairs(data="x", last="true"), pairs(data="y", last="true"))], info, requests=2)
    named = {"batch_000.X-A": "0", "batch_001.X-A": "1", "batch_size": "2", "handler": "serve"}
    expected = b"".join(encode_request(named))
    assert done.steps.asked[0].startswith(expected[:-2])


BAD = [
    b"",
    b"[1]",
    b'{"generated_text": "x"}',
    b"{",
    b'{"data": null, "last": true}',
    b'{"data": {}, "last": true}',
    b'{"data": "x"}',
    b'{"data": ["x", "y"], "last": true}',
    b'{"data": "x", "last": true} y',
    b'[{"generated_text": "x"}]',
    b"hello",
    b"\x00",
    b"\x00\x01\x00\x05ab",
    pairs(data="x", last="true", code="x"),
]


@given(st.sampled_from(BAD), VALUES, PLACES.filter(lambda place: place != "nowhere"))
@QUICK
def test_an_answer_that_is_no_item_is_an_error_that_names_the_line(item, value, places):
    """ROLLING_BATCH_HANGS, off: the sentence says what an instance does."""
    info = model(lines("rolling_batch", places, value))
    done, (error,) = play([step(item)], info)
    assert (error.status, done.worker.stuck, done.worker.reset_batch) == (400, 0, True)
    assert f"`rolling_batch={value}` is set, and DJLServing 0.25.0 takes any value for on" in error.message


@given(st.sampled_from(BAD), st.integers(0, 3), st.integers(1, 4))
@QUICK
def test_in_the_original_nobody_is_answered_after_such_an_answer(item, good, size):
    """ROLLING_BATCH_HANGS, on: those before it in the step get their texts, and what has no place is told so late."""
    lines = ROLLS | {"option.max_rolling_batch_size": str(size), "option.predict_timeout": "0"}
    info = model(lines, None, Switch.ROLLING_BATCH_HANGS)
    info.predict_timeout_s = 0
    requests = min(good, size - 1) + 1
    items = [pairs(data="x", last="true")] * (requests - 1) + [item]
    done, answers = play([step(*items)], info, requests=requests)
    assert answers == [[200, "OK", ["x"], "ended"]] * (requests - 1) + [[200, "OK", [], "open"]]

    async def later() -> list[object]:
        jobs = [Job(Message({}, [])) for _ in range(size + 1)]
        for job in jobs:
            await roll(done.worker, done.shared, [job])
        return [await _answer(job) for job in jobs]

    hung = size - requests
    *open_ones, full = asyncio.run(later())
    assert open_ones[:hung] == [[200, "OK", [], "open"]] * hung
    assert (full.status, full.message) == (400, "Time out in: 0")
    assert not done.steps.answers
    assert len(done.steps.asked) == 1, "the worker is not asked again"


@pytest.mark.parametrize("size", ["0", "-3"])
def test_a_batch_without_a_place_takes_no_request(size):
    """ROLLING_BATCH_HANGS, off and on."""
    lines = ROLLS | {"option.max_rolling_batch_size": size}
    _, (said,) = play([], model(lines))
    assert said.message == f"Time out in: 120; max_rolling_batch_size={size} takes no request: set 1 or more"
    info = model(lines, None, Switch.ROLLING_BATCH_HANGS)
    info.predict_timeout_s = 0
    _, (late,) = play([], info)
    assert late.message == "Time out in: 0"


def test_a_normal_stream_is_read_to_its_end_as_one_answer():
    _, (error,) = play([Reply(200, "OK", {}, is_stream=True)], model(ROLLS))
    assert "not b'a normal stream'" in error.message


@given(st.integers(0, 5), st.integers(1, 3))
@QUICK
def test_a_worker_that_is_lost_answers_its_requests_or_leaves_them(steps, requests):
    """ROLLING_BATCH_HANGS, off and on: an answer that has begun breaks off, or stays as it is."""
    answers = [step(*[pairs(data=f"{place} ", last="false")] * requests) for place in range(steps)]
    sent = [["0 "], ["0 ", "1 2 3 4 "]][steps > 4] if steps else []
    _, left = play(list(answers), model(ROLLS, None, Switch.ROLLING_BATCH_HANGS), requests)
    assert left == [[200, "OK", sent, "open"]] * requests
    _, told = play(list(answers), model(ROLLS), requests)
    if steps:
        assert told == [[200, "OK", sent, "broken off"]] * requests
    else:
        assert [error.status for error in told] == [503] * requests


RECORDED = {case.values[0]["rule"]: case.values[0]["real"] for case in cases("rolling")}


def test_the_recorded_pieces_of_an_error_item_and_of_failed_steps():
    texts = [pairs(data=f"t{place} ", last="False") for place in range(2)]
    error = pairs(data="", last="True", code="424", error="bad one")
    _, (answer,) = play([step(item) for item in (*texts, error)], model(ROLLS))
    assert answer[2] == RECORDED["RB2"]
    failed, _ = RECORDED["RB3"]  # and the same with code 200
    assert play([step(code=424)], model(ROLLS))[1][0][2] == [failed]
    assert play([step()], model(ROLLS))[1][0][2] == [failed.replace("424", "200")]
