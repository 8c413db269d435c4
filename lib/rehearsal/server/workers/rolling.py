"""Rolling batch: one worker serves many requests, one token of each a step, and requests join between steps.

The server's half of DJL 0.25's scheme, for models with `rolling_batch`. A step's message names the requests by
their place (`batch_000.data`); a request's properties and body go in its first step, an empty body after that. Each
content of the answer is one request's next text and whether it is the last: as JSON, or as the socket's own pairs.
In the original the loop ends without a word at a content that is neither, and nobody is answered from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from struct import Struct
from struct import error as StructError

from rehearsal.server.errors import ApiError, CodecError, WorkerLost
from rehearsal.server.gson import EmptyError, pretty, texts, whole_number
from rehearsal.server.java import parse_boolean, parse_int
from rehearsal.server.models.info import ModelInfo
from rehearsal.server.switches import Switch
from rehearsal.server.workers.codec import Contents, Reply, encode_request, whole
from rehearsal.server.workers.jobs import Job, sort
from rehearsal.server.workers.members import Shared, Worker
from rehearsal.server.workers.refusals import rolls_no_item, rolls_none, worker_ends
from rehearsal.server.workers.streams import Piece, relay

CONTENT_TYPES = {None: "application/json", "json": "application/json", "jsonlines": "application/jsonlines"}
FAILED = (
    '{"code":%d,"message":"Batch inference failed","properties":{},"content":{"keys":[],"values":[]},"cancelled":false}'
)
_short = Struct(">h")


class _Request:
    """One request of the batch: what it still has to send, and where its answer goes."""

    def __init__(self, job: Job, model: ModelInfo) -> None:
        self.job, self.steps, self.last = job, 0, False
        self._buffered = model.rolling_buffer
        content_type = CONTENT_TYPES.get(model.stated("output_formatter"))
        self._reply = Reply(200, "OK", {"Content-Type": content_type} if content_type else {}, is_stream=True)
        self._text = ""
        self._put: Callable[[Piece], None] | None = None

    def fields(self, place: int) -> tuple[dict[str, str], Contents]:
        """Its part of the next message."""
        prefix = f"batch_{place:03d}."
        if self.steps:
            return {}, [(f"{prefix}data", b"")]
        message = self.job.message
        first = message.contents[0][1] if message.contents else b""
        body = next((data for key, data in message.contents if key == "data"), first)
        seed = str(random.getrandbits(31)).encode()
        named = {prefix + key: value for key, value in message.properties.items()}
        return named, [(f"{prefix}data", body), (f"{prefix}seed", seed)]

    def take(self, content: bytes) -> None:
        """Its next text. Raises CodecError for bytes that are neither form."""
        self.steps += 1
        values = read_item(content)
        self.last = parse_boolean(values["last"])
        if content.startswith(b"{"):
            self._say_code(values["data"])
            self._send(values["data"], last=self.last)
        elif (code := values.get("code")) is not None:  # what was buffered is not sent any more
            error = {"error": values["error"]} if "error" in values else {}
            self._send(pretty(error | {"code": read_number(code)}), last=True)
        else:
            self._text += values["data"]
            if self.last or (self._buffered and self.steps % self._buffered == 1):
                self._send(self._text, last=self.last)
                self._text = ""

    def fail(self, error: ApiError) -> None:
        """Ends it: with an answer if none has begun, else by breaking the stream off."""
        self.last = True
        if self._put is None:
            self.job.fail(error)
        else:
            self._put(error)

    def end_with(self, text: str) -> None:
        """Ends it with a last text."""
        self.last = True
        self._send(text, last=True)

    def hang(self) -> None:
        """Leaves it without another text, until the connection gives it up."""
        self._begin()

    def _begin(self) -> Callable[[Piece], None]:
        if self._put is None:
            self._put, pieces = relay()
            self.job.answer(replace(self._reply, pieces=pieces))
        return self._put

    def _say_code(self, text: str) -> None:
        """A text that is itself an object with `code` and `error` gives the answer's status, if it is the first."""
        with contextlib.suppress(ApiError, EmptyError, LookupError, OverflowError):
            said = texts(text, "code", "error")
            self._reply = replace(self._reply, code=whole_number(said["code"]))
            self._reply = replace(self._reply, message=said["error"])

    def _send(self, text: str, *, last: bool) -> None:
        put = self._begin()
        put(text.encode())
        if last:
            put(None)


async def roll(worker: Worker, shared: Shared, jobs: list[Job]) -> None:
    """Serves jobs, and those that queue up meanwhile, until none is left. Raises WorkerLost after failing them."""
    model = shared.model
    batch = [_Request(job, model) for job in jobs]
    if worker.stuck or model.rolling_size < 1:
        await _never(worker, shared, batch)
        return
    while batch:
        while len(batch) < model.rolling_size and (job := shared.next_queued()):
            batch.append(_Request(job, model))
        try:
            message = _message(batch, model.handler, reset=worker.reset_batch)
            reply = await _whole(worker, await worker.process.ask(message, model.predict_timeout_s))
            worker.failures = 0
            worker.reset_batch = not _distribute(reply, batch)
        except WorkerLost as error:
            if shared.plays(Switch.ROLLING_BATCH_HANGS):
                _leave(batch)
            _fail(batch, error)
            raise
        except CodecError as error:
            _give_up(worker, shared, batch, error)
        except BaseException:
            _fail(batch, worker_ends())
            raise
        batch = [request for request in batch if not request.last]


async def _never(worker: Worker, shared: Shared, batch: list[_Request]) -> None:
    """What becomes of requests that the loop never takes: it has ended, or has no place at all."""
    model = shared.model
    if not shared.plays(Switch.ROLLING_BATCH_HANGS):
        _fail(batch, rolls_none(model))
    elif worker.stuck < model.rolling_size:
        worker.stuck += len(batch)
        _leave(batch)
    else:
        await asyncio.sleep(model.predict_timeout_s)
        _fail(batch, ApiError.translate(f"Time out in: {model.predict_timeout_s:g}"))


async def _whole(worker: Worker, reply: Reply) -> Reply:
    """A reply with all frames of a stream as one content, as the loop reads it."""
    if not reply.is_stream:
        return reply
    return replace(reply, contents=[(None, b"".join([frame.data async for frame in worker.process.frames()]))])


def _fail(batch: list[_Request], error: ApiError) -> None:
    for request in batch:
        request.fail(error)


def _leave(batch: list[_Request]) -> None:
    for request in batch:
        request.hang()
    batch.clear()


def _give_up(worker: Worker, shared: Shared, batch: list[_Request], error: CodecError) -> None:
    """What follows a content that is no item: an error that says so, or no word any more."""
    if not shared.plays(Switch.ROLLING_BATCH_HANGS):
        worker.reset_batch = True
        _fail(batch, rolls_no_item(shared.model, str(error)))
        return
    worker.stuck = len(batch)
    _leave(batch)


def _message(batch: list[_Request], handler: str, *, reset: bool) -> Iterator[bytes]:
    properties = {"handler": handler, "batch_size": str(len(batch))}
    if reset:  # the worker still holds requests of a step that failed
        properties["reset_rollingbatch"] = "true"
    contents: Contents = []
    for place, request in enumerate(batch):
        named, data = request.fields(place)
        properties |= named
        contents += data
    return encode_request(sort(properties), contents)


def _distribute(reply: Reply, batch: list[_Request]) -> bool:
    """Gives each request its content; False, after ending all, when the step as a whole failed."""
    if reply.code == 200 and len(reply.contents) == len(batch):
        for request, (_, content) in zip(batch, reply.contents, strict=True):
            request.take(whole(content))
        return True
    for request in batch:
        request.end_with(FAILED % reply.code)
    return False


def read_item(content: bytes) -> dict[str, str]:
    """A content as a mapping with `data`, `last` and perhaps `code` and `error`. Raises CodecError."""
    try:
        if not content.startswith(b"{"):
            return _pairs(content)
        found = texts(content.decode("utf-8", "replace"), "last", "data")
        return {key: found[key] for key in ("last", "data")}
    except (ApiError, ValueError, LookupError, StructError) as error:
        raise CodecError(
            f"a rolling batch item is JSON or pairs with `data` and `last`, not {content[:40]!r}"
        ) from error


def _pairs(content: bytes) -> dict[str, str]:
    (count,) = _short.unpack_from(content)
    values, at = {"data": "null", "last": "false"}, 2  # what Java makes of a text that is missing
    for _ in range(count):
        key, at = _text(content, at)
        values[key], at = _text(content, at)
    return values


def _text(content: bytes, at: int) -> tuple[str, int]:
    (length,) = _short.unpack_from(content, at)
    end = at + 2 + length
    if length < 0 or end > len(content):
        raise ValueError(length)
    return content[at + 2 : end].decode("utf-8", "replace"), end


def read_number(text: str) -> int:
    """The `code` of an item. Raises CodecError for one that is no number, at which the original's loop ends too."""
    try:
        return parse_int(text)
    except ApiError as error:
        raise CodecError(f"the code of a rolling batch item is {text!r}, which is no number") from error
