"""The management API: register, list, describe, scale and unregister models; `/workflows` as far as models go."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.server.config import ServerConfig
from rehearsal.server.errors import JAVA_PACKAGES, ApiError
from rehearsal.server.gson import EmptyError, Reader
from rehearsal.server.java import as_int, parse_boolean, parse_int
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.info import READY, Registration, folder_of, model_name
from rehearsal.server.models.registry import Entry, Registry, describe
from rehearsal.server.switches import Switch
from rehearsal.server.uris import read_uri
from rehearsal.server.wire.requests import Request, SendLate
from rehearsal.server.wire.responses import Response, error_response, json_response, status_response
from rehearsal.server.workers.codec import Data, size_of, whole
from rehearsal.server.workers.refusals import not_ready_to_scale

MOST_BYTES = 2**16  # of a JSON body that says of a model what to load
MOST_WORKERS = 16  # that a request may ask for
NO_URL = "Parameter url is required."
TEXTS = ("url", "model_name", "model_version", "device", "engine")  # of a POST
NUMBERS = ("job_queue_size", "batch_size", "max_batch_delay", "max_idle_time", "min_worker", "max_worker")
PAGE = 100  # entries of a list, unless fewer are asked for


@dataclass(frozen=True)
class Page:
    """The slice of a list that a request asks for."""

    start: int
    end: int

    @classmethod
    def of(cls, request: Request, size: int) -> Page:
        """Limit and token by the original's rules: a limit under 0 or over 100 means 100."""
        limit = parse_int(request.parameter("limit") or str(PAGE))
        start = parse_int(request.parameter("next_page_token") or "0")
        limit = limit if 0 <= limit <= PAGE else PAGE
        start = max(start, 0)
        return cls(start, as_int(start + limit))


class Management:
    """Answers requests about models."""

    def __init__(self, registry: Registry, config: ServerConfig, log: ServerLog) -> None:
        self._registry, self._config, self._log = registry, config, log
        self._loading: set[asyncio.Task[None]] = set()

    async def list_models(self, request: Request) -> Response:
        """`GET /models`."""
        names = sorted(self._registry.endpoints)
        page = Page.of(request, len(names))
        body: dict[str, object] = {"nextPageToken": str(page.end)} if page.end < len(names) else {}
        body["models"] = [
            _list(entry, name)
            for name in names[page.start : page.end]
            for entry in self._registry.endpoints[name].entries
        ]
        return json_response(body)

    async def list_workflows(self, request: Request) -> Response:
        """`GET /workflows`: each model is one."""
        names = sorted(self._registry.endpoints)
        page = Page.of(request, len(names))
        body: dict[str, object] = {"nextPageToken": str(min(page.end, len(names)))}
        body["workflows"] = [
            {"workflowName": name} | ({"version": entry.model.version} if entry.model.version else {})
            for name in names[page.start : page.end]
            for entry in self._registry.endpoints[name].entries
        ]
        return json_response(body)

    async def describe(self, request: Request) -> Response:
        """`GET /models/{name}[/{version}]`."""
        name, version = _named(request)
        endpoint = self._registry.endpoints.get(name)
        if endpoint is None:
            raise ApiError.no_model(f"Workflow not found: {name}")
        entries = endpoint.named(version)
        if not entries:
            raise ApiError.no_model(f"Workflow not found: Workflow not found: {name}/{version}")
        return json_response([describe(entry, name, at_startup=name in self._registry.startup) for entry in entries])

    async def scale(self, request: Request) -> Response:
        """`PUT /models/{name}[/{version}]`: other numbers of workers."""
        try:
            return await self._scale(request)
        except ApiError as error:
            if JAVA_PACKAGES.get(error.java_type, "").startswith("java."):  # a checked one comes in a wrapper
                raise ApiError(500, "CompletionException", error.message) from error
            if error.java_type != "NumberFormatException":
                raise
            text = str(error.message)
            raise ApiError.bad_request(text, reason=f"parameter is invalid number.{text}") from error

    async def _scale(self, request: Request) -> Response:
        name, version = _named(request)
        low = parse_int(request.parameter("min_worker") or "-1")
        high = parse_int(request.parameter("max_worker") or "-1")
        endpoint = self._registry.endpoints.get(name)
        found = endpoint.named(version) if endpoint else []
        if not found:
            raise ApiError.no_model(f"Model or workflow not found: {name}")
        self._check_workers(low, high)
        said = []
        for entry in found:  # all versions, when none is named
            if entry.model.status != READY:
                raise not_ready_to_scale(name)
            if device_name := request.parameter("device"):
                await self._registry.load_on(entry, device_name, low, high)
            else:
                for device in list(entry.pool.groups):
                    await entry.pool.scale(device, low, high)
            said.append(
                f'Workflow "{name}" worker scaled. New Worker configuration min workers:{low} max workers:{high}'
            )
        return status_response("\n".join(said))

    async def unregister(self, request: Request) -> Response:
        """`DELETE /models/{name}[/{version}]`."""
        name, version = _named(request)
        if not self._registry.remove(name, version):
            raise ApiError.no_model(f"Model or workflow not found: {name}")
        return status_response(f'Model or workflow "{name}" unregistered')

    async def register(self, request: Request) -> Response:
        """`POST /models`; answered when the model is loaded, or at once and again if that fails."""
        as_java = Switch.JSON_ERRORS_ARE_JAVAS in self._config.original
        wanted, synchronous = await asyncio.to_thread(_registration, request, as_java=as_java)
        self._check_url(wanted.url)
        self._check_workers(wanted.min_workers, wanted.max_workers)
        entry = self._registry.add(wanted)
        if not synchronous:
            self._spawn(self._load_late(entry, request.send_late))
            return status_response(f'Model "{wanted.name}" registration scheduled.', 202)
        await asyncio.shield(self._spawn(self._load_or_forget(entry)))  # it goes on when the client leaves
        return status_response(f'Model "{wanted.name}" registered.')

    async def register_workflow(self, request: Request) -> Response:
        """`POST /workflows`, as far as it is rehearsed: not."""
        url = request.parameter("url")
        if url is None:
            raise ApiError.bad_request(NO_URL)
        if read_uri(url).scheme is None:
            raise ApiError.illegal_argument("URI is not absolute")
        text = "workflow definitions are not rehearsed; register each model with POST /models?url=..."
        raise ApiError.bad_request(text)

    async def _load_or_forget(self, entry: Entry) -> None:
        """Loads a model; one that does not load leaves nothing, whatever the reason."""
        try:
            await self._registry.load(entry)
        except BaseException as error:
            self._log.error("ManagementRequestHandler", f"{entry.model.name} did not load: {error}")
            self._registry.remove(entry.model.name, entry.model.version)
            raise

    async def _load_late(self, entry: Entry, send: SendLate) -> None:
        """Loads after the 202; a failure goes to the same connection as a second, unasked answer."""
        try:
            await self._registry.load(entry)
        except ApiError as error:
            self._log.error("ManagementRequestHandler", f"{entry.model.name} did not load: {error}")
            await send(error_response(error))

    def _check_url(self, url: str) -> None:
        """Refuses what lies outside the model store: a model folder is code, and would be run."""
        store = self._config.model_store
        if self._config.allow_any_url:
            return
        path = Path(folder_of(url)).resolve()
        if store is None or not path.is_relative_to(store.resolve()):
            text = f"{url} is outside the model store {store}; start the server with --allow-any-url to permit it"
            raise ApiError.bad_request(text)

    def _check_workers(self, *asked: int) -> None:
        """Refuses more workers than a laptop bears."""
        if max(asked) > MOST_WORKERS and Switch.WORKERS_UNLIMITED not in self._config.original:
            text = f"{max(asked)} workers: at most {MOST_WORKERS} are started by a request; --strict on has no limit"
            raise ApiError.bad_request(text)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._loading.add(task)
        task.add_done_callback(self._loading.discard)
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # else asyncio complains of it
        return task


def _named(request: Request) -> tuple[str, str | None]:
    """The name and version in a path."""
    _, _, name, *version = request.segments
    return name, version[0] if version else None


def _list(entry: Entry, name: str) -> dict[str, object]:
    version = {"version": entry.model.version} if entry.model.version is not None else {}
    return {"modelName": name, **version, "modelUrl": entry.model.url, "status": entry.model.status}


@dataclass
class _Said:
    """What a POST says of a model, by the names of its parameters."""

    texts: dict[str, str | None] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    synchronous: bool = True


def _registration(request: Request, *, as_java: bool) -> tuple[Registration, bool]:
    """What a POST asks for, and whether it waits. Parameters of the query, or the keys of a JSON body."""
    kind = (request.header("content-type") or "").split(";")[0].lower()
    said = _said_in_json(request.body, as_java=as_java) if kind == "application/json" else _said_in_query(request)
    texts, numbers = said.texts, said.numbers
    name, url = texts.get("model_name"), texts.get("url")
    if url is None or name is None:
        raise ApiError(500, "NullPointerException", None)
    wanted = Registration(
        name,
        url,
        version=texts.get("model_version"),
        engine=texts.get("engine"),
        devices=texts.get("device"),
        job_queue_size=numbers.get("job_queue_size", -1),
        batch_size=numbers.get("batch_size", -1),
        max_batch_delay_ms=numbers.get("max_batch_delay", -1),
        max_idle_time_s=numbers.get("max_idle_time", -1),
        min_workers=numbers.get("min_worker", -1),
        max_workers=numbers.get("max_worker", -1),
    )
    return wanted, said.synchronous


def _said_in_query(request: Request) -> _Said:
    texts = {key: request.parameter(key) for key in TEXTS}
    if texts["url"] is None:
        raise ApiError.bad_request(NO_URL)
    texts["model_name"] = texts["model_name"] or model_name(texts["url"])
    numbers = {key: parse_int(request.parameter(key) or "-1") for key in NUMBERS}
    return _Said(texts, numbers, parse_boolean(request.parameter("synchronous") or "true"))


def _said_in_json(body: Data, *, as_java: bool) -> _Said:
    if (size := size_of(body)) > MOST_BYTES:
        raise ApiError.bad_request(f"the JSON body has {size} bytes, and no model takes more than {MOST_BYTES}")
    try:
        said = _read_json(whole(body))
    except ApiError as error:
        if as_java:
            raise
        raise ApiError.bad_request(f"Malformed JSON body: {error.message}") from error
    url = said.texts.get("url")
    if url is None:
        text = 'Cannot invoke "String.startsWith(String)" because "link" is null'
        raise ApiError(500, "NullPointerException", text) if as_java else ApiError.bad_request(NO_URL)
    read_uri(url)
    return said


def _read_json(body: bytes) -> _Said:
    said, reader = _Said(), Reader(body.decode("utf-8", "replace"))
    try:
        for name in reader.members():
            if name in TEXTS:
                said.texts[name] = reader.string()
            elif name in NUMBERS:
                number = reader.integer()
                said.numbers[name] = said.numbers.get(name, -1) if number is None else number
            elif name == "synchronous":
                flag = reader.boolean()
                said.synchronous = said.synchronous if flag is None else flag
            else:
                reader.skip()
    except EmptyError:
        text = 'Cannot invoke "ai.djl.serving.http.LoadModelRequest.getModelUrl()" because "req" is null'
        raise ApiError(500, "NullPointerException", text) from None
    return said
