"""Whether a port of 127.0.0.1 can be listened on."""

from __future__ import annotations

import socket

from inf2lab.errors import PortInUse, ServerError
from inf2lab.serving import processes


def is_free(port: int) -> bool:
    """Return whether nobody listens on the port; raises ServerError if this user may not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise ServerError(f"port {port} may not be opened by this user: use 1024 or more, such as 8080") from None
        except OSError:
            return False
    return True


def claim(port: int) -> None:
    """Raise PortInUse, with who listens there, unless the port is free."""
    if not is_free(port):
        raise PortInUse(port, processes.listener(port))
