"""The inference API: `/ping`, `/predictions`, `/invocations`, and asynchronous answers."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import replace

from rehearsal.server.api.answers import CUSTOM_ATTRIBUTES, NEXT_TOKEN, STARTING_TOKEN, Answers
from rehearsal.server.config import ServerConfig
from rehearsal.server.errors import ApiError
from rehearsal.server.java import parse_boolean, parse_int
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.info import FAILED, PENDING
from rehearsal.server.models.registry import Entry, Registry
from rehearsal.server.wire.requests import Request, handler_message
from rehearsal.server.wire.responses import Response, json_response, reply_response
from rehearsal.server.workers.codec import Reply
from rehearsal.server.workers.jobs import Job, Message


class Inference:
    """Answers requests for predictions."""

    def __init__(self, registry: Registry, config: ServerConfig, log: ServerLog) -> None:
        self._registry, self._config, self._log = registry, config, log
        self._allow_override = parse_boolean(config.environ.get("ALLOW_REQUEST_HANDLER_OVERRIDE"))
        self._answers = Answers()
        self._running: set[asyncio.Task[None]] = set()

    async def ping(self, _: Request) -> Response:
        """The health of all models; 500 when one failed."""
        states = {
            name: entry.health for name, endpoint in self._registry.endpoints.items() for entry in endpoint.entries
        }
        body = {name: {"status": health} for name, health in states.items()}
        if FAILED in states.values():
            self._log.info("InferenceRequestHandler", f"PING FAILED: {json.dumps(body, separators=(',', ':'))}")
            return json_response(body, 500)
        pending = PENDING in states.values() and self._config.allow_multi_status
        return json_response(body, 207 if pending else 200)

    async def predictions(self, request: Request) -> Response:
        """`/predictions/{model}[/{version}]`."""
        segments = request.segments
        if len(segments) < 3:
            raise ApiError.no_resource()
        version = segments[3] if len(segments) > 3 and segments[3] else None
        return await self._predict(request, await self._message(request), segments[2], version)

    async def invoke(self, request: Request) -> Response:
        """`/models/{name}/invoke`."""
        return await self._invoke(request, request.segments[2])

    async def invocations(self, request: Request) -> Response:
        """`/invocations`; the request or the store tells the name."""
        return await self._invoke(request, None)

    async def _invoke(self, request: Request, name: str | None) -> Response:
        message = await self._message(request)
        name = name or request.parameter("model_name")
        if not name:  # an empty header or field counts as a name, an empty parameter does not
            name = _property(message, "model_name")
            name = _field(message, "model_name") if name is None else name
        if name is None:
            name = self._registry.only_startup_model()
        if name is None:
            raise ApiError.bad_request("Parameter model_name is required.")
        version = request.parameter("model_version")
        if version is None:
            version = _property(message, "model_version")
        return await self._predict(request, message, name, version)

    async def _message(self, request: Request) -> Message:
        return await handler_message(request, allow_override=self._allow_override)

    async def _predict(self, request: Request, message: Message, name: str, version: str | None) -> Response:
        token = _property(message, STARTING_TOKEN)
        if token is not None and request.method != "OPTIONS":
            limit = _property(message, "x-max-items")
            return reply_response(self._answers.get(token, -1 if limit is None else parse_int(limit)))
        entry = self._registry.find(name, version, rotate=True)
        if entry is None:
            raise ApiError.no_model(f"Model or workflow not found: {name}")
        if request.method == "OPTIONS":
            return json_response({})
        job = Job(message)
        synchronous = _property(message, "x-synchronous")
        if synchronous is not None and not parse_boolean(synchronous):
            return self._start(entry, job)
        response = reply_response(await self._run(entry, job))
        self._log.count(f"Response_{response.status // 100}XX")
        return response

    async def _run(self, entry: Entry, job: Job) -> Reply:
        try:
            await entry.pool.submit(job)
            return await job.result
        except ApiError as error:
            if error.status == 503:
                self._log.warn("InferenceRequestHandler", str(error.message))
            elif error.status >= 500:
                self._log.warn("InferenceRequestHandler", f"Unexpected error\n{error}")
            raise

    # --- asynchronous answers (header x-synchronous, of any value but true)

    def _start(self, entry: Entry, job: Job) -> Response:
        token = str(uuid.uuid4())
        properties = {NEXT_TOKEN: token, CUSTOM_ATTRIBUTES: f"{NEXT_TOKEN}={token}"}
        self._answers.put(token, Reply(202, "The model result is not yet available", properties))
        task = asyncio.get_running_loop().create_task(self._finish(entry, job, token))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return reply_response(Reply(200, "OK", properties))

    async def _finish(self, entry: Entry, job: Job, token: str) -> None:
        try:
            reply = await self._run(entry, job)
            self._answers.put(token, replace(reply, pieces=None))
            if reply.pieces is not None:
                async for piece in reply.pieces:
                    self._answers.add(token, piece)
                self._answers.end(token)
        except ApiError as error:
            self._answers.put(token, Reply(500, error.causes[0]))  # with its Java class, as the original stores it
        except Exception as error:  # else it would be on its way for ever
            self._answers.put(token, Reply(500, f"java.lang.RuntimeException: {error!r}"))


def _field(message: Message, name: str) -> str | None:
    data = next((data for key, data in message.contents if key == name), None)
    if isinstance(data, list):  # of a large one the beginning: no model has such a name, and the error repeats it
        data = data[0]
    return None if data is None else data.decode("utf-8", "replace")


def _property(message: Message, name: str) -> str | None:
    return next((value for key, value in message.properties.items() if key.lower() == name), None)
