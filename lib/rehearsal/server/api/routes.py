"""The routes of both APIs, in one table."""

from __future__ import annotations

import asyncio
import re

from rehearsal.server.api.inference import Inference
from rehearsal.server.api.management import Management
from rehearsal.server.errors import ApiError
from rehearsal.server.wire.http import Connection
from rehearsal.server.wire.requests import Request
from rehearsal.server.wire.responses import Response, json_response

# Matched on the target as it was sent, before %-escapes are read, as in the original.
INFERENCE = re.compile(r"/(ping|invocations|predictions)([/?].*)?|/models/.+/invoke", re.DOTALL)
MANAGEMENT = re.compile(r"/(models|workflows)([/?].*)?", re.DOTALL)


class App:
    """Answers the requests of one listener; None for an API that it does not serve."""

    def __init__(self, inference: Inference | None, management: Management | None) -> None:
        self._inference, self._management = inference, management

    async def __call__(self, request: Request, connection: Connection) -> Response:
        """The answer to a request. Raises ApiError for what becomes an error body."""
        target = request.target
        if self._inference is not None and (match := INFERENCE.fullmatch(target)):
            return await self._infer(request, match[1])
        if self._management is not None and MANAGEMENT.fullmatch(target):
            # A client that leaves must not break off a load or a scaling half-way.
            work = asyncio.ensure_future(self._management.handle(request, connection.send))
            work.add_done_callback(lambda task: task.cancelled() or task.exception())
            return await asyncio.shield(work)
        if request.method == "OPTIONS" and request.path == "/":
            return json_response({})
        raise ApiError.no_resource()

    async def _infer(self, request: Request, route: str | None) -> Response:
        assert self._inference is not None
        if route == "ping":
            return self._inference.ping()
        if route == "predictions":
            return await self._inference.predictions(request)
        name = None if route == "invocations" else request.segments[2]
        return await self._inference.invocations(request, name)
