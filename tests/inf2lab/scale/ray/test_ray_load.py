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
from inf2lab.scale.ray.bench.light_folder import light_target, p50_ms, rows_so_far, users


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
        if "text" in asked:
            body = json.dumps({"outputs": asked["text"]}).encode()
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
    with users(light_target(url(server)), 3) as some:
        while len(some.samples) <= 3:
            time.sleep(0.01)
    asked = rows_so_far(some)
    assert server.asked == len(asked) > 3
    assert all(row.ok for row in asked)
    assert {row.replica for row in asked} == {"one"}
    assert some.waiting == 0


def test_once_is_once(server: _Server) -> None:
    with users(light_target(url(server), tokens=3), 4, once=True) as some:
        some.wait()
    assert [row.ok for row in rows_so_far(some)] == [True] * 4


@pytest.mark.parametrize(("manner", "status"), [("short", "unreadable"), ("error", "500"), ("broken", "broken")])
def test_what_is_not_the_whole_answer_has_failed(server: _Server, manner: str, status: str) -> None:
    server.manner = manner
    with users(light_target(url(server), tokens=5), 1, once=True) as some:
        some.wait()
    (row,) = rows_so_far(some)
    assert row.status == status


def test_the_median_is_that_of_the_requests_in_ms(server: _Server) -> None:
    assert p50_ms(light_target(url(server), wait_s=0.05), 5, warm_up=1) >= 50
    server.manner = "error"
    with pytest.raises(MeasureError, match="5 of 5 requests"):
        p50_ms(light_target(url(server)), 5)
