"""The routes of both APIs, in one table each."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from rehearsal.server.api.adapters import TARGET, Adapters
from rehearsal.server.api.inference import Inference
from rehearsal.server.api.management import Management
from rehearsal.server.api.plugins import Plugins
from rehearsal.server.errors import ApiError
from rehearsal.server.java import DOT
from rehearsal.server.wire.requests import Request
from rehearsal.server.wire.responses import Response, json_response

ANY = ""  # method
Route = tuple[str, re.Pattern[str], Callable[[Any, Request], Awaitable[Response]]]


def _route(method: str, pattern: str, function: Callable[[Any, Request], Awaitable[Response]]) -> Route:
    return method, re.compile(pattern, re.DOTALL), function


# Matched on the target as it was sent, before %-escapes are read, as in the original.
INFERENCE = (
    _route(ANY, rf"/predictions([/?]{DOT}*)?", Inference.predictions),
    _route(ANY, rf"/ping([/?]{DOT}*)?", Inference.ping),
    _route(ANY, rf"/invocations([/?]{DOT}*)?", Inference.invocations),
    _route(ANY, rf"/models/{DOT}+/invoke", Inference.invoke),
)
# The target says whether it is this API; then its path is matched, decoded and without slashes at its end.
MANAGED = re.compile(rf"/(models|workflows)([/?]{DOT}*)?")
MANAGEMENT = (
    _route("GET", r"/models", Management.list_models),
    _route("GET", r"/workflows", Management.list_workflows),
    _route("POST", r"/models", Management.register),
    _route("POST", r"/workflows", Management.register_workflow),
    _route("GET", r"/(models|workflows)/.*", Management.describe),
    _route("PUT", r"/(models|workflows)/.*", Management.scale),
    _route("DELETE", r"/(models|workflows)/.*", Management.unregister),
)


class App:
    """Answers the requests of one listener; None for an API that it does not serve."""

    def __init__(
        self,
        inference: Inference | None,
        management: Management | None = None,
        adapters: Adapters | None = None,
        plugins: Plugins | None = None,
    ) -> None:
        self._inference, self._management = inference, management
        self._adapters, self._plugins = adapters, plugins
        self.gate: Callable[[Request], None] | None = None  # raises the ApiError of whom it refuses

    async def __call__(self, request: Request) -> Response:
        """The answer to a request. Raises ApiError for what becomes an error body."""
        if self.gate is not None:
            self.gate(request)
        if "%" in request.target:
            request.path  # noqa: B018  # each handler of the original reads it first, and fails on a broken escape
        if self._inference is not None:
            for _, pattern, function in INFERENCE:
                if pattern.fullmatch(request.target):
                    return await function(self._inference, request)
        if self._adapters is not None and TARGET.fullmatch(request.target):
            return self._adapters.answer(request)
        if self._management is not None and MANAGED.fullmatch(request.target):
            # A client that leaves must not break off a load or a scaling half-way.
            work = asyncio.ensure_future(self._manage(request))
            work.add_done_callback(lambda task: task.cancelled() or task.exception())
            return await asyncio.shield(work)
        if request.method == "OPTIONS" and request.path == "/":
            return json_response({})
        if self._plugins is not None and (response := self._plugins.answer(request)):
            return response
        raise ApiError.no_resource()

    async def _manage(self, request: Request) -> Response:
        path = "/".join(request.segments)
        for method, pattern, function in MANAGEMENT:
            if method == request.method and pattern.fullmatch(path):
                return await function(self._management, request)
        raise ApiError.no_method()
