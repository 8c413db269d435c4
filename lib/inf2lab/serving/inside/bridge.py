"""The old requests, answered by vLLM: a middleware for the weeks in which clients move.

`vllm serve ... --middleware bridge.Bridge` with this one file's folder on PYTHONPATH; it needs nothing but Python. It
takes POST /predictions/NAME and /invocations in the article's form and in that of DJLServing's own handler, asks
vLLM's /tokenize and /v1/completions in the same process, and answers in the old form. Everything else passes by.

BRIDGE_SAMPLING is JSON of the fields that each request begins with: what the old handler sampled by, as in
'{"temperature": 1, "top_k": 50}' (transformers-neuronx's `sample`) or '{"temperature": 0}' (greedy). One field in it is
not vLLM's: "end_forbidden" says whether the article's texts never ended early; so it was, but for Llama's family.
"stream": true says that the old handler answered in pieces: JSON lines, each with the new piece of every row.

What it cannot do is said in `LIMITS`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LIMITS = (
    "A text ends where the model ends it, on a server that ignores min_tokens: the Neuron plugins do.",
    "Prompts of any number are taken; the old handler refused all but its batch size.",
    "Prompts of a batch are not padded on the left: drawn text differs, the length does not.",
    "A stream's lines have pieces of text only: no token ids, no log probabilities.",
    "Asynchronous answers, forms and files are not translated.",
    "/models, the management API and DJLServing's metrics are not there: /health, /v1/models and /metrics are.",
)
# What DJLServing's handler calls it, and what vLLM does. `max_length` counts the prompt and is not one of them.
SAME = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "stop", "n", "logit_bias")
RENAMED = {"max_new_tokens": "max_tokens", "min_new_tokens": "min_tokens", "stop_sequences": "stop"}
GREEDY = ("do_sample", "use_sample")


class Refused(Exception):
    """What the old server would have refused, or vLLM has: the status and what is said."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Bridge:
    """The ASGI application `app`, with the old server's two ways in."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer an old request; pass on whatever is none."""
        if scope["type"] != "http" or scope["method"] != "POST" or not _is_old(scope["path"]):
            await self.app(scope, receive, send)
            return
        raw = await _whole(receive)
        body = _json(raw)
        if scope["path"] == "/invocations" and not _has_old_form(body):  # vLLM has this route too
            await self.app(scope, _again(raw, receive), send)
            return
        try:
            request = await self._request(scope, body)
            if request.get("stream"):
                await self._stream(scope, request, receive, send)
                return
            found = await self._ask(scope, "/v1/completions", request)
            texts = [choice["text"] for choice in found["choices"]]
            answer, status = old_answer(body, prompts_of(body), texts), 200
        except Refused as error:
            answer, status = _error(error.status, str(error)), error.status
        await _send(send, status, answer)

    async def _request(self, scope: Message, body: Any) -> dict[str, Any]:
        name = scope["path"].removeprefix("/predictions/") if scope["path"].startswith("/predictions/") else None
        if not _has_old_form(body):
            raise Refused(424, "no JSON object with `text` and `seq_length`, or with `inputs`")
        lengths = await asyncio.gather(*(self._count(scope, name, text) for text in prompts_of(body)))
        request = completion(body, lengths, json.loads(os.environ.get("BRIDGE_SAMPLING", "{}")))
        return request if name is None else request | {"model": name}

    async def _count(self, scope: Message, name: str | None, text: str) -> int:
        request = {"prompt": text} if name is None else {"prompt": text, "model": name}
        return (await self._ask(scope, "/tokenize", request))["count"]

    async def _ask(self, scope: Message, path: str, body: Any) -> Any:
        """Return the JSON that vLLM answers on a route of its own; raises Refused with vLLM's words."""
        status, parts = 500, list[bytes]()

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))

        raw = json.dumps(body).encode()
        await self.app(_inner(scope, path, raw), _again(raw, None), send)
        if status != 200:
            raise _refusal(status, b"".join(parts))
        return _json(b"".join(parts))

    async def _stream(self, scope: Message, body: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer with a JSON line for each piece that vLLM writes; raises Refused before the first one."""
        status, parts, rows = 0, list[bytes](), len(body["prompt"]) * body.get("n", 1)

        async def pass_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status == 200:
                    headers = [(b"content-type", b"application/jsonlines")]
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                return
            parts.append(message.get("body", b""))
            if status == 200:
                *events, rest = b"".join(parts).split(b"\n\n")
                parts[:] = [rest]
                lines = b"".join(_line(event, rows) for event in events)
                more = message.get("more_body", False)
                await send({"type": "http.response.body", "body": lines, "more_body": more})

        raw = json.dumps(body).encode()
        await self.app(_inner(scope, "/v1/completions", raw), _again(raw, receive), pass_on)
        if status != 200:
            raise _refusal(status, b"".join(parts))


def prompts_of(body: dict[str, Any]) -> list[str]:
    """Return the prompts of an old request, one a row; raises Refused."""
    prompts = body["text"] if "text" in body else body["inputs"]
    prompts = [prompts] if isinstance(prompts, str) else prompts
    if not isinstance(prompts, list) or not prompts or not all(isinstance(text, str) for text in prompts):
        raise Refused(424, "the prompts must be a text or a list of texts")
    return prompts


def completion(body: dict[str, Any], lengths: Sequence[int], sampling: dict[str, Any]) -> dict[str, Any]:
    """Return the body for /v1/completions that gives the old answer, from the prompts' lengths in tokens.

    `seq_length` and `max_length` count prompt and answer, and the prompts were filled up to the longest. The article's
    texts do not end before that where the end of text is forbidden, which `min_tokens` does in vLLM.
    """
    request = {**sampling, "prompt": prompts_of(body)}
    whole = request.pop("end_forbidden", True)
    if body.get("stream") is True:
        request["stream"] = True
    if "text" in body:
        left = _left("seq_length", body["seq_length"], lengths)
        return {**request, "max_tokens": left, **({"min_tokens": left} if whole else {})}
    given = body.get("parameters") or {}
    if not isinstance(given, dict):
        raise Refused(424, "`parameters` must be an object")
    request.update((RENAMED.get(name, name), given[name]) for name in (*SAME, *RENAMED) if name in given)
    if any(given.get(name) is False for name in GREEDY):
        request["temperature"] = 0
    if "max_length" in given and "max_tokens" not in request:
        request["max_tokens"] = _left("max_length", given["max_length"], lengths)
    unknown = sorted(set(given) - {*SAME, *RENAMED, *GREEDY, "max_length", "return_full_text"})
    if unknown:
        raise Refused(424, f"vLLM has no field for {', '.join(unknown)}: leave it out of `parameters`")
    return request


def old_answer(body: dict[str, Any], prompts: Sequence[str], texts: Sequence[str]) -> Any:
    """Return the old answer: prompt and text together, in the shape of the handler that the request was meant for."""
    each = len(texts) // len(prompts)
    whole = [prompts[place // each] + text for place, text in enumerate(texts)]
    if "text" in body:
        return {"outputs": whole}
    if (body.get("parameters") or {}).get("return_full_text") is False:
        whole = list(texts)
    return [{"generated_text": text} for text in whole]


def _inner(scope: Message, path: str, raw: bytes) -> Message:
    """The request as vLLM is asked: another route, another body, the client's own further headers."""
    headers = [pair for pair in scope["headers"] if pair[0] not in (b"content-length", b"content-type")]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(raw)).encode())]
    return {**scope, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}


def _refusal(status: int, raw: bytes) -> Refused:
    found = _json(raw)
    error = found.get("error", found) if isinstance(found, dict) else {}
    message = error.get("message", "") if isinstance(error, dict) else str(error)
    return Refused(404 if status == 404 else 424 if status < 500 else status, message)


def _line(event: bytes, rows: int) -> bytes:
    """One of vLLM's events as a line of the old stream: the piece in its row's place; nothing for the last event."""
    found = _json(event.removeprefix(b"data: "))
    pieces = [""] * rows
    for choice in found.get("choices", ()) if isinstance(found, dict) else ():
        pieces[choice["index"]] = choice["text"]
    return json.dumps({"outputs": pieces}, ensure_ascii=False).encode() + b"\n" if any(pieces) else b""


def _is_old(path: str) -> bool:
    return path.startswith("/predictions/") or path == "/invocations"


def _has_old_form(body: Any) -> bool:
    return isinstance(body, dict) and (("text" in body and "seq_length" in body) or "inputs" in body)


def _left(name: str, total: Any, lengths: Sequence[int]) -> int:
    """What a length that counts the prompts leaves for an answer; raises Refused."""
    if not isinstance(total, int) or isinstance(total, bool) or total <= max(lengths):
        raise Refused(424, f"{name} {total!r} leaves no room after {max(lengths)} tokens of prompt")
    return total - max(lengths)


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _error(status: int, message: str) -> dict[str, Any]:
    """The error body of DJLServing: of its handler, or of the server where no model has that name."""
    if status == 404:
        return {"code": 404, "type": "ModelNotFoundException", "message": message}
    return {"code": status, "message": "prediction failure", "error": message}


async def _whole(receive: Receive) -> bytes:
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    return b"".join(parts)


def _again(raw: bytes, receive: Receive | None) -> Receive:
    """Return a `receive` that gives a body that was read already, then what `receive` gives, or waits for ever."""
    given: list[bool] = []

    async def next_message() -> Message:
        if not given:
            given.append(True)
            return {"type": "http.request", "body": raw, "more_body": False}
        while receive is None:
            await asyncio.Event().wait()  # the client of an inner request does not leave
        return await receive()

    return next_message


async def _send(send: Send, status: int, answer: Any) -> None:
    raw = json.dumps(answer, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(raw)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})
