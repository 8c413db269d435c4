"""Request and response of each kind of endpoint: how a body is made, and where its answer has the text."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

Field = Callable[[Mapping[str, Any]], Any]  # reads the text of one choice of an answer


@dataclass(frozen=True)
class Ask:
    """One request in words: its prompts (one a row), their tokens if they were counted, and how much to write."""

    prompts: tuple[str, ...]
    prompt_tokens: int
    output_tokens: int
    model: str


@dataclass(frozen=True)
class Shape:
    """One kind of endpoint. `texts` reads a whole answer; `piece` reads one line of a stream, None for no text."""

    name: str
    meaning: str
    body: Callable[[Ask], Any]
    texts: Callable[[Any], list[str]] | None
    piece: Callable[[str], str | None] | None = None
    path: str = ""  # below the server's address, where it is not /predictions/<model>
    rows: bool = True  # takes several prompts

    @property
    def streams(self) -> bool:
        """Whether answers come in pieces."""
        return self.piece is not None


def _json_line(line: str) -> str | None:
    """The text of one line of DJLServing's stream: {"outputs": "text"} or a list of texts."""
    found = json.loads(line)["outputs"]
    return found if isinstance(found, str) else "".join(found)


def _event(field: Field) -> Callable[[str], str | None]:
    """A reader of server-sent events: `data: {...}` lines, of which the last is `data: [DONE]`."""

    def read(line: str) -> str | None:
        if not line.startswith("data:") or line.endswith("[DONE]"):
            return None
        choices = json.loads(line.removeprefix("data:"))["choices"]
        return field(choices[0]) if choices else None

    return read


def _completion(ask: Ask) -> dict[str, Any]:
    return {"model": ask.model, "prompt": ask.prompts[0], "max_tokens": ask.output_tokens}


def _chat(ask: Ask) -> dict[str, Any]:
    messages = [{"role": "user", "content": ask.prompts[0]}]
    return {"model": ask.model, "messages": messages, "max_tokens": ask.output_tokens}


def _of_openai(
    name: str, meaning: str, path: str, body: Callable[[Ask], dict[str, Any]], text: Field, piece: Field
) -> tuple[Shape, Shape]:
    """A route of an OpenAI-style server, which takes one prompt, and the same as it streams.

    `text` and `piece` read one choice of an answer, and of an event.
    """
    streamed = "the same, answering in server-sent events"
    return (
        Shape(name, meaning, body, lambda found: [text(one) for one in found["choices"]], path=path, rows=False),
        Shape(f"{name}-stream", streamed, lambda ask: body(ask) | {"stream": True}, None, _event(piece), path, False),
    )


def article_body(prompts: Sequence[str], seq_length: int) -> dict[str, Any]:
    """Return the request of the article's model.py; `seq_length` counts prompt and answer."""
    return {"seq_length": seq_length, "text": list(prompts)}


def built_in_body(prompts: Sequence[str], max_new_tokens: int) -> dict[str, Any]:
    """Return the request of DJLServing's own handler."""
    return {"inputs": list(prompts), "parameters": {"max_new_tokens": max_new_tokens}}


def _built_in(ask: Ask) -> dict[str, Any]:
    return built_in_body(ask.prompts, ask.output_tokens)


def _generated(answer: Any) -> list[str]:
    if isinstance(answer, dict):  # an error's body, whose keys are no texts
        raise TypeError(f"no list of texts but {sorted(answer)}")
    return [row if isinstance(row, str) else row["generated_text"] for row in answer]


_ALL = (
    Shape(
        "article",
        "the article's model.py: seq_length and text in, outputs back",
        lambda ask: article_body(ask.prompts, ask.prompt_tokens + ask.output_tokens),
        lambda answer: list(answer["outputs"]),
    ),
    Shape("builtin", "DJLServing's own handler: inputs and parameters in, a list back", _built_in, _generated),
    Shape("builtin-stream", "the same, answering in JSON lines", _built_in, None, _json_line),
    *_of_openai(
        *("openai", "/v1/completions of an OpenAI-style server", "/v1/completions", _completion),
        lambda choice: choice["text"],
        lambda choice: choice.get("text"),
    ),
    *_of_openai(
        *("openai-chat", "/v1/chat/completions", "/v1/chat/completions", _chat),
        lambda choice: choice["message"]["content"],
        lambda choice: choice["delta"].get("content"),
    ),
    Shape("raw", "any server: the prompts as JSON in, the answer is not read", lambda ask: list(ask.prompts), None),
)
SHAPES: Mapping[str, Shape] = MappingProxyType({shape.name: shape for shape in _ALL})


def read_answer(shape: Shape, body: bytes, lines: Sequence[str] = ()) -> list[str] | None:
    """Return the texts of an answer, none for `raw`; None for a body that is not of the shape."""
    try:
        if shape.piece is not None:
            pieces = [shape.piece(line) for line in lines]
            return ["".join(piece for piece in pieces if piece)]
        return shape.texts(json.loads(body)) if shape.texts else []
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
