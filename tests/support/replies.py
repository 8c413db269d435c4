"""The bytes of a worker's answer, as stand-in workers write them."""

from __future__ import annotations

from struct import pack

from rehearsal.server.workers.codec import STREAM, Reply, whole


def encode_reply(reply: Reply) -> bytes:
    """The bytes of an answer; a stream's frames follow them."""
    parts = [pack(">h", reply.code), _string(reply.message), pack(">h", len(reply.properties))]
    for key, value in reply.properties.items():
        parts += (_string(key), _string(value))
    parts.append(pack(">h", STREAM if reply.is_stream else len(reply.contents)))
    for name, data in reply.contents:
        parts += (_string(name), pack(">i", len(whole(data))), whole(data))
    return b"".join(parts)


def _string(text: str | None) -> bytes:
    data = (text or "").encode("utf-8", "replace")
    return pack(">h", -1 if text is None else len(data)) + data
