"""More connections than descriptors: who is connected is answered, and a worker that dies is replaced."""

from __future__ import annotations

import contextlib
import resource
import sys

import pytest

from rehearsal.server.wire.crowd import KEPT_BACK

LIMIT = 120
PATIENCE_S = 60
CODE = """
import os
def handle(inputs):
    if inputs.is_empty():
        return None
    if bytes(inputs.get_as_bytes()) == b"die":
        os._exit(3)
    return Output().add("ok")
"""
ASK = b"POST /predictions/m HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of another process cannot be set")
def test_a_flood_of_connections_harms_nobody_who_is_there(start, model, tmp_path):
    model(tmp_path / "s", "m", CODE, "engine=Python\nminWorkers=1\nmaxWorkers=1\n")
    server = start(tmp_path / "s")
    soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard, "as many as this process may have"
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (LIMIT, hard))
    crowd = []
    with server.open() as client, contextlib.ExitStack() as opened:
        assert status(client, b"") == b"200"
        for _ in range(2 * LIMIT):
            crowd.append(opened.enter_context(server.open()))
        assert is_refused(crowd[-1]), "the newest, so those before it are decided too"
        refused = [one for one in crowd if is_refused(one, wait=False)]
        assert LIMIT < len(refused) < 2 * LIMIT - KEPT_BACK, "the newest ones"
        assert refused[0] is crowd[2 * LIMIT - len(refused)]
        assert status(client, b"") == b"200"
        assert status(crowd[0], b"die") == b"503"
        assert status(client, b"") == b"200", "the worker was replaced"
    while True:  # until the server has seen them go
        with server.open() as one, contextlib.suppress(OSError, IndexError):
            assert status(one, b"") == b"200"
            break
    assert sum("connections are open" in line for line in server.log) == 1
    assert not any("Traceback" in line for line in server.log), "\n".join(server.log)


def status(client, body):
    client.sendall(ASK % (len(body), body))
    return client.recv(65536).split()[1]


def is_refused(client, *, wait=True):
    """Whether the server has closed a connection."""
    client.setblocking(wait)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    finally:
        client.settimeout(PATIENCE_S)
