"""Free ports for servers that tests start."""

from __future__ import annotations

from inf2lab.serving import ports


def free_port(*above: int) -> int:
    """A port of 127.0.0.1 on which nothing listens now, nor on those that are so many above it."""
    while True:
        port = ports.free_port()
        if all(ports.is_free(port + distance) for distance in above):
            return port
