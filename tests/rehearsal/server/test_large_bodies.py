"""Large bodies: read and passed on where nobody waits for it, and let go of when they were read."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from rehearsal.server.config import Address, ServerConfig
from rehearsal.server.wire import requests
from rehearsal.server.wire.decoder import STEPS, Decoder
from rehearsal.server.wire.http import Connection
from rehearsal.server.wire.requests import LARGE, Request, handler_message
from rehearsal.server.wire.responses import Response, json_response
from rehearsal.server.workers.channel import Link
from rehearsal.server.workers.codec import BLOCK, Reply, ReplyReader, encode_request, whole
from tests.support.replies import encode_reply

LOCAL = Address("127.0.0.1", 0)
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data; boundary=X"


@pytest.mark.parametrize(("kind", "name"), [(FORM, "form_fields"), (MULTIPART, "multipart_parts")])
@pytest.mark.parametrize("size", [LARGE, LARGE + 1])
def test_a_large_form_is_read_in_a_thread(monkeypatch, kind, name, size):
    seen = []
    monkeypatch.setattr(requests, name, lambda *_: seen.append(threading.current_thread()) or [])
    request = Request("POST", "/p", [("Content-Type", kind)], b"x" * size)
    asyncio.run(handler_message(request, allow_override=False))
    assert (seen[0] is threading.main_thread()) == (size == LARGE)


class Played(asyncio.Transport):
    """A transport to nowhere."""

    def write(self, data):
        pass

    def get_extra_info(self, name, default=None):
        return default

    def pause_reading(self):
        pass


class Room(set):
    """Any number of connections."""

    def has_room(self, _):
        return True


class Log:
    """Writes nothing."""

    def access(self, *_):
        pass


def connected(answer=None, transport=None):
    """A connection whose client is a transport."""
    connection = Connection(answer, ServerConfig(LOCAL, LOCAL), Log(), Room())
    connection._transport, connection._client = transport or Played(), "/x"
    return connection


def test_a_connection_lets_go_of_a_body_that_was_read():
    async def run():
        got = []

        async def answer(request):
            got.append(len(request.body))
            return json_response({})

        connection = connected(answer)
        connection.data_received(b"POST /p HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)
        await asyncio.sleep(0)
        assert got == [1000]
        assert not any(isinstance(value, (bytes, list)) and len(value) for value in vars(connection).values())
        half = connected(answer)
        half.data_received(b"POST /p HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
        half.connection_lost(None)
        return weakref.ref(half)

    gc.disable()
    try:
        assert asyncio.run(run())() is None, "a cycle keeps a connection, and what it holds, until the next collection"
    finally:
        gc.enable()


def test_a_large_body_is_not_joined_and_goes_to_the_worker_in_blocks():
    parts = [b"a" * 100_000, b"b", b"c" * (3 * BLOCK + 5)]
    blocks = list(encode_request({"k": "v"}, [("data", parts), ("x", b"y")]))
    assert max(map(len, blocks)) <= BLOCK
    assert b"".join(blocks) == b"".join(encode_request({"k": "v"}, [("data", b"".join(parts)), ("x", b"y")]))


class Slow(Played):
    """A transport that is full after each block, until it is told otherwise."""

    def __init__(self, link):
        self.link, self.written = link, []

    def set_write_buffer_limits(self, **_):
        pass

    def write(self, data):
        self.written.append(data)
        self.link.pause_writing()


class Worker:
    """The owner of a link, which it tells nothing."""

    def closed(self):
        pass


def played_link():
    link = Link(Worker())
    link.connection_made(Slow(link))
    return link, link._transport.written


def test_a_message_waits_for_a_worker_that_reads_slowly():
    async def run():
        link, written = played_link()
        sent = asyncio.ensure_future(link.send([b"1", b"2", b"3"], 60))
        for count in (1, 2, 3):
            await asyncio.sleep(0)
            assert len(written) == count
            link.resume_writing()
            await asyncio.sleep(0)
        assert 0 < await sent <= 60
        assert written == [b"1", b"2", b"3"]

    asyncio.run(run())


def test_a_worker_that_dies_amid_a_message_has_not_read_it():
    async def run():
        link, written = played_link()
        sent = asyncio.ensure_future(link.send([b"1", b"2"], 60))
        await asyncio.sleep(0)
        link.connection_lost(None)
        await sent
        assert (written, link.unread, await link.receive(60)) == ([b"1"], True, None)

    asyncio.run(run())


def test_a_worker_that_does_not_read_is_given_up_after_the_time_of_a_request():
    async def run():
        link, _ = played_link()
        with pytest.raises(TimeoutError):
            await link.send([b"1", b"2"], 0.01)

    asyncio.run(run())


def test_a_body_of_many_small_chunks_lets_others_have_their_turn():
    bodies = []
    decoder = Decoder(lambda head: None, bodies.append, lambda: bodies.append(b"end"), loose=False)
    head = b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    turns = 1
    assert decoder.feed(head + b"1\r\nx\r\n" * 3 * STEPS + b"0\r\n\r\n")
    while decoder.feed(b""):
        turns += 1
    assert (turns, bodies) == (3, [b"x"] * 3 * STEPS + [b"end"])


def test_a_connection_reads_on_when_it_has_done_what_it_has():
    async def run():
        connection, said = connected(), []
        connection._transport.pause_reading = lambda: said.append("pause")
        connection._transport.resume_reading = lambda: said.append("resume")
        head = b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.data_received(head + b"1\r\nx\r\n" * 2 * STEPS)
        assert said == ["pause"]
        for _ in range(5):
            await asyncio.sleep(0)
        assert said == ["pause", "pause", "resume"]
        assert whole(connection._body) == b"x" * 2 * STEPS

    asyncio.run(run())


@pytest.mark.parametrize("size", [1, 16, 5000, 100_000])
def test_chunks_become_few_parts_of_a_body(size):
    async def run():
        got = []

        async def answer(request):
            got.append(request.body)
            return json_response({})

        connection = connected(answer)
        chunk = b"%x\r\n%b\r\n" % (size, b"x" * size)
        connection.data_received(b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100_000 // size):
            connection.data_received(chunk)
        connection.data_received(b"0\r\n\r\n")
        await asyncio.sleep(0)
        assert whole(got[0]) == b"x" * (100_000 // size * size)
        assert len(got[0]) < 50, "a part of a few bytes each costs ten times the body's memory"

    asyncio.run(run())


def test_a_large_reply_is_handed_over_as_it_came():
    reply = Reply(200, "OK", {"a": "b"}, [("x", b"1"), (None, b"y" * (2 * BLOCK + 3)), ("z", b"2")])
    data, read, reader = encode_reply(reply) * 2, [], ReplyReader()
    for at in range(0, len(data), 100_000):
        read += reader.feed(data[at : at + 100_000])
    for found in read:
        assert [(name, whole(content)) for name, content in found.contents] == reply.contents
        assert all(len(piece) <= 100_000 for piece in found.contents[1][1])
    assert len(read) == 2


class Full(Played):
    """A transport whose client reads nothing."""

    def __init__(self):
        self.written = b""

    def write(self, data):
        self.written += data
        self.connection.pause_writing()

    def get_write_buffer_size(self):
        return len(self.written)

    def close(self):
        pass


@pytest.mark.parametrize("also", ["another answer", "a reset"])
def test_what_else_is_written_comes_after_a_large_answer(also):
    async def run():
        transport = Full()
        transport.connection = connection = connected(transport=transport)
        large = asyncio.ensure_future(connection.send(Response(200, "OK", body=b"y" * (4 * BLOCK))))
        await asyncio.sleep(0)
        assert len(transport.written) < 2 * BLOCK, "the whole answer is copied where all others wait"
        if also == "a reset":
            connection.reset()
            late = None
        else:
            late = asyncio.ensure_future(connection.send(Response(200, "OK", body=b"late")))
        await asyncio.sleep(0)
        _, _, rest = transport.written.partition(b"\r\n\r\n")
        assert rest.startswith(b"y" * (4 * BLOCK))
        assert rest[4 * BLOCK :].endswith(b"late" if late else b"")
        for task in filter(None, (large, late)):
            task.cancel()

    asyncio.run(run())
