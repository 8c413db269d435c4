"""Large bodies: read where nobody waits for it, and let go of when they were read."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from rehearsal.server.config import Address, ServerConfig
from rehearsal.server.wire import requests
from rehearsal.server.wire.http import Connection
from rehearsal.server.wire.requests import LARGE, Request, handler_message
from rehearsal.server.wire.responses import json_response

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


def test_a_connection_lets_go_of_a_body_that_was_read():
    async def run():
        got = []

        async def answer(request):
            got.append(len(request.body))
            return json_response({})

        class Log:
            def access(self, *_):
                pass

        connection = Connection(answer, ServerConfig(LOCAL, LOCAL), Log(), Room())
        connection._transport, connection._client = Played(), "/x"
        connection.data_received(b"POST /p HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)
        await asyncio.sleep(0)
        assert got == [1000]
        assert not any(isinstance(value, (bytes, list)) and len(value) for value in vars(connection).values())
        half = Connection(answer, ServerConfig(LOCAL, LOCAL), Log(), Room())
        half._transport, half._client = Played(), "/x"
        half.data_received(b"POST /p HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
        half.connection_lost(None)
        return weakref.ref(half)

    gc.disable()
    try:
        assert asyncio.run(run())() is None, "a cycle keeps a connection, and what it holds, until the next collection"
    finally:
        gc.enable()
