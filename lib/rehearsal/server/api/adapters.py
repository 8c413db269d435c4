"""The adapters' API as a server without its preview answers: no model has one, and none can be registered."""

from __future__ import annotations

import re

from rehearsal.server.api.management import Page
from rehearsal.server.config import ServerConfig
from rehearsal.server.errors import ApiError
from rehearsal.server.java import DOT, parse_boolean
from rehearsal.server.models.registry import Registry
from rehearsal.server.wire.requests import Request
from rehearsal.server.wire.responses import Response, json_response

TARGET = re.compile(rf"/models/[^/^?]+/adapters([/?]{DOT}*)?")  # as it was sent


class Adapters:
    """Answers requests about adapters."""

    def __init__(self, registry: Registry, config: ServerConfig) -> None:
        self._registry = registry
        self._preview = parse_boolean(config.environ.get("ENABLE_ADAPTERS_PREVIEW"))

    def answer(self, request: Request) -> Response:
        """`/models/{name}/adapters[/{adapter}]`. Raises ApiError for whatever needs an adapter."""
        _, _, name, *_ = segments = request.segments
        match request.method, segments[4:]:
            case "GET", []:
                self._check(name)
                end = Page.of(request, 0).end
                return json_response(({"nextPageToken": str(end)} if end < 0 else {}) | {"adapters": []})
            case "POST", []:
                raise self._refusal(request, name)
            case "GET", [adapter, *_]:
                self._check(name)
                raise ApiError.bad_request(f"The adapter {adapter} was not found")
            case "DELETE", [adapter, *_]:
                self._check(name)
                text = f"The adapter {adapter} was not found and therefore can't be unregistered"
                raise ApiError.illegal_argument(text)
        raise ApiError.no_method()

    def _refusal(self, request: Request, name: str) -> ApiError:
        for key in ("name", "src"):
            if not request.parameter(key):
                return ApiError.bad_request(f"The parameter {key} is required")
        self._check(name)
        if self._preview:
            return ApiError.bad_request("adapters are not rehearsed")
        return ApiError(500, "IllegalStateException", "Adapters preview is not enabled")

    def _check(self, name: str) -> None:
        if self._registry.find(name) is None:
            raise ApiError.bad_request(f"The model {name} was not found")
