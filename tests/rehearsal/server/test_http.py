"""What is below the routes: malformed bytes, limits, connections, pipelining."""

from __future__ import annotations

import json
import time

import pytest

INVALID = b'{\n  "code": 400,\n  "type": "BadRequestException",\n  "message": "Invalid HTTP message."\n}\n'
ECHO = b"POST /predictions/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"GARBAGE\r\n\r\n",
        b"POST /predictions/echo HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n{}",
        b"GET /ping HTTP/1.1\r\nX-Long: " + b"h" * 9000 + b"\r\n\r\n",
        b"GET /ping HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"h" * 90) for i in range(100)) + b"\r\n",
        b"GET /predictions/echo?a=" + b"u" * 5000 + b" HTTP/1.1\r\n\r\n",
        b"POST /ping HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00",
    ],
    ids=["garbage", "length", "header", "headers", "uri", "chunk", "tls"],
)
def test_no_http_is_refused_and_reset(zoo, data):
    answer = zoo.raw(data)
    assert (answer.status, answer.reason, answer.body, answer.after) == (400, "Invalid HTTP message.", INVALID, "reset")
    assert [name for name, _ in answer.headers] == [
        "content-type",
        "x-request-id",
        "Pragma",
        "Cache-Control",
        "Expires",
        "content-length",
        "connection",
    ]


def test_an_endless_header_is_cut_off(zoo):
    with zoo.open() as client:
        client.sendall(b"GET /ping HTTP/1.1\r\nX: ")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            _send_slowly(client, b"y" * 1024, times=200)


def _send_slowly(client, data, times):
    for _ in range(times):
        client.sendall(data)
        time.sleep(0.002)


@pytest.mark.parametrize("head", [b"Connection: close\r\n", b""])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_the_connection_stays_open_whatever_the_client_asks(zoo, head, version):
    request = ECHO.replace(b"1.1", version) + head + b'\r\n{"a":1}'
    with zoo.open() as client:
        for _ in range(3):
            client.sendall(request)
            data = b""
            while not data.endswith(b'{\n  "a":1\n}'):
                data += client.recv(4096)
            assert data.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"connection: keep-alive\r\n" in data


@pytest.mark.parametrize("target", ["/%", "/ping/%zz", "/nope/%4", "/invocations%"])
def test_a_broken_escape_in_the_path_of_any_route(zoo, target):
    answer = zoo.send("GET", target)
    assert (answer.status, answer.json()["type"], answer.after) == (500, "IllegalArgumentException", "reset")
    assert target in answer.json()["message"]


def test_pipelined_requests_are_answered_in_order(zoo):
    first, second = ECHO + b'\r\n{"i":1}', ECHO + b'\r\n{"i":2}'
    with zoo.open() as client:
        client.sendall(first + second)
        data = b""
        while data.count(b"\n}") < 2:
            data += client.recv(4096)
    one, two = data.split(b'"i":1')
    assert one.count(b"x-request-id") == 1  # as recorded: the second one finds its request id taken
    assert b"x-request-id" not in two
    assert b'"i":2' in two


def test_chunked_bodies_and_expect(zoo):
    head = b"POST /predictions/inspect HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    seen = zoo.raw(head + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n").json()
    assert seen["content"] == [["data", "abcdefg"]]
    assert seen["properties"]["content-length"] == "7"
    assert "Transfer-Encoding" not in seen["properties"]
    with zoo.open() as client:
        client.sendall(ECHO + b"Expect: 100-continue\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b'{"a":1}')
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_upgrade_is_not_taken(zoo):
    request = ECHO + b'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n{"a":1}'
    with zoo.open() as client:
        for _ in range(2):
            client.sendall(request)
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_size_limit(start, model, tmp_path):
    model(tmp_path / "s", "echo")
    cors = {"SERVING_CORS_ALLOWED_ORIGIN": "*", "SERVING_CORS_ALLOWED_METHODS": "GET,POST"}
    server = start(tmp_path / "s", env={"SERVING_MAX_REQUEST_SIZE": "1000", **cors})
    body = b'{"a":"' + b"x" * 992 + b'"}'
    exact = server.predict("echo", body)
    assert exact.status == 200
    assert (exact.header("access-control-allow-origin"), exact.header("access-control-allow-methods")) == (
        "*",
        "GET,POST",
    )
    over = server.predict("echo", body + b" ")
    assert (over.status, over.reason, over.headers, over.body, over.after) == (
        413,
        "Request Entity Too Large",
        [("content-length", "0")],
        b"",
        "open",
    )
    head = b"POST /predictions/echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = server.raw(head + b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n")
    assert (chunked.status, chunked.headers, chunked.after) == (
        413,
        [("content-length", "0"), ("connection", "close")],
        "reset",
    )
    expect = server.raw(
        b"POST /predictions/echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n", ends=True
    )
    assert (expect.status, expect.after) == (413, "reset")
    with server.open() as client:  # the refused body is swallowed, the connection goes on
        client.sendall(
            b"POST /predictions/echo HTTP/1.1\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000 + ECHO + b'\r\n{"a":1}'
        )
        data = b""
        while data.count(b"HTTP/1.1 ") < 2:
            data += client.recv(8192)
    assert data.startswith(b"HTTP/1.1 413 ")
    assert b"HTTP/1.1 200 OK" in data


def test_a_megabyte_goes_both_ways(zoo):
    text = "y" * 1_000_000
    answer = zoo.predict("echo", [text])
    assert answer.status == 200
    assert len(answer.body) == 1_000_000 + len('[\n  ""\n]')


def test_a_client_that_leaves_does_not_keep_its_place(shared, serve, gate):
    name = serve(gate.code, "maxWorkers=1\n")
    with shared.open() as busy, shared.open() as leaves:
        _post(busy, name, gate.held(n=1))
        shared.wait_for(f"-{name}-stdout: begins 1")
        _post(leaves, name, {"n": 2})
        shared.wait_for_queue(name, 1)
        leaves.close()
        assert shared.send("GET", "/ping").status == 200  # the end of the connection came before this request
        gate.open()
        assert busy.recv(4096).startswith(b"HTTP/1.1 200 OK")
    assert shared.predict(name, {"n": 3}).status == 200
    begun = [line.rsplit(" ", 1)[1] for line in shared.log if f"-{name}-stdout: begins" in line]
    assert begun == ["1", "3"]


def _post(client, name, body):
    data = json.dumps(body).encode()
    client.sendall(b"POST /predictions/%s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (name.encode(), len(data), data))
