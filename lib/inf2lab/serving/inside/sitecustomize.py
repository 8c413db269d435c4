"""Keeps the meeting point of vLLM's processes on loopback; Python reads this before anything else.

PyTorch's TCPStore listens on every address of the machine, whatever host it is told. Given a socket that listens
already, it takes that one.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import socket
import sys
from types import ModuleType
from typing import Any

MODULE = "torch.distributed.rendezvous"


def on_loopback(store: Any) -> Any:
    """Return a maker of `TCPStore`s whose master listens on 127.0.0.1."""

    def made(*, host_name: str, port: int, is_master: bool = False, **more: Any) -> Any:
        if is_master:
            listener = socket.create_server(("127.0.0.1", port))
            port = listener.getsockname()[1]
            more |= {"master_listen_fd": listener.detach(), "use_libuv": False}
        return store(host_name=host_name, port=port, is_master=is_master, **more)

    return made


class Finder:
    """Loads that one module as it is, then puts the maker in its place."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Return the module's own spec, with one step more; None for any other name."""
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        loader: Any = spec.loader if spec else None
        if loader is None:
            return spec
        load = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            module.TCPStore = on_loopback(module.TCPStore)  # type: ignore[attr-defined]

        loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
