"""A server's life: load the models, open the port, answer until told to stop, leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rehearsal.server.config import Address, ServerConfig
from rehearsal.server.errors import ApiError, ModelLoadError, SetupError
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.registry import Entry, Registry
from rehearsal.server.models.store import registration, startup_models
from rehearsal.server.switches import Switch
from rehearsal.server.wire.crowd import ACCEPTED_AT_ONCE, Crowd, raise_limit
from rehearsal.server.workers.factory import WorkerFactory
from rehearsal.server.workers.package import worker_package

if TYPE_CHECKING:
    from rehearsal.server.front import Front

STOP_SIGNALS = {signal.SIGTERM: 143, signal.SIGINT: 130}  # and the exit codes that the JVM has for them
FAILURE_PAUSE_S = 3  # the original's pause between a failed load and its end
CLOSE_TIMEOUT_S = 10
WORKER_FIRST_S = 0.2  # until what answers is imported: beside the worker's imports, which take longer
BACKLOG = 1024  # clients that may wait to be accepted
EXIT_FAILED, EXIT_SETUP = 1, 2
# Bytes. Once so much was taken and given back untouched, glibc keeps up to twice that for what comes next (mallopt(3),
# M_MMAP_THRESHOLD). Else the memory of a body goes back to the kernel after each request, and its pages cost as much as
# all the rest of its way.
KEPT = 4 * 2**20


@dataclass(frozen=True)
class Failure:
    """A model that did not load at start, and why."""

    name: str
    error: ApiError


class Server:
    """One running server; `run` is its whole life."""

    def __init__(self, config: ServerConfig, log: ServerLog) -> None:
        self._config, self._log = config, log
        self._connections = Crowd(log)
        self._listeners: list[asyncio.Server] = []
        self._stop: asyncio.Future[int]

    async def run(self) -> int:
        """Serves until a signal or a failed load; returns the exit code. Raises SetupError."""
        loop = asyncio.get_running_loop()
        self._stop = loop.create_future()
        for number, code in STOP_SIGNALS.items():
            loop.add_signal_handler(number, self._end, code)
        self._announce()
        package = await self._package()
        if package is None:
            return self._stop.result()
        factory = WorkerFactory(self._config, package, self._log)
        registry = Registry(self._config, factory, self._log)
        loading = loop.create_task(self._load(registry))
        loop.call_later(WORKER_FIRST_S, _fronts)
        try:
            if not self._config.wait_model_loading:
                await asyncio.sleep(0)  # all models are registered before the port opens
                if not (loading.done() and loading.exception()):
                    await self._open(registry)
            await self._or_stop(loading)
            if self._stop.done():
                return self._stop.result()
            if failures := loading.result():
                return await self._fail(failures[0], registry)
            if self._config.wait_model_loading:
                await self._open(registry)
            return await self._stop
        finally:
            await self._close(loading, registry)
            factory.close()

    def _end(self, code: int) -> None:
        if not self._stop.done():
            self._stop.set_result(code)

    async def _or_stop(self, work: asyncio.Future[Any]) -> None:
        """Waits for the end of some work, or for a signal."""
        first: list[asyncio.Future[Any]] = [work, self._stop]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)

    async def _package(self) -> Path | None:
        """The worker's folder, fetched on the first start; None when a signal came first. Raises SetupError."""
        found: asyncio.Future[Path] = asyncio.get_running_loop().create_future()

        def fetch() -> None:
            try:
                result = worker_package(self._config.djl_version, self._config.environ)
                settle = functools.partial(found.set_result, result)
            except Exception as error:  # whatever it is: the server waits for one or the other
                known = error if isinstance(error, SetupError) else SetupError(f"DJL's worker cannot be had: {error!r}")
                settle = functools.partial(found.set_exception, known)
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                found.get_loop().call_soon_threadsafe(settle)

        # A daemon: a download that hangs must not hold up the end of the process.
        threading.Thread(target=fetch, daemon=True).start()
        await self._or_stop(found)
        return found.result() if found.done() else None

    async def _load(self, registry: Registry) -> list[Failure]:
        """Loads the models at start, and returns those that failed; the first one ends it, by default.

        One after the other while the port is closed, all at once behind an open port, as the original does.
        """
        failures: list[Failure] = []
        tasks: list[asyncio.Task[Failure | None]] = []
        for text in startup_models(self._config, self._log):
            self._log.info("ModelServer", f"Initializing model: {self._config.shown('', text)}")
            load = self._load_one(registry, self._register(registry, text))
            if not self._config.wait_model_loading:
                tasks.append(asyncio.get_running_loop().create_task(load))
            elif failure := await load:
                failures.append(failure)
                if Switch.FAILED_LOAD_EXITS_0 not in self._config.original:
                    break
        found = [await task for task in asyncio.as_completed(tasks)]
        return failures + [failure for failure in found if failure]

    def _register(self, registry: Registry, text: str) -> Entry:
        try:
            return registry.add(registration(text))
        except (ApiError, SetupError) as error:
            self._log.info("ModelServer", "Model server stopped.")
            if isinstance(error, SetupError):
                raise
            sentence = f"model {text}: {error.message}; give each model a name of its own, as NAME=URL"
            raise SetupError(sentence, error.message) from error

    async def _load_one(self, registry: Registry, entry: Entry) -> Failure | None:
        try:
            await registry.load(entry)
        except SetupError:
            raise
        except Exception as found:
            error = found if isinstance(found, ApiError) else ModelLoadError("RuntimeException", repr(found))
            first, *_ = causes = error.causes
            lines = [f"java.util.concurrent.CompletionException: {first}", *(f"Caused by: {cause}" for cause in causes)]
            self._log.error("ModelServer", self._config.shown("", "\n".join(["Failed register workflow", *lines])))
            if Switch.FAILED_LOAD_EXITS_0 in self._config.original:
                await asyncio.wait([self._stop], timeout=FAILURE_PAUSE_S)
            self._log.info("ModelServer", "Stopping model server.")
            return Failure(entry.model.name, error)
        return None

    async def _fail(self, failure: Failure, registry: Registry) -> int:
        """Ends the server after a failed load, the handler's own words last.

        In the original: a port that opens for an instant, and exit code 0, or no end at all beside other models.
        """
        as_java = Switch.FAILED_LOAD_EXITS_0 in self._config.original
        if as_java and self._config.wait_model_loading:
            await self._open(registry)
            self._log.info("ModelServer", "Stopping model server.")
        self._close_listeners()
        self._log.info("ModelServer", "BOTH listener stopped.")
        self._log.info("ModelServer", "Model server stopped.")
        if as_java:
            alive = any(entry.pool.workers for end in registry.endpoints.values() for entry in end.entries)
            return await self._stop if alive else 0
        report = failure.error.report if isinstance(failure.error, ModelLoadError) else ""
        text = f"{failure.name} did not load: {self._config.shown('', _without_class(failure.error.causes[0]))}"
        self._log.error("Rehearsal", f"{text}\n{report}" if report else text)
        return EXIT_FAILED

    async def _open(self, registry: Registry) -> None:
        for front in _fronts()(registry, self._config, self._log, self._connections):
            await self._listen(front)

    async def _listen(self, front: Front) -> None:
        address, loop = front.address, asyncio.get_running_loop()
        try:
            # asyncio accepts as many at once as its backlog says; the kernel may let more of them wait.
            listener = await loop.create_server(front.connection, address.host, address.port, backlog=ACCEPTED_AT_ONCE)
            for found in listener.sockets:
                with socket.socket(fileno=os.dup(found.fileno())) as same:
                    same.listen(BACKLOG)
        except (OSError, OverflowError) as error:
            cause = f"java.io.IOException: Failed to bind to address: {address}"
            self._log.info("ModelServer", "Model server stopped.")
            self._log.error("ModelServer", f"Unexpected error\n{cause}")
            text = f"port {address.port} of {address.host} cannot be opened ({error}); free it or take another --port"
            raise PortError(text) from error
        self._listeners.append(listener)
        if not all(ip_address(found.getsockname()[0]).is_loopback for found in listener.sockets):
            text = f"{address} is not loopback: whoever reaches it uses, adds and removes models; see --host"
            self._log.warn("Rehearsal", text)
        elif Switch.WEB_PAGES_ARE_LET_IN not in self._config.original:
            front.guard()
        port = listener.sockets[0].getsockname()[1]
        self._log.info("ModelServer", f"{front.name} bind to: {Address(address.host, port)}")

    def _announce(self) -> None:
        config, environ = self._config, self._config.environ
        self._log.info("ModelServer", "Starting model server ...")
        self._log.info("ModelServer", f"Starting djl-serving: {config.djl_version} ...")
        shown = [
            f"Model server home: {environ.get('MODEL_SERVER_HOME', os.getcwd())}",
            f"Current directory: {os.getcwd()}",
            f"Command line: {config.shown('', ' '.join(sys.argv[1:]))}",
            f"Number of CPUs: {os.cpu_count()}",
            f"Config file: {config.config_file or 'N/A'}",
            f"Inference address: {config.inference}",
            f"Management address: {config.management}",
            f"Default job_queue_size: {config.job_queue_size}",
            f"Default batch_size: {config.batch_size}",
            f"Default max_batch_delay: {config.max_batch_delay_ms}",
            f"Default max_idle_time: {config.max_idle_time_s}",
            f"Model Store: {config.model_store or 'N/A'}",
            f"Initial Models: {config.shown('', config.load_models or 'N/A')}",
            f"Maximum Request Size: {config.max_request_size}",
            "Environment variables:",
            *(f"\t{key}: {config.shown(key, value)}" for key, value in environ.items() if _is_shown(key)),
        ]
        self._log.info("ModelServer", "\n" + "\n".join(shown))
        mode = "strict on" if config.original else "strict off: see README.md of rehearsal.server for what differs"
        self._log.info("Rehearsal", f"this is the rehearsal of DJLServing, no JVM and no chip ({mode})")
        for key in config.unknown_keys:
            self._log.warn("Rehearsal", f"configuration key {key} is not used by the rehearsal")

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for connection in list(self._connections):
            connection.reset()  # no drain: requests under way get a reset, as from the JVM

    async def _close(self, loading: asyncio.Task[list[Failure]], registry: Registry) -> None:
        self._close_listeners()
        if not loading.done():
            loading.cancel()
            await asyncio.wait([loading], timeout=CLOSE_TIMEOUT_S)
        try:
            await asyncio.wait_for(registry.close(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            text = f"workers did not end in {CLOSE_TIMEOUT_S} s; the kernel ends them with this process"
            self._log.warn("Rehearsal", text)


class PortError(SetupError):
    """The port cannot be opened; DJLServing exits with 1 then, after loading the models."""


def _fronts() -> Callable[..., list[Front]]:
    from rehearsal.server.front import fronts

    return fronts


def _without_class(cause: str) -> str:
    """A cause of the log without its Java class."""
    head, colon, rest = cause.partition(": ")
    return rest if colon and "." in head and " " not in head else cause


def _is_shown(key: str) -> bool:
    return (
        key.startswith(("SERVING", "PYTHON", "DJL_", "HF_"))
        or "SAGEMAKER" in key
        or key in ("TENSOR_PARALLEL_DEGREE", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    )


def serve(config: ServerConfig) -> int:
    """Runs a server to its end; returns the process's exit code."""
    raise_limit()
    bytes(KEPT)
    log = ServerLog(config.log_dir)
    try:
        return asyncio.run(Server(config, log).run())
    except PortError as error:
        log.error("Rehearsal", str(error))
        return EXIT_FAILED
    finally:
        log.close()
