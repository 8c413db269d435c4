"""The bridge before a played vLLM: old requests in, old answers out, and everything else passes by."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from typing import Any

import pytest

from inf2lab.serving import bridge_file

FILE = bridge_file()


@pytest.fixture(scope="module")
def bridge() -> Any:
    """The file, as vLLM imports it: by its own name."""
    spec = importlib.util.spec_from_file_location("bridge", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class PlayedVllm:
    """What the bridge needs of vLLM: a word is a token, and a completion says how it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        body = json.loads(message["body"] or b"null") if scope["method"] == "POST" else None
        assert int(dict(scope["headers"]).get(b"content-length", len(message["body"]))) == len(message["body"])
        self.asked.append((scope["path"], body))
        status, answer = 200, self.answer(scope["path"], body)
        if "error" in answer:
            status = answer["error"]["code"]
        await send({"type": "http.response.start", "status": status, "headers": []})
        for part in (json.dumps(answer)[:5], json.dumps(answer)[5:]):  # in two pieces, as any server may
            await send({"type": "http.response.body", "body": part.encode(), "more_body": True})

    def answer(self, path: str, body: Any) -> Any:
        if isinstance(body, dict) and body.get("model", "opt13b") != "opt13b":
            return {"error": {"message": f"The model `{body['model']}` does not exist.", "code": 404}}
        if path == "/tokenize":
            return {"count": len(body["prompt"].split())}
        if path == "/v1/completions":
            if body.get("max_tokens", 0) > 100:
                return {"error": {"message": "max_tokens is too large: 100", "code": 400}}
            prompts = [body["prompt"]] if isinstance(body["prompt"], str) else body["prompt"]
            return {"choices": [{"text": f" [{place}]"} for place in range(len(prompts) * body.get("n", 1))]}
        return {"passed": path}


def ask(bridge: Any, path: str, body: Any, *, method: str = "POST") -> tuple[int, Any, list[tuple[str, Any]]]:
    """Status, JSON and what vLLM was asked."""
    vllm, sent = PlayedVllm(), []
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    parts = [
        {"type": "http.request", "body": raw[:4], "more_body": True},
        {"type": "http.request", "body": raw[4:], "more_body": False},
    ]

    async def receive() -> Any:
        return parts.pop(0) if len(parts) > 1 else {**parts[0], "body": parts[0]["body"]}

    async def send(message: Any) -> None:
        sent.append(message)

    if method != "POST" or path.startswith("/v1"):  # passes by: the played vLLM reads one message
        parts[:] = [{"type": "http.request", "body": raw, "more_body": False}]
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(raw)).encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}
    asyncio.run(bridge.Bridge(vllm)(scope, receive, send))
    text = b"".join(message.get("body", b"") for message in sent).decode()
    return sent[0]["status"], json.loads(text), vllm.asked


def test_the_article_s_request_gives_the_article_s_answer_of_the_old_length(bridge: Any) -> None:
    body = {"seq_length": 10, "text": ["one two three", "one"]}
    status, answer, asked = ask(bridge, "/predictions/opt13b", body)
    assert (status, answer) == (200, {"outputs": ["one two three [0]", "one [1]"]})
    # Shorter prompts were filled up to the longest: both gain what that leaves, and no end of text before.
    assert asked[-1] == (
        "/v1/completions",
        {"model": "opt13b", "prompt": body["text"], "max_tokens": 7, "min_tokens": 7},
    )


def test_a_llama_s_text_may_end_early_as_it_did(bridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_SAMPLING", '{"temperature": 0, "end_forbidden": false}')
    _, _, asked = ask(bridge, "/predictions/opt13b", {"seq_length": 4, "text": ["one"]})
    assert asked[-1][1] == {"model": "opt13b", "prompt": ["one"], "temperature": 0, "max_tokens": 3}


def test_it_samples_as_the_old_handler_did(bridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_SAMPLING", '{"temperature": 1, "top_k": 50}')
    _, _, asked = ask(bridge, "/predictions/opt13b", {"seq_length": 4, "text": ["one"]})
    assert {"temperature": 1, "top_k": 50}.items() <= asked[-1][1].items()


@pytest.mark.parametrize(
    ("parameters", "new"),
    [
        ({}, {}),
        ({"max_new_tokens": 8}, {"max_tokens": 8}),
        ({"max_length": 8}, {"max_tokens": 6}),
        ({"max_length": 8, "max_new_tokens": 3}, {"max_tokens": 3}),
        ({"do_sample": False, "temperature": 0.7}, {"temperature": 0}),
        (
            {"do_sample": True, "temperature": 0.7, "top_k": 3, "top_p": 0.5},
            {"temperature": 0.7, "top_k": 3, "top_p": 0.5},
        ),
        ({"stop_sequences": ["x"], "seed": 3}, {"stop": ["x"], "seed": 3}),
    ],
)
def test_the_built_in_handler_s_fields_are_translated(bridge: Any, parameters: Any, new: Any) -> None:
    status, answer, asked = ask(bridge, "/invocations", {"inputs": "one two", "parameters": parameters})
    assert (status, answer) == (200, [{"generated_text": "one two [0]"}])
    assert asked[-1] == ("/v1/completions", {"prompt": ["one two"], **new})


def test_several_answers_a_prompt_keep_their_order_and_their_prompts(bridge: Any) -> None:
    _, answer, _ = ask(bridge, "/predictions/opt13b", {"inputs": ["a", "b"], "parameters": {"n": 2}})
    assert [row["generated_text"] for row in answer] == ["a [0]", "a [1]", "b [2]", "b [3]"]


def test_an_answer_without_its_prompt_where_that_was_asked(bridge: Any) -> None:
    _, answer, _ = ask(bridge, "/predictions/opt13b", {"inputs": "a", "parameters": {"return_full_text": False}})
    assert answer == [{"generated_text": " [0]"}]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/predictions/nope", {"inputs": "a"}, 404, "The model `nope` does not exist."),
        (
            "/predictions/opt13b",
            {"inputs": "a", "parameters": {"max_new_tokens": 1000}},
            424,
            "max_tokens is too large",
        ),
        ("/predictions/opt13b", {"inputs": "a", "parameters": {"num_beams": 2}}, 424, "no field for num_beams"),
        ("/predictions/opt13b", {"seq_length": 2, "text": ["one two"]}, 424, "leaves no room after 2 tokens"),
        ("/predictions/opt13b", {"seq_length": "9", "text": ["one"]}, 424, "seq_length '9'"),
        ("/predictions/opt13b", {"inputs": "a b", "parameters": {"max_length": 2}}, 424, "max_length 2"),
        ("/predictions/opt13b", {"inputs": []}, 424, "a text or a list of texts"),
        ("/predictions/opt13b", {"inputs": [1]}, 424, "a text or a list of texts"),
        ("/predictions/opt13b", {"prompt": "a"}, 424, "no JSON object with `text`"),
        ("/predictions/opt13b", b"{", 424, "no JSON object"),
        ("/predictions/opt13b", b"\xff", 424, "no JSON object"),
        ("/predictions/opt13b", {"inputs": "a", "parameters": [1]}, 424, "`parameters` must be an object"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_the_old_form(
    bridge: Any, path: str, body: Any, status: int, said: str
) -> None:
    found, answer, _ = ask(bridge, path, body)
    assert (found, answer["code"]) == (status, status)
    assert said in answer.get("error", answer["message"])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/health", b""),
        ("GET", "/predictions/opt13b", b""),
        ("POST", "/v1/chat/completions", {"model": "opt13b", "messages": []}),
    ],
)
def test_what_is_no_old_request_passes_by(bridge: Any, method: str, path: str, body: Any) -> None:
    status, answer, asked = ask(bridge, path, body, method=method)
    assert (status, answer) == (200, {"passed": path})
    assert asked == [(path, body if method == "POST" else None)]


def test_vllm_s_own_invocations_pass_by_with_their_body(bridge: Any) -> None:
    body = {"model": "opt13b", "messages": [{"role": "user", "content": "Hello"}]}
    status, answer, asked = ask(bridge, "/invocations", body)
    assert (status, answer, asked) == (200, {"passed": "/invocations"}, [("/invocations", body)])


def streamed(bridge: Any, body: Any, *, status: int = 200, pieces: Any = ()) -> list[Any]:
    """What the client is sent, of a vLLM that streams these bytes."""
    sent: list[Any] = []
    raw = json.dumps(body).encode()

    async def vllm(scope: Any, receive: Any, send: Any) -> None:
        asked = json.loads((await receive())["body"])
        if scope["path"] == "/tokenize":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": json.dumps({"count": 1}).encode()})
            return
        assert asked["stream"] is True
        await send({"type": "http.response.start", "status": status, "headers": []})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/predictions/opt13b", "headers": [], "query_string": b""}
    asyncio.run(bridge.Bridge(vllm)(scope, receive, send))
    return sent


def event(*texts: tuple[int, str]) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": row, "text": text} for row, text in texts]}).encode() + b"\n\n"


def test_a_stream_is_passed_on_piece_by_piece_in_the_old_lines(bridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM's events may come in any cut: a line goes out as soon as its event is whole, and none for the last."""
    monkeypatch.setenv("BRIDGE_SAMPLING", '{"temperature": 0, "stream": true}')
    whole = event((0, " so"), (1, " it")) + event((1, " is")) + b"data: [DONE]\n\n"
    for cut in (1, 7, len(whole)):
        pieces = [whole[at : at + cut] for at in range(0, len(whole), cut)]
        start, *parts = streamed(bridge, {"inputs": ["a", "b"]}, pieces=pieces)
        assert (start["status"], dict(start["headers"])) == (200, {b"content-type": b"application/jsonlines"})
        lines = b"".join(part["body"] for part in parts).splitlines()
        assert [json.loads(line) for line in lines] == [{"outputs": [" so", " it"]}, {"outputs": ["", " is"]}]
        assert parts[-1]["more_body"] is False
        assert cut != 7 or len([part for part in parts if part["body"]]) == 2, "each line by itself"


def test_a_stream_may_be_asked_for_by_the_request(bridge: Any) -> None:
    _, *parts = streamed(bridge, {"inputs": "a", "stream": True}, pieces=[event((0, "x"))])
    assert parts[0]["body"] == b'{"outputs": ["x"]}\n'


def test_a_stream_that_vllm_refuses_is_refused_in_the_old_form(bridge: Any) -> None:
    said = [b'{"error": {"message": "too ', b'long"}}']
    start, answer = streamed(bridge, {"inputs": "a", "stream": True}, status=400, pieces=said)
    assert (start["status"], json.loads(answer["body"])["error"]) == (424, "too long")


def test_it_needs_nothing_but_python() -> None:
    lines = [
        line.split()[1] for line in FILE.read_text(encoding="utf-8").splitlines() if line.startswith(("import", "from"))
    ]
    assert set(lines) <= {"__future__", "asyncio", "json", "os", "collections.abc", "typing"}
