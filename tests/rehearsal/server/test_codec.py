"""The socket codec against DJL's own Python encoder and decoder, against recorded bytes, and against itself."""

from __future__ import annotations

import io
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehearsal.server.environment import process_environment
from rehearsal.server.errors import CodecError
from rehearsal.server.java import hash_order
from rehearsal.server.workers.codec import Frame, Reply, ReplyReader, encode_request
from rehearsal.server.workers.package import worker_package
from tests.support.golden.launch import GOLDEN
from tests.support.replies import encode_reply

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
keys = st.none() | texts
pairs = st.lists(st.tuples(texts, texts), max_size=6, unique_by=lambda pair: pair[0].lower()).map(dict)
contents = st.lists(st.tuples(keys, st.binary(max_size=200)), max_size=5)


class Wire:
    """A socket that is a buffer, for DJL's blocking reader and writer."""

    def __init__(self, data: bytes = b"") -> None:
        self.stream, self.written = io.BytesIO(data), bytearray()

    def recv(self, size: int) -> bytes:
        return self.stream.read(min(size, 3))  # short reads, as a socket may give

    def sendall(self, data: bytes) -> None:
        self.written += data


@pytest.fixture(scope="module")
def djl():
    """DJL's own Input and Output classes, from the fetched worker."""
    folder = str(worker_package(environ=process_environment()))
    sys.path.insert(0, folder)
    try:
        from djl_python import Input, Output

        yield Input, Output
    finally:
        sys.path.remove(folder)


@settings(deadline=None, max_examples=60)
@given(properties=pairs, parts=contents)
def test_djl_reads_what_we_write(djl, properties, parts):
    wire = Wire(b"".join(encode_request(properties, parts)))
    read = djl[0]()
    read.read(wire)
    assert read.properties == properties
    assert [(read.content.key_at(i), bytes(read.content.value_at(i))) for i in range(read.content.size())] == parts
    assert wire.stream.read() == b""


@settings(deadline=None, max_examples=60)
@given(
    code=st.integers(-32768, 32767), message=keys, properties=pairs, parts=contents, cuts=st.lists(st.integers(0, 400))
)
def test_we_read_what_djl_writes_in_any_packets(djl, code, message, properties, parts, cuts):
    output = djl[1](code, message)
    for key, value in properties.items():
        output.add_property(key, value)
    for key, value in parts:
        output.add(value, key=key)
    wire = Wire()
    output.send(wire)
    assert _read(bytes(wire.written), cuts) == [Reply(code, message, properties, parts)]
    assert bytes(wire.written) == encode_reply(Reply(code, message, properties, parts))


@settings(deadline=None, max_examples=40)
@given(pieces=st.lists(st.binary(max_size=50), max_size=5), cuts=st.lists(st.integers(0, 400)))
def test_streams_of_djl(djl, pieces, cuts):
    output = djl[1]().add_stream_content(iter(pieces), output_formatter=None)
    wire = Wire()
    output.send(wire)
    djl[1](200, "next").send(wire)
    head, *frames, after = _read(bytes(wire.written), cuts)
    assert head == Reply(200, "OK", is_stream=True)
    assert frames == [*(Frame(piece, last=False) for piece in pieces), Frame(b"", last=True)]
    assert after == Reply(200, "next")


@settings(deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    try:
        messages = ReplyReader().feed(data)
    except CodecError:
        return
    assert all(isinstance(message, (Reply, Frame)) for message in messages)


def test_a_property_in_two_spellings_is_one():
    """DJL's properties ignore case: the built-in handler and its encoder spell the content type in two ways."""
    written = encode_reply(Reply(200, "OK", {"Content-Type": "text/plain", "content-type": "application/json"}))
    assert _read(written, []) == [Reply(200, "OK", {"Content-Type": "application/json"})]


def test_golden_bytes():
    assert encode_reply(Reply(204, "No content")) == bytes.fromhex("00cc000a4e6f20636f6e74656e7400000000")
    big = Reply(200, "OK", {}, [(None, bytes(250_000))])
    assert _read(encode_reply(big), range(0, 250_000, 60_000)) == [big]


@pytest.mark.parametrize("name", ["echo", "errout", "none", "stream", "text-list"])
def test_recorded_bytes(name):
    lines = [json.loads(line) for line in (GOLDEN / f"wire-0.25.0-{name}.jsonl").read_text().splitlines()]
    to_worker = [bytes.fromhex(line["hex"]) for line in lines if line.get("dir") == "java->worker" and line["len"]]
    init = {"engine": "Python", "entryPoint": "model.py", "minWorkers": "1", "maxWorkers": "1", "handler": "handle"}
    if name == "text-list":
        init["tensor_parallel_degree"] = "2"
        init = {key: init[key] for key in hash_order(init)}
    assert b"".join(encode_request({key: init[key] for key in hash_order(init)})) == to_worker[0]
    back = b"".join(bytes.fromhex(line["hex"]) for line in lines if line.get("dir") == "worker->java")
    messages = ReplyReader().feed(back)
    assert messages[0] == Reply(204, "No content")
    assert len(messages) == (2 if name != "stream" else 5)


@pytest.mark.parametrize("text", ["x" * 32768, "é" * 20000])
def test_too_long_strings_are_refused(text):
    with pytest.raises(CodecError, match="at most 32767"):
        encode_request({"key": text})


def _read(data, cuts):
    reader, messages, start = ReplyReader(), [], 0
    for cut in sorted(cut for cut in cuts if cut < len(data)):
        messages += reader.feed(data[start:cut])
        start = cut
    return messages + reader.feed(data[start:])
