"""Hands the pieces of a streamed answer from the worker's side to the connection's side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

Piece = bytes | Exception | None  # None ends the stream


def relay() -> tuple[Callable[[Piece], None], AsyncIterator[bytes]]:
    """A put function and the iterator that it feeds; neither side waits for the other to keep up.

    The worker goes on computing whoever listens, so the pieces queue up here, as in the original.
    """
    queue: asyncio.Queue[Piece] = asyncio.Queue()

    async def pieces() -> AsyncIterator[bytes]:
        while (piece := await queue.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    return queue.put_nowait, pieces()
