"""Bytes to requests as Netty reads them, and what is refused by default so that no proxy is led astray."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehearsal.server.wire.decoder import ChunkSizeError, Decoder
from rehearsal.server.wire.heads import MalformedError

PING = "GET /ping HTTP/1.1\r\n\r\n"
POST = "POST /p HTTP/1.1\r\n"
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"
REFUSED, DROPPED = "refused", "dropped"


def read(data, *, loose, sizes=()):
    """What a decoder makes of bytes: (method, target, headers, body) of each whole request, and how it ended."""
    found, at = [], 0

    def begin(head):
        found.append([head.method, head.target, head.headers, b""])

    def add(part):
        found[-1][3] += part

    decoder = Decoder(begin, add, lambda: found[-1].append("whole"), loose=loose)
    end = ""
    try:
        for size in [*sizes, len(data)]:
            decoder.feed(data[at : at + size])
            at += size
    except MalformedError:
        end = REFUSED
    except ChunkSizeError:
        end = DROPPED
    return [tuple(one[:4]) for one in found if one[4:]], end


@pytest.mark.parametrize(
    ("line", "method", "target"),
    [
        ("FOO / HTTP/1.1", "FOO", "/"),
        ("get / HTTP/1.1", "get", "/"),
        ("CONNECT a:80 HTTP/1.1", "CONNECT", "a:80"),
        ("GET ping HTTP/1.1", "GET", "ping"),
        ("GET / HTTP/1.2", "GET", "/"),
        ("GET / http/1.1", "GET", "/"),
        ("GET / HTTPS/1.1", "GET", "/"),
        ("GET / HTTP/11.1", "GET", "/"),
        ("GET / x/0.9  ", "GET", "/"),
        ("GET \t /  \tHTTP/1.1\t", "GET", "/"),
        ("GET /\x00\x7f\xe9 HTTP/1.1", "GET", "/\x00\x7f\xe9"),
        ("G\xe9T / HTTP/1.1", "G\xe9T", "/"),
        ("GET /" + "u" * 4082 + " HTTP/1.1", "GET", "/" + "u" * 4082),
    ],
)
def test_first_lines(line, method, target):
    for loose in (True, False):
        assert read((line + "\r\n\r\n").encode("latin-1"), loose=loose) == ([(method, target, [], b"")], "")


@pytest.mark.parametrize(
    "line",
    [
        "GARBAGE",
        "GET /",
        "GET / HTTP",
        "GET / HTTP/1",
        "GET / HTTP/1.",
        "GET / HTTP/1.1 x",
        "GET / /1.1",
        "GET / HTTP/1.99999999999",
        "GET / H TTP/1.1",
        "G\x01T / HTTP/1.1",
        "G\x85T / HTTP/1.1",
        "GET \x1c/ HTTP/1.1",
        "GET /" + "u" * 4083 + " HTTP/1.1",
    ],
)
def test_first_lines_that_are_none(line):
    """Each is refused before the head has ended."""
    for loose in (True, False):
        assert read((line + "\r\n").encode("latin-1"), loose=loose) == ([], REFUSED)


@pytest.mark.parametrize(
    ("lines", "headers"),
    [
        ("A:b\r\n", [("A", "b")]),
        ("A: \t b \t \r\n", [("A", "b")]),
        ("A:\r\nB: \r\n", [("A", ""), ("B", "")]),
        ("A: b\tc\xe9\x85 d\r\n", [("A", "b\tc\xe9\x85 d")]),
        ("A: b\x1c\r\n", [("A", "b")]),
        ("Content-Length: 02\r\nA: b\r\n", [("A", "b"), ("content-length", "2")]),
        ("Content-Length: 2\r\nA: b\r\n", [("Content-Length", "2"), ("A", "b")]),
    ],
)
def test_headers(lines, headers):
    body = "{}" if "length" in lines.lower() else ""
    data = (POST + lines + "\r\n" + body).encode("latin-1")
    for loose in (True, False):
        assert read(data, loose=loose) == ([("POST", "/p", headers, body.encode())], "")


@pytest.mark.parametrize(
    "line",
    [
        "no colon",
        ": v",
        "A : v",
        "A\xe9: v",
        "A: a\x00b",
        "A: a\rb",
        "A:\x0bb",
        "A: \x7f",
        "Content-Length: abc",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 5 5",
        "Content-Length: 0x5",
        "Content-Length: ",
        "Content-Length: 9223372036854775808",
        "Content-Length: 5, 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "A: " + "h" * 8190,
    ],
)
def test_headers_that_are_none(line):
    for loose in (True, False):
        assert read((POST + line + "\r\n\r\n").encode("latin-1"), loose=loose) == ([], REFUSED)


LOOSE = [
    ("GET / HTTP/1.1\n\n", [("GET", "/", [], b"")], ""),
    ("GET / HTTP/1.1\nA: b\n\r\n", [("GET", "/", [("A", "b")], b"")], ""),
    ("GET / HTTP/1.1\r\nA: b\r\n\tc \r\n  d\r\n\r\n", [("GET", "/", [("A", "b c d")], b"")], ""),
    ("GET / HTTP/1.1\r\n A: b\r\n\r\n", [("GET", "/", [("A", "b")], b"")], ""),
    ("GET / HTTP/1.1\r\nA:\r\n b\r\n\r\n", [], REFUSED),
    ("\x00\x01 " + PING, [("GET", "/ping", [], b"")], ""),
    ("\x16\x03\x01\x02\x00\xfc", [], ""),
    (POST + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", [("POST", "/p", [], b"")], ""),
    (POST + "Transfer-Encoding: gzip\r\n\r\n", [("POST", "/p", [("transfer-encoding", "gzip")], b"")], ""),
    (POST + "Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx", None, ""),
    (POST + "Transfer-Encoding: gzip, Chunked\r\nA: b\r\n\r\n1\r\nx\r\n0\r\n\r\n", None, ""),
    (POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [("POST", "/p", [], b"")], ""),
    (POST.replace("1.1", "1.0") + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", None, ""),
    (CHUNKED.replace("1.1", "1.0") + "1\r\nx\r\n0\r\n\r\n", [("POST", "/p", [], b"x")], ""),
    (CHUNKED + " \t2 \r\n{}\r\n0\r\n\r\n", [("POST", "/p", [], b"{}")], ""),
    (CHUNKED + "2\n{}\n0\n\n", [("POST", "/p", [], b"{}")], ""),
    (CHUNKED + "2\r\n{}XX\r\n0\r\n\r\n", [("POST", "/p", [], b"{}")], ""),
    (CHUNKED + "100000002\r\n{}\r\n0\r\n\r\n", [("POST", "/p", [], b"{}")], ""),
    (CHUNKED + "FFFFFFFF\r\n{}\r\n0\r\n\r\n", [], DROPPED),
    (CHUNKED + "80000000\r\n", [], DROPPED),
]


@pytest.mark.parametrize(("text", "requests", "end"), LOOSE)
def test_what_two_servers_may_read_differently(text, requests, end):
    """LOOSE_FRAMING, on and off: as the original reads it, or refused."""
    got = read(text.encode("latin-1"), loose=True)
    assert got[1] == end
    assert got[0] == requests if requests is not None else len(got[0]) == 1
    whole, refused = read(text.encode("latin-1"), loose=False)
    assert (whole, refused) == ([], REFUSED)


@pytest.mark.parametrize(
    "text",
    [CHUNKED + bad for bad in ("zz\r\n", "-1\r\n", "\r\n", ";x\r\n", "2;" + "e" * 4096 + "\r\n", "0\r\nbad\r\n")],
)
def test_chunks_that_are_none(text):
    for loose in (True, False):
        assert read(text.encode(), loose=loose) == ([], REFUSED)


def test_chunks():
    text = CHUNKED + "3;a=b\r\nabc\r\n0004\r\ndefg\r\n0\r\nContent-Length: 9\r\nA: b\r\n\r\n" + PING
    for loose in (True, False):
        assert read(text.encode(), loose=loose) == ([("POST", "/p", [], b"abcdefg"), ("GET", "/ping", [], b"")], "")


def test_what_follows_a_request_that_asks_to_close_is_read():
    text = PING.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n") + PING.replace("1.1", "1.0") + PING
    for loose in (True, False):
        assert [one[1] for one in read(text.encode(), loose=loose)[0]] == ["/ping"] * 3


@pytest.mark.parametrize("loose", [True, False])
def test_a_head_without_an_end_is_cut_off(loose):
    for start in ("G" * 4097, "GET / HTTP/1.1\r\nA: " + "h" * 8190, "GET / HTTP/1.1\r\n" + "A: bc\r\n" * 1700):
        assert read(start.encode(), loose=loose)[1] == REFUSED
        assert read(start.encode(), loose=loose, sizes=[1000] * 12)[1] == REFUSED


@pytest.mark.parametrize("loose", [True, False])
def test_a_packet_may_end_with_a_line_of_the_head(loose):
    """The empty line that came with the next request was looked for in that one."""
    data, size = f"{PING}{CHUNKED}".encode(), PING.index("\n") + 1
    assert read(data, loose=loose, sizes=[size]) == read(data, loose=loose)


PIECES = [POST, CHUNKED, PING, "GET / HTTP/1.1\n", "A: b\r\n", "A: b\n", " c\r\n", "\r\n", "\n", "\r", "2\r\n{}\r\n"]
PIECES += [
    "Content-Length: 2\r\n",
    "Content-Length: 02\r\n",
    "Transfer-Encoding: chunked\r\n",
    "0\r\n\r\n",
    "{}",
    "xyz",
]
PIECES += ["1\n", "Transfer-Encoding: gzip\r\n", "\x00", ";", "Expect: 100-continue\r\n", "0\r\nA: b\r\n\r\n"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8), st.lists(st.integers(1, 9), max_size=60), st.booleans())
def test_packets_make_no_difference(pieces, sizes, loose):
    """The same requests and the same end, wherever the packets are cut."""
    data = "".join(pieces).encode("latin-1")
    assert read(data, loose=loose, sizes=sizes) == read(data, loose=loose)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_what_is_read_by_default_is_what_the_original_reads(pieces):
    """Being strict refuses, and never reads a request as another."""
    data = "".join(pieces).encode("latin-1")
    (ours, end), (real, _) = read(data, loose=False), read(data, loose=True)
    assert ours == real[: len(ours)]
    assert end == REFUSED or len(ours) == len(real)
