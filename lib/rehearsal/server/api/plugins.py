"""What the server of an instance's image answers beside its two APIs: KServe's routes, and a page at `/`.

They are plugins of DJLServing, which its image and its distribution have, and the recorded server had not. A health
probe may rest on them.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from rehearsal.server.errors import ApiError
from rehearsal.server.java import DOT
from rehearsal.server.models.info import FAILED, PENDING, READY, ModelInfo
from rehearsal.server.models.registry import Entry, Registry
from rehearsal.server.wire.requests import Request
from rehearsal.server.wire.responses import Response, json_response

PAGES = re.compile(r"/(console/)?(index\.html)?")
CONSOLE = re.compile(r"/console/api/.*", re.DOTALL)
KSERVE = re.compile(rf"/v2/{DOT}+")
PAGE = b"""<!DOCTYPE html>
<html><head><title>Rehearsal of DJLServing</title></head>
<body><p>DJLServing shows its console here. The rehearsal has none: ask /ping and /models.</p></body></html>
"""
NO_BLOCK = 'Cannot invoke "ai.djl.nn.Block.describeInput()" because "this.block" is null'  # a Python model has none


class Plugins:
    """Answers what is a plugin's route."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def answer(self, request: Request) -> Response | None:
        """The answer, or None for what is no route."""
        if KSERVE.fullmatch(request.target):
            try:
                return self._kserve(request)
            except ApiError as error:
                return json_response({"error": error.message}, error.status if error.status in (404, 405, 501) else 500)
        if CONSOLE.fullmatch(request.target) and len(request.segments) == 3:  # its own paths are not rehearsed
            raise ApiError(500, "ArrayIndexOutOfBoundsException", "Index 3 out of bounds for length 3")
        if request.method == "GET" and PAGES.fullmatch(request.path):
            return Response(200, "OK", [("content-type", "text/html")], PAGE)
        return None

    def _kserve(self, request: Request) -> Response:
        match request.segments:
            case [_, _, "models", name] | [_, _, "models", name, "version", _] if _is_get(request):
                if any(model.status == READY for model in self._models(name, _version(request))):
                    raise ApiError(500, "NullPointerException", NO_BLOCK)
                raise _not_found(request, name)
            case [_, _, "health", "live" | "ready"] if _is_get(request):
                states = {entry.health for end in self._registry.endpoints.values() for entry in end.entries}
                return _empty(not states & {FAILED, PENDING})
            case [_, _, "models", name, "ready"] | [_, _, "models", name, "version", _, "ready"] if _is_get(request):
                return _empty(self._entry(request, name).model.status == READY)
            case [_, _, "models", _, *_, "infer"]:
                if request.method != "POST":
                    raise ApiError.no_method()
                raise ApiError(501, "NotRehearsed", "KServe's tensors are not rehearsed: ask /predictions/{model}")
            case [_, _]:
                raise ApiError(500, "ArrayIndexOutOfBoundsException", "Index 2 out of bounds for length 2")
        raise ApiError(500, "ResourceNotFoundException", ApiError.no_resource().message)

    def _models(self, name: str, version: str | None) -> list[ModelInfo]:
        """The versions of a model, or the one that is named so; one without a version has no name here."""
        endpoint = self._registry.endpoints.get(name)
        models = [entry.model for entry in endpoint.entries] if endpoint else []
        return [model for model in models if version in (None, model.version)]

    def _entry(self, request: Request, name: str) -> Entry:
        entry = self._registry.find(name, _version(request))
        if entry is None:
            raise _not_found(request, name)
        return entry


def _version(request: Request) -> str | None:
    return request.segments[5] if "version" in request.segments[4:5] else None


def _not_found(request: Request, name: str) -> ApiError:
    version = _version(request)
    return ApiError.no_model(f"Model not found: {name}{f'/{version}' if version else ''}")


def _is_get(request: Request) -> bool:
    if request.method != "GET":
        raise ApiError.no_method()
    return True


def _empty(is_well: bool) -> Response:
    status = HTTPStatus.OK if is_well else HTTPStatus.FAILED_DEPENDENCY
    return Response(status, status.phrase, [("content-type", "application/json")], b"\n")
