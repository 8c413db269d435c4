"""Rolling batch: one worker serves many requests, one token of each a step, and requests join between steps.

The server's half of DJL 0.25's scheme, for models with `option.rolling_batch`. A step's message names the requests by
their place (`batch_000.data`); a request's properties and body go in its first step, an empty body after that. Each
content of the answer is one request's next text and whether it is the last: as JSON, or as the socket's own pairs.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from struct import Struct
from struct import error as StructError

from rehearsal.server.errors import ApiError, CodecError, WorkerLost
from rehearsal.server.workers.codec import Reply, encode_request
from rehearsal.server.workers.jobs import Contents, Job
from rehearsal.server.workers.members import Shared, Worker
from rehearsal.server.workers.refusals import worker_ends
from rehearsal.server.workers.streams import Piece, relay

CONTENT_TYPES = {"json": "application/json", "jsonlines": "application/jsonlines"}
BUFFERED = 4  # texts sent together, after the first; DJL's SERVING_ROLLING_BATCH_BUFFER
_short = Struct(">h")


class _Request:
    """One request of the batch: what it still has to send, and where its answer goes."""

    def __init__(self, job: Job, content_type: str | None) -> None:
        self.job, self.steps, self.last = job, 0, False
        self._headers = {"Content-Type": content_type} if content_type else {}
        self._text: list[str] = []
        self._put: Callable[[Piece], None] | None = None

    def fields(self, place: int) -> tuple[dict[str, str], Contents]:
        """Its part of the next message."""
        prefix = f"batch_{place:03d}."
        if self.steps:
            return {}, [(f"{prefix}data", b"")]
        message = self.job.message
        body = next((data for key, data in message.contents if key == "data"), b"")
        seed = str(random.getrandbits(31)).encode()
        named = {prefix + key: value for key, value in message.properties.items()}
        return named, [(f"{prefix}data", body), (f"{prefix}seed", seed)]

    def take(self, content: bytes) -> None:
        """Its next text. Raises CodecError for bytes that are neither form."""
        self.steps += 1
        values = read_item(content)
        self.last = str(values.get("last", "false")).lower() == "true"
        text, code, whole = str(values.get("data", "")), values.get("code"), content.startswith(b"{")
        if code is not None and not whole:
            text = json.dumps({"code": int(str(code)), "error": values.get("error")}, indent=2)
            self.last = True
        self._text.append(text)
        if whole or self.last or self.steps % BUFFERED == 1:
            self._send("".join(self._text).encode())
            self._text.clear()
        if self.last and self._put is not None:
            self._put(None)

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
        self._send(text.encode())
        assert self._put is not None
        self._put(None)

    def _send(self, piece: bytes) -> None:
        if self._put is None:
            self._put, pieces = relay()
            self.job.answer(Reply(200, "OK", self._headers, is_stream=True, pieces=pieces))
        self._put(piece)


async def roll(worker: Worker, shared: Shared, jobs: list[Job]) -> None:
    """Serves jobs, and those that queue up meanwhile, until none is left. Raises WorkerLost after failing them."""
    options = shared.model.options
    content_type = CONTENT_TYPES.get(options.get("output_formatter", ""))
    batch = [_Request(job, content_type) for job in jobs]
    while batch:
        while len(batch) < shared.model.rolling_size and (job := shared.next_queued()):
            batch.append(_Request(job, content_type))
        try:
            message = _message(batch, options.get("handler", "handle"), reset=worker.reset_batch)
            reply = await worker.process.ask(message, shared.model.predict_timeout_s)
            worker.failures = 0
            worker.reset_batch = not _distribute(reply, batch)
        except WorkerLost as error:
            _fail(batch, error)
            raise
        except CodecError as error:
            worker.reset_batch = True
            _fail(batch, ApiError.translate(str(error)))
        except BaseException:
            _fail(batch, worker_ends())
            raise
        batch = [request for request in batch if not request.last]


def _fail(batch: list[_Request], error: ApiError) -> None:
    for request in batch:
        request.fail(error)


def _message(batch: list[_Request], handler: str, *, reset: bool) -> bytes:
    properties = {"handler": handler, "batch_size": str(len(batch))}
    if reset:  # the worker still holds requests of a step that failed
        properties["reset_rollingbatch"] = "true"
    contents: Contents = []
    for place, request in enumerate(batch):
        named, data = request.fields(place)
        properties |= named
        contents += data
    return encode_request(dict(sorted(properties.items(), key=lambda item: item[0].lower())), contents)


def _distribute(reply: Reply, batch: list[_Request]) -> bool:
    """Gives each request its content; False, after ending all, when the step as a whole failed."""
    if reply.code == 200 and len(reply.contents) == len(batch):
        for request, (_, content) in zip(batch, reply.contents, strict=True):
            request.take(content)
        return True
    code = reply.code if reply.code != 200 else 500
    for request in batch:
        request.end_with(json.dumps({"code": code, "message": "Batch inference failed"}))
    return False


def read_item(content: bytes) -> dict[str, object]:
    """A content as a mapping with `data`, `last` and perhaps `code` and `error`. Raises CodecError."""
    try:
        if content.startswith(b"{"):
            loaded = json.loads(content)
            return loaded if isinstance(loaded, dict) else {}
        (count,) = _short.unpack_from(content)
        values: dict[str, object] = {}
        at = 2
        for _ in range(count):
            pair = []
            for _ in range(2):
                (length,) = _short.unpack_from(content, at)
                pair.append(content[at + 2 : at + 2 + length].decode())
                at += 2 + length
            values[pair[0]] = pair[1]
        return values
    except (ValueError, StructError) as error:
        raise CodecError(f"a rolling batch item is neither JSON nor pairs: {error}") from error
