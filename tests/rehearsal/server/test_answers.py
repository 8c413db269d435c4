"""Asynchronous answers: pieces, tokens and limits, as the original's memory cache gives them."""

from __future__ import annotations

import pytest

from rehearsal.server.api import answers
from rehearsal.server.api.answers import Answers
from rehearsal.server.errors import ApiError
from rehearsal.server.workers.codec import Reply

T = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


@pytest.fixture
def stream():
    """A whole stream of three pieces and the empty one that ends it."""
    stored = Answers()
    stored.put(T, Reply(201, "made", {"x": "y"}))
    for piece in (b"1", b"2", b"3", b""):
        stored.add(T, piece)
    stored.end(T)
    return stored


@pytest.mark.parametrize(
    ("start", "limit", "code", "body", "token"),
    [
        ("", -1, 201, b"123", None),
        ("0", -1, 201, b"123", None),
        ("", 0, 201, b"", "0"),
        ("", 2, 201, b"12", "2"),
        ("", 3, 201, b"123", "3"),
        ("", 4, 201, b"123", None),
        ("1", -1, 200, b"23", None),
        ("1", 1, 200, b"2", "2"),
        ("+1", 1, 200, b"2", "2"),
        ("3", -1, 200, b"", None),
        ("9", -1, 200, b"", None),
        ("9", 1, 200, b"", None),
    ],
)
def test_a_stream_is_read_piece_by_piece(stream, start, limit, code, body, token):
    reply = stream.get(T + start, limit)
    assert (reply.code, reply.contents[0][1]) == (code, body)
    assert reply.properties.get("x") == ("y" if code == 201 else None)
    assert reply.properties.get("x-next-token") == (None if token is None else T + token)


@pytest.mark.parametrize(("start", "limit", "token"), [("", -1, "0"), ("", 0, "-1"), ("0", 5, "0"), ("1", -1, "0")])
def test_a_plain_answer_never_counts_as_finished(start, limit, token):
    stored = Answers()
    stored.put(T, Reply(200, "OK", {"x": "y"}, [(None, b"whole")]))
    reply = stored.get(T + start, limit)
    assert reply.contents[0][1] == (b"" if start == "1" else b"whole")
    assert reply.properties["x-next-token"] == T + token
    assert reply.properties["X-Amzn-SageMaker-Custom-Attributes"] == f"x-next-token={T}"


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("short", "Invalid x-starting-token: short"),
        ("b" * 36 + "1", f"Invalid x-starting-token: {'b' * 36}1"),
        (T + "x", 'For input string: "x"'),
        (T + "99999999999", 'For input string: "99999999999"'),
        (T + "-1", "Index -1 out of bounds for length 4"),
        (T + "2147483647", "Index 2147483647 out of bounds for length 4"),
        (T + "-7", "Index -7 out of bounds for length 4"),
    ],
)
def test_tokens_that_are_refused(stream, token, message):
    with pytest.raises(ApiError) as caught:
        stream.get(token, -1)
    assert (caught.value.status, caught.value.java_type, caught.value.message) == (400, "BadRequestException", message)


def test_the_oldest_answers_go_when_their_bytes_are_too_many(monkeypatch):
    monkeypatch.setattr(answers, "STORED_BYTES", 10)
    stored = Answers()
    for token in ("1", "2", "3"):
        stored.put(token * 36, Reply(200, "OK", {}, [(None, b"12345")]))
    with pytest.raises(ApiError):
        stored.get("1" * 36, -1)
    assert stored.get("3" * 36, -1).contents[0][1] == b"12345"
    stored.add("3" * 36, b"x" * 20)  # the newest stays, whatever its size
    assert stored.get("3" * 36, -1).contents[0][1] == b"12345" + b"x" * 20
