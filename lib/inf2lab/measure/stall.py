"""A stall on purpose: the server's process stands still for a while, as it does in a long garbage collection."""

import contextlib
import threading
from collections.abc import Iterator

from inf2lab.errors import MeasureError
from inf2lab.serving import ModelServer


@contextlib.contextmanager
def freezing(server: ModelServer, *, after_s: float, for_s: float) -> Iterator[None]:
    """Let a rehearsal's server stand still for `for_s` seconds, `after_s` seconds into the block; raises MeasureError.

    It goes on in any case when the block ends. On the chip: `docker pause NAME; sleep 1; docker unpause NAME`.
    """
    process = server.process()
    if process is None:
        raise MeasureError("only a running rehearsal server can be frozen from here; on the chip use `docker pause`")
    ended = threading.Event()

    def freeze() -> None:
        if ended.wait(after_s):
            return
        process.suspend()
        try:
            ended.wait(for_s)
        finally:
            process.resume()

    thread = threading.Thread(target=freeze, name="inf2lab-freeze")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
