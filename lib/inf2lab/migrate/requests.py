"""Old requests as the target takes them: the same prompts, the same length, sampled in the same way."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from inf2lab import catalog
from inf2lab.catalog import Fate, Verdict
from inf2lab.lint import Request
from inf2lab.migrate.row import Row, of_fate
from inf2lab.migrate.state import State
from inf2lab.words import short

COMPLETIONS, CHAT, INVOCATIONS = "/v1/completions", "/v1/chat/completions", "/invocations"
_PROMPTS = ("text", "inputs")
_BELOW = "parameters."
_NOT_READ = "DJL's handler reads no such field beside `inputs`: nothing is lost"
_NULL = "DJLServing answered null greedily: 0 is written"
_OWN_LENGTHS = ("seq_length", "sequence_length", "max_length")
_BY_HAND = {"prompt", "max_tokens", "temperature", "stream", "logprobs"}  # written by rules of their own


@dataclass(frozen=True)
class Translated:
    """One request. With a `total`, `max_tokens` is what the longest prompt leaves of it, and not in `body` yet."""

    where: str
    old: Any
    path: str
    body: dict[str, Any]
    total: int | None = None
    whole: bool = False  # the old handler forbade the end of text: min_tokens = max_tokens
    prompts: tuple[str, ...] = ()  # of the old request, which all rows were filled up to

    @property
    def chats(self) -> list[dict[str, Any]]:
        """The same as chats: one for each prompt, for a chat has no list."""
        rest = {key: value for key, value in self.body.items() if key not in ("prompt", "echo")}
        if self.path == CHAT:
            return [self.body]
        own = _texts(self.body["prompt"])
        return [rest | {"messages": [{"role": "user", "content": prompt}]} for prompt in own]

    def of_length(self, longest: int) -> dict[str, Any]:
        """Return the body with the length that a longest prompt of so many tokens leaves."""
        if self.total is None:
            return self.body
        left = self.total - longest
        return self.body | {"max_tokens": left} | ({"min_tokens": left} if self.whole else {})


def translate(state: State, request: Request) -> tuple[Translated, ...]:
    """Return a request as the target takes it; none for a body that has no prompts.

    LMI gets one for each prompt: it answers the first of a list of `inputs`, and nobody tried a list in `prompt`.
    """
    made = _translated(state, request)
    if made is None:
        return ()
    prompts = made.body.get("prompt")
    if state.target.name != "lmi-vllm" or not isinstance(prompts, list):
        return (made,)
    return tuple(replace(made, body=made.body | {"prompt": prompt}) for prompt in prompts)


def _translated(state: State, request: Request) -> Translated | None:
    old = request.body
    if not isinstance(old, dict):
        return None
    where = f"{request.file}:{request.line}"
    stream = _streams(state, old)
    if _is_openais(old):
        chat = _is_chat(old)
        body = (_chat(state, old) if chat else old) | {"model": state.name} | stream
        return Translated(where, old, CHAT if chat else _path(state), body)
    prompts = next((old[key] for key in _PROMPTS if key in old), None)
    rows = _texts(prompts)
    if not rows:
        return None
    given = {field.removeprefix(_BELOW): value for _, field, value in _fields(state, old) if field.startswith(_BELOW)}
    sampled = state.sampled and given.get("use_sample", True) is not False
    new, total = _length(state, old, given, sampled)
    body = {"model": state.name, "prompt": prompts, **_carried(state, given)}
    body |= sampling(given, sampled) | stream
    body |= {"echo": True} if not state.stated.rolling else {}
    body |= {} if new is None else {"max_tokens": new}
    return Translated(where, old, _path(state), body, total, whole=sampled and state.end_forbidden, prompts=rows)


def _texts(given: object) -> tuple[str, ...]:
    """A prompt, or several; none for anything else."""
    found = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list) else ()
    return tuple(one for one in found if isinstance(one, str)) if all(isinstance(one, str) for one in found) else ()


def request_rows(state: State, request: Request) -> Iterator[Row]:
    """Yield a row for each field of a request, and one where the whole cannot be translated."""
    where = f"{request.file}:{request.line}"
    if not translate(state, request):
        says = "its body is no JSON with prompts: write it out beside the folder"
        yield Row(where, "request", Verdict.NONE, "", says, "the file", "source")
    for name, field, value in _fields(state, request.body):
        fate = _fate(state, field)
        what = f"{name}={short(json.dumps(value, ensure_ascii=False))}"
        if not field:
            yield Row(where, what, Verdict.BUILT_IN, "", _NOT_READ, "the catalog of requests", "source")
        elif name == "temperature" and value is None and _is_chat(request.body):
            yield Row(where, what, Verdict.CHANGED, field, _NULL, "the catalog of requests", "source")
        elif fate:
            yield of_fate(where, what, fate)
        else:
            says = "no field of DJLServing's or OpenAI's: model.py may read it, and code does not move"
            yield Row(where, what, Verdict.NONE, "", says, "the catalog of requests", "source")


def _fields(state: State, body: object) -> Iterator[tuple[str, str, Any]]:
    """Yield name, the catalog's name (empty for what nobody reads) and value of each field.

    Beside the prompts, DJL's handler reads no sampling; a handler of one's own may, and means what `parameters` mean.
    """
    if not isinstance(body, dict):
        return
    for name, value in body.items():
        if name == "parameters" and isinstance(value, dict):
            yield from ((_BELOW + key, _BELOW + key, one) for key, one in value.items())
        elif _is_openais(body) or (name != "max_tokens" and _fate(state, _BELOW + name) is None):
            yield name, name, value
        elif state.stated.own_file:
            yield name, _BELOW + name, value
        else:
            yield name, "", value


def _is_openais(body: Mapping[str, Any]) -> bool:
    return _is_chat(body) or bool(_texts(body.get("prompt")))


def _is_chat(body: object) -> bool:
    return isinstance(body, dict) and isinstance(body.get("messages"), list)


def _chat(state: State, old: Mapping[str, Any]) -> dict[str, Any]:
    """A chat, with what DJLServing takes for what it leaves unsaid, or null; a length in a rolling batch only."""
    answers, said = catalog.old_answers(), {name: value for name, value in old.items() if value is not None}
    length = {"max_tokens": answers.rolling_tokens} if state.stated.rolling else {}
    greedy = {"temperature": 0} if "temperature" in old else {}  # of null; a number follows
    return {**answers.chat, **length, **greedy, **said}


def _fate(state: State, name: str) -> Fate | None:
    return catalog.fate("request_fields", name, state.target.name)


def _path(state: State) -> str:
    return INVOCATIONS if state.target.name == "lmi-vllm" else COMPLETIONS


def _streams(state: State, old: Mapping[str, Any]) -> dict[str, Any]:
    asked = old.get("stream") is True or state.stated.shape == "builtin-stream"
    return {"stream": True} if asked else {}


def _length(
    state: State, old: Mapping[str, Any], given: Mapping[str, Any], sampled: bool
) -> tuple[int | None, int | None]:
    """New tokens, or prompt and answer together: the one that the old handler counted."""
    new, total = given.get("max_new_tokens"), given.get("max_length")
    if state.stated.own_file:
        total = next((old[key] for key in _OWN_LENGTHS if key in old), total)
    elif "seq_length" in state.stated.profile.request.length:
        total = old.get("seq_length", total)
    if _counts(new):
        return (None, new) if sampled and not state.stated.own_file else (new, None)
    if _counts(total):
        return None, total
    if state.stated.rolling:
        return catalog.old_answers().rolling_tokens, None
    return None, state.stated.profile.request.default_length or state.positions


def _counts(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given > 0


def _carried(state: State, given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields whose value stays what it was, below their new names."""
    found = {}
    for key, value in given.items():
        fate = _fate(state, f"parameters.{key}")
        name = "" if fate is None else key if fate.becomes == "the same field" else fate.becomes
        if name.isidentifier() and name not in _BY_HAND:
            found[name] = value
    return found


def sampling(given: Mapping[str, Any], sampled: bool) -> dict[str, Any]:
    """All that decides is written, as nobody should depend on a default that moves, or on the model's own."""
    if not sampled and given.get("do_sample") is not True:
        return {"temperature": 0}
    found = {"temperature": given.get("temperature", 1.0), "top_k": given.get("top_k", catalog.old_answers().top_k)}
    # transformers-neuronx's `sample` read no generation_config.json, as Hugging Face's `generate` did.
    return found | ({"top_p": given.get("top_p", 1.0)} if sampled else {})
