"""inf2lab.endpoint: the client against a real HTTP server on a thread, in every way that a server can answer."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest

from inf2lab import Endpoint
from inf2lab.errors import EndpointDown, EndpointError, LabError

if TYPE_CHECKING:
    from conftest import Listen

FAILURE = '{\n  "code":424,\n  "message":"prediction failure",\n  "error":"\'seq_length\'"\n}'


@dataclass
class Seen:
    """One request as the server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Peer:
    """A server whose answer the test sets; `seen` holds what it was asked."""

    url: str
    status: int = 200
    reason: str = "OK"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    before: Callable[[BaseHTTPRequestHandler], None] = lambda _: None
    seen: list[Seen] = field(default_factory=list)

    def endpoint(self, timeout_s: float = 10) -> Endpoint:
        """A client of it."""
        return Endpoint(self.url, "opt13b", timeout_s=timeout_s)


@pytest.fixture
def peer(listen: Listen) -> Peer:
    """A running server on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            here.seen.append(Seen(self.command, self.path, dict(self.headers), body))
            here.before(self)
            try:
                self.send_response(here.status, here.reason)
                for name, value in {"content-length": str(len(here.body)), **here.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(here.body)
            except OSError:
                pass  # the client has gone, as some tests want it to

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None: ...

    here = Peer(f"http://127.0.0.1:{listen(Handler).server_port}")
    return here


def test_the_articles_request_is_sent_as_json_to_the_models_url(peer: Peer) -> None:
    peer.body = b'{"outputs": ["Hello, world", "Welcome"]}'
    texts = peer.endpoint().generate(("Hello,", "Welcome"), 64)
    assert texts == ["Hello, world", "Welcome"]
    (seen,) = peer.seen
    assert (seen.method, seen.path) == ("POST", "/predictions/opt13b")
    assert seen.headers["Content-Type"] == "application/json"
    assert json.loads(seen.body) == {"seq_length": 64, "text": ["Hello,", "Welcome"]}


def test_an_answer_can_be_looked_at(peer: Peer) -> None:
    peer.body, peer.headers = b"[1]", {"X-Request-Id": "7"}
    answer = peer.endpoint().send({"any": 1})
    assert (answer.status, answer.reason, answer.ok) == (200, "OK", True)
    assert (answer.text, answer.json()) == ("[1]", [1])
    assert answer.headers["x-request-id"] == "7"
    assert answer.seconds > 0


@pytest.mark.parametrize(
    ("body", "sent"),
    [({"a": 1}, b'{"a": 1}'), ("{not json", b"{not json"), (b"\x00\xff", b"\x00\xff"), ("é", "é".encode())],
    ids=["object", "text", "bytes", "not ascii"],
)
def test_text_and_bytes_are_sent_as_they_are(peer: Peer, body: object, sent: bytes) -> None:
    peer.endpoint().send(body, content_type="text/plain")
    assert peer.seen[0].body == sent
    assert peer.seen[0].headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain"])
@pytest.mark.parametrize("text", ["café", "ぼくは言語モデル", "naïve – “quoted” 😀", "über alles"])
def test_an_answer_is_utf_8_whatever_its_content_type(peer: Peer, content_type: str | None, text: str) -> None:
    peer.body = json.dumps({"outputs": [text]}, ensure_ascii=False).encode()
    peer.headers = {"content-type": content_type} if content_type else {}
    assert peer.endpoint().generate(["x"], 8) == [text]


def test_an_error_status_is_an_answer_until_its_json_is_asked_for(peer: Peer) -> None:
    peer.status, peer.reason, peer.body = 424, "prediction failure", FAILURE.encode()
    answer = peer.endpoint().send({})
    assert (answer.ok, answer.status, answer.reason) == (False, 424, "prediction failure")
    with pytest.raises(EndpointError) as caught:
        answer.json()
    assert caught.value.status == 424
    assert "424 prediction failure" in str(caught.value)
    assert "'seq_length'" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (FAILURE, "'seq_length'"),
        ('{\n  "code": 404,\n  "type": "ModelNotFoundException",\n  "message": "not found: x"\n}\n', "not found: x"),
        ('{"code": 400, "type": "TranslateException"}', ""),
        ("<html>", ""),
        ("", ""),
        ('["error"]', ""),
    ],
    ids=["handler", "server", "server without a message", "no JSON", "nothing", "list"],
)
def test_the_reason_is_read_from_either_kind_of_error_body(peer: Peer, body: str, error: str) -> None:
    peer.status, peer.body = 500, body.encode()
    assert peer.endpoint().send({}).error == error


@pytest.mark.parametrize(("status", "reason"), [(204, "No content"), (404, "Not Found"), (503, "Service Unavailable")])
def test_every_status_but_200_is_an_error(peer: Peer, status: int, reason: str) -> None:
    peer.status, peer.reason = status, reason
    with pytest.raises(EndpointError, match=f"answered {status} {reason}"):
        peer.endpoint().generate(["x"], 8)


def test_an_answer_that_is_no_json_is_an_error_with_its_beginning(peer: Peer) -> None:
    peer.body = b"<html>" + b"x" * 5000
    with pytest.raises(EndpointError) as caught:
        peer.endpoint().generate(["x"], 8)
    assert "200 but no JSON" in str(caught.value)
    assert "<html>xxx" in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("body", [b'["a", "b"]', b'{"generated_text": "a"}', b"null", b"3"])
def test_an_answer_of_another_handler_is_an_error_that_shows_it(peer: Peer, body: bytes) -> None:
    peer.body = body
    with pytest.raises(EndpointError) as caught:
        peer.endpoint().generate(["x"], 8)
    assert "outputs" in str(caught.value)
    assert body.decode() in str(caught.value)


def test_no_answer_within_the_time_is_an_error_that_says_how_long(peer: Peer) -> None:
    released = threading.Event()
    peer.before = lambda _: released.wait(60) and None
    with pytest.raises(EndpointError, match=r"no answer within 0\.2 s from http://127"):
        peer.endpoint(timeout_s=0.2).ping()
    released.set()


def test_nothing_listening_says_how_to_start_a_server(free_port: int) -> None:
    with pytest.raises(EndpointDown) as caught:
        Endpoint(f"http://127.0.0.1:{free_port}", "opt13b").ping()
    assert f"nothing listens at http://127.0.0.1:{free_port}/ping" in str(caught.value)
    assert caught.value.__cause__ is not None


def _reset(handler: BaseHTTPRequestHandler) -> None:
    """Close with RST, as DJLServing does when it is stopped while it computes."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(handler.connection.detach())  # `close()` would wait for the handler's own files


def test_a_connection_that_breaks_off_is_not_called_a_closed_port(peer: Peer) -> None:
    peer.before = _reset
    with pytest.raises(EndpointError) as caught:
        peer.endpoint().ping()
    assert not isinstance(caught.value, EndpointDown)
    assert "broke off" in str(caught.value)


def test_an_answer_that_ends_too_early_is_an_error(peer: Peer) -> None:
    peer.body, peer.headers = b"[1", {"content-length": "10", "connection": "close"}
    with pytest.raises(EndpointError, match="broke off"):
        peer.endpoint().ping()


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_of_the_environment_is_ignored(
    peer: Peer, name: str, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, f"http://127.0.0.1:{free_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert peer.endpoint().ping().ok


def test_ping_asks_the_server_and_describe_the_model(peer: Peer) -> None:
    model = {"modelName": "opt13b", "workerGroups": []}
    peer.body = json.dumps([{"workflowName": "opt13b", "models": [model]}]).encode()
    assert peer.endpoint().describe() == model
    assert peer.endpoint().ping().ok
    assert [(seen.method, seen.path) for seen in peer.seen] == [("GET", "/models/opt13b"), ("GET", "/ping")]


@pytest.mark.parametrize("body", [b"{}", b"[]", b'[{"models": []}]', b'"hello"', b'{"models": [1]}'])
def test_a_server_that_is_no_djlserving_is_an_error_of_the_lab(peer: Peer, body: bytes) -> None:
    peer.body = body
    with pytest.raises(LabError, match="no DJLServing"):
        peer.endpoint().describe()


def test_a_slash_at_the_end_of_the_address_does_no_harm() -> None:
    assert Endpoint("http://127.0.0.1:8080/", "opt13b").url == "http://127.0.0.1:8080/predictions/opt13b"
