"""A line now and then from whatever takes long and says nothing: silence looks like a program that hangs."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

NOTE_S = 15.0


@contextmanager
def told(report: Callable[[str], object], doing: Callable[[], str], *, every_s: float | None = None) -> Iterator[None]:
    """Report what is still being done, every so often, for as long as the block takes."""
    ended, started = threading.Event(), time.monotonic()

    def tell() -> None:
        while not ended.wait(every_s or NOTE_S):
            report(f"{time.monotonic() - started:.1f} s  still {doing()}")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
