"""Fits vLLM to a machine without a chip, from outside; Python reads this before anything else.

Its processes meet on loopback alone, and its packages are imported once, not three times. Each step changes one module
of vLLM or PyTorch, once it is loaded.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import multiprocessing
import os
import platform
import socket
import sys
from types import ModuleType
from typing import Any


def on_loopback(store: Any) -> Any:
    """Return a maker of `TCPStore`s whose master listens on 127.0.0.1.

    PyTorch's listens on every address of the machine, whatever host it is told. Given a socket that listens already, it
    takes that one.
    """

    def made(*, host_name: str, port: int, is_master: bool = False, **more: Any) -> Any:
        if is_master:
            listener = socket.create_server(("127.0.0.1", port))
            port = listener.getsockname()[1]
            more |= {"master_listen_fd": listener.detach(), "use_libuv": False}
        return store(host_name=host_name, port=port, is_master=is_master, **more)

    return made


def leave_the_port() -> None:
    """In a fork: let go of the port, which is the front's, and of the front's name in the log."""
    vars(sys.stdout).pop("write", None)
    vars(sys.stderr).pop("write", None)
    with open(os.devnull) as nothing:
        for number in map(int, os.listdir("/proc/self/fd")):
            with contextlib.suppress(OSError):  # no socket
                held = socket.socket(fileno=number)
                if held.family == socket.AF_INET:
                    os.dup2(nothing.fileno(), number)
                held.detach()


def meet_on_loopback(rendezvous: Any) -> None:
    """PyTorch's meeting point."""
    rendezvous.TCPStore = on_loopback(rendezvous.TCPStore)


def fork_the_engine(utils: Any) -> None:
    """vLLM starts it anew, for the sake of threads that a front of its own does not have before.

    On ARM it must: the engine's process begins with another library of threads.
    """
    if platform.machine() == "x86_64":
        utils.get_mp_context = lambda: multiprocessing.get_context("fork")
        os.register_at_fork(after_in_child=leave_the_port)


def look_at_the_model_here(registry: Any) -> None:
    """vLLM looks at a model's class in a process of its own, to keep this one from a GPU."""
    registry._run_in_subprocess = lambda look: look()


STEPS = {
    "torch.distributed.rendezvous": meet_on_loopback,
    "vllm.v1.engine.utils": fork_the_engine,
    "vllm.model_executor.models.registry": look_at_the_model_here,
}


class Finder:
    """Loads these modules as they are, each with its step behind it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Return the module's own spec, with one step more; None for any other name."""
        step = STEPS.pop(name, None)
        if step is None:
            return None
        spec = importlib.util.find_spec(name)
        loader: Any = spec.loader if spec else None
        if loader is None:
            return spec
        load = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            step(module)

        loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
