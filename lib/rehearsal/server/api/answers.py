"""Asynchronous answers: what is stored under a token, and what a poll gets of it.

A plain answer is one piece that never counts as the last, a stream as many as the worker sent. Only a poll from the
start carries the handler's headers, and the token that it gets the first time stays among them, as in the original.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rehearsal.server.errors import ApiError
from rehearsal.server.java import INT_MAX, as_int, parse_int
from rehearsal.server.workers.codec import Reply, size_of, whole

NEXT_TOKEN, STARTING_TOKEN = "x-next-token", "x-starting-token"
CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
TOKEN_SIZE = 36  # what follows is the number of a piece
STORED_ANSWERS, STORED_BYTES = 1000, 256 * 1024 * 1024  # beyond, the oldest go first, unread or not


@dataclass(slots=True)
class Stored:
    """One answer, as far as it has come."""

    head: Reply  # of a plain answer, with its content
    pieces: list[bytes] = field(default_factory=list)
    ended: bool = False  # only a stream's end is seen

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return sum(size_of(data) for _, data in self.head.contents) + sum(map(len, self.pieces))


class Answers:
    """The answers of one server."""

    def __init__(self) -> None:
        self._stored: dict[str, Stored] = {}
        self._size = 0

    def put(self, token: str, head: Reply) -> None:
        """Stores a plain answer, or the head of a stream, in the place of what was there."""
        self._drop(token)
        self._stored[token] = Stored(replace(head, properties=dict(head.properties)))
        self._grow(self._stored[token].size)

    def add(self, token: str, piece: bytes) -> None:
        """Stores one more piece of a stream; nothing, if its answer was dropped."""
        if token in self._stored:
            self._stored[token].pieces.append(piece)
            self._grow(len(piece))

    def end(self, token: str) -> None:
        """Notes that a stream has no more pieces."""
        if token in self._stored:
            self._stored[token].ended = True

    def get(self, token: str, limit: int) -> Reply:
        """The pieces that a poll asks for. Raises the 400 of an unknown token, or of a piece that cannot be."""
        start, limit = _start(token), limit if limit >= 0 else INT_MAX
        stored = self._stored.get(token[:TOKEN_SIZE])
        if stored is None:
            raise ApiError(400, "BadRequestException", f"Invalid {STARTING_TOKEN}: {token}")
        reply = Reply(200, "OK")
        taken: list[bytes] = []
        if start == 0:
            reply, taken = stored.head, [whole(data) for _, data in stored.head.contents[:1]]
            limit -= len(taken)
        first, count = as_int(start + 1), len(stored.pieces)
        end = as_int(first + limit)
        end = count + 1 if end < 0 else min(end, count + 1)
        if first < 1 and first < end:
            raise ApiError(400, "BadRequestException", f"Index {start} out of bounds for length {count}")
        taken += stored.pieces[max(first - 1, 0) : max(end - 1, 0)]
        is_whole = stored.ended and end == count + 1
        if not is_whole and NEXT_TOKEN not in map(str.lower, reply.properties):
            reply.properties[NEXT_TOKEN] = f"{token[:TOKEN_SIZE]}{end - 1}"
            reply.properties[CUSTOM_ATTRIBUTES] = f"{NEXT_TOKEN}={token[:TOKEN_SIZE]}"
        return replace(reply, contents=[(None, b"".join(taken))])

    def _drop(self, token: str) -> None:
        stored = self._stored.pop(token, None)
        self._size -= stored.size if stored else 0

    def _grow(self, size: int) -> None:
        self._size += size
        while len(self._stored) > STORED_ANSWERS or (self._size > STORED_BYTES and len(self._stored) > 1):
            self._drop(next(iter(self._stored)))


def _start(token: str) -> int:
    """The number after a token. Raises the 400 of one that is none."""
    if len(token) <= TOKEN_SIZE:
        return 0
    try:
        return parse_int(token[TOKEN_SIZE:])
    except ApiError as error:
        raise ApiError(400, "BadRequestException", error.message) from error
