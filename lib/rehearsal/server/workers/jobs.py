"""A request on its way to a worker, alone or in a batch, and what comes back for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rehearsal.server.errors import ApiError
from rehearsal.server.workers.codec import Contents, Reply, encode_request


@dataclass(frozen=True, slots=True)
class Message:
    """What a handler gets: properties (HTTP headers and `handler`) and contents."""

    properties: dict[str, str]
    contents: Contents


@dataclass(slots=True)
class Job:
    """One request in a model's queue; cancelling `result` before a worker takes it removes it."""

    message: Message
    result: asyncio.Future[Reply] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    created: float = field(default_factory=time.perf_counter)

    @property
    def waited_us(self) -> int:
        """Microseconds since it came in."""
        return round((time.perf_counter() - self.created) * 1e6)

    def answer(self, reply: Reply) -> None:
        """Hands over the answer, unless the client is gone."""
        if not self.result.done():
            self.result.set_result(reply)

    def fail(self, error: ApiError) -> None:
        """Hands over an error, unless the client is gone."""
        if not self.result.done():
            self.result.set_exception(error)


def encode_jobs(jobs: Sequence[Job], handler: str) -> Iterator[bytes]:
    """The message for a worker: a single job as it is, several under `batch_000.` and so on; the handler to call."""
    if len(jobs) == 1:
        return encode_request(sort({"handler": handler} | jobs[0].message.properties), jobs[0].message.contents)
    properties: dict[str, str] = {}
    contents: Contents = []
    for i, job in enumerate(jobs):
        prefix = f"batch_{i:03d}."
        properties |= {prefix + key: value for key, value in job.message.properties.items()}
        contents += [(prefix + (key or "data"), data) for key, data in job.message.contents]
    properties["batch_size"] = str(len(jobs))
    properties["handler"] = handler
    return encode_request(sort(properties), contents)


def sort(properties: dict[str, str]) -> dict[str, str]:
    """The order of the original's TreeMap, which ignores case."""
    return dict(sorted(properties.items(), key=lambda item: item[0].lower()))


def settle(jobs: Sequence[Job], reply: Reply) -> None:
    """Gives each job its part of a batch's reply; an error reply goes to all of them."""
    if len(jobs) == 1 or reply.code >= 300:
        for job in jobs:
            job.answer(reply)
        return
    parts = _split(reply)
    if len(reply.contents) != len(jobs):
        text = f"Batch output size mismatch, expected: {len(jobs)}, actual: {len(reply.contents)}"
        for job in jobs:
            job.fail(ApiError.translate(text))
        return
    for i, job in enumerate(jobs):
        properties, contents = parts.get(i, ({}, []))
        job.answer(Reply(reply.code, reply.message, properties, contents))


def _split(reply: Reply) -> dict[int, tuple[dict[str, str], Contents]]:
    """The parts of a reply by job; an unmarked content belongs to the job of its position."""
    parts: dict[int, tuple[dict[str, str], Contents]] = {}
    for key, value in reply.properties.items():
        index, name = _mark(key, None)
        for job in range(len(reply.contents)) if index is None else (index,):
            parts.setdefault(job, ({}, []))[0][name or key] = value
    for position, (mark, data) in enumerate(reply.contents):
        index, name = _mark(mark or "", position)
        parts.setdefault(index if index is not None else position, ({}, []))[1].append((name, data))
    return parts


def _mark(key: str, default: int | None) -> tuple[int | None, str]:
    """`batch_3.data` as (3, "data"); a key without the mark keeps its name."""
    head, dot, name = key.partition(".")
    number = head.removeprefix("batch_")
    if dot and head.startswith("batch_") and number.isascii() and number.isdigit() and len(number) < 10:
        return int(number), name
    return default, key
