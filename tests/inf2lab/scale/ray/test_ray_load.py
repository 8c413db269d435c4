"""The users of a trial count honestly: against a small server that answers late, wrongly, too little or not at all."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from inf2lab.errors import MeasureError
from inf2lab.scale.ray.bench.users import Users, Wish, arrive, p50_ms


class _Server(ThreadingHTTPServer):
    manner = "well"
    asked = 0


class _Handler(BaseHTTPRequestHandler):
    """Answers as `server.manner` says."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        if self.server.manner == "broken":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        words = [f"{number} " for number in range(asked.get("tokens", 1))]
        body = "".join(words[:-1] if self.server.manner == "short" else words).encode()
        time.sleep(asked["wait_s"])
        self.send_response(500 if self.server.manner == "error" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-replica", "one")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as made:
        made.handle_error = lambda *_: None
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def url(server: _Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def test_users_ask_again_until_they_are_told_to_end(server: _Server) -> None:
    with Users(url(server), "m", 3, Wish(0.05)) as users:
        time.sleep(0.4)
    assert server.asked == len(users.asked) > 3
    assert users.failed == []
    assert {one.replica for one in users.asked} == {"one"}
    assert users.waiting == 0


def test_once_is_once(server: _Server) -> None:
    with Users(url(server), "m", 4, Wish(0, tokens=3), once=True) as users:
        users.end()
    assert [(one.tokens, one.failed) for one in users.asked] == [(3, False)] * 4


@pytest.mark.parametrize(("manner", "status"), [("short", 200), ("error", 500), ("broken", 0)])
def test_what_is_not_the_whole_answer_has_failed(server: _Server, manner: str, status: int) -> None:
    server.manner = manner
    with Users(url(server), "m", 1, Wish(0, tokens=5), once=True) as users:
        users.end()
    (one,) = users.failed
    assert one.status == status


def test_arrivals_do_not_wait_for_answers(server: _Server) -> None:
    began = time.monotonic()
    asked = arrive(url(server), "m", Wish(0.3), rate=100, count=30)
    assert len(asked) == 30
    assert not any(one.failed for one in asked)
    assert time.monotonic() - began < 30 * 0.3 / 2


def test_the_median_is_that_of_the_requests_in_ms(server: _Server) -> None:
    assert 50 <= p50_ms(url(server), "m", 5, wish=Wish(0.05)) < 300
    server.manner = "error"
    with pytest.raises(MeasureError, match="5 of 5 requests"):
        p50_ms(url(server), "m", 5)
