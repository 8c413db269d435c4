"""The translated requests as programs: curl, `requests`, and OpenAI's client."""

import json
import pprint
import shlex
import textwrap
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from inf2lab.folder import INSIDE_PORT
from inf2lab.migrate.requests import CHAT, Translated
from inf2lab.migrate.state import State

URL = f"http://127.0.0.1:{INSIDE_PORT}"
# Arguments of OpenAI's client; every other field goes through `extra_body`.
_KNOWN = ("model", "prompt", "messages", "max_tokens", "temperature", "top_p", "stream", "stop", "n", "echo", "seed")
_TEMPLATES = Path(__file__).with_name("client_texts")
_ASKED = 'return requests.post(URL + "/tokenize", json={"model": NAME, "prompt": prompt}, timeout=60).json()["count"]'
_OWN_COUNT = "return len(AutoTokenizer.from_pretrained(MODEL).encode(prompt))"


def client_files(state: State, found: Sequence[Translated]) -> dict[str, str]:
    """Return {file: text}: old and new bodies, a shell script, and two Python programs."""
    if not found:
        return {}
    pairs = [{"where": one.where, "old": one.old, **_new(one)} for one in found]
    return {
        "requests.json": json.dumps(pairs, indent=2, ensure_ascii=False) + "\n",
        "ask.sh": _shell(state, found),
        "ask_requests.py": _python("ask_requests", state, [(one.path, _length(one), _body(one)) for one in found]),
        "ask_openai.py": _python("ask_openai", state, [call for one in found for call in _calls(state, one)]),
    }


def _new(one: Translated) -> dict[str, Any]:
    left = {"max_tokens": f"{one.total} less the tokens of the longest prompt"} if one.total is not None else {}
    left |= {"min_tokens": "as max_tokens"} if one.whole else {}
    return {"path": one.path, "body": one.body | left, "chats": one.chats}


def _body(one: Translated) -> dict[str, Any]:
    return one.body | ({"whole": True} if one.whole and one.total is not None else {})


def _length(one: Translated) -> tuple[int, list[str]] | None:
    """What the answer's length follows from: tokens of prompt and answer, and the prompts."""
    return None if one.total is None else (one.total, list(one.prompts))


def _calls(state: State, one: Translated) -> list[Any]:
    """LMI answers OpenAI's route for chats only."""
    bodies = one.chats if one.path == CHAT or state.target.name == "lmi-vllm" else [one.body]
    mark = {"whole": True} if one.whole and one.total is not None else {}
    return [
        (
            _length(one),
            {key: value for key, value in body.items() if key in _KNOWN},
            {key: value for key, value in body.items() if key not in _KNOWN} | mark,
        )
        for body in bodies
    ]


def _python(name: str, state: State, calls: list[Any]) -> str:
    own = state.target.name == "lmi-vllm"  # which has no route that counts
    count = _OWN_COUNT.replace("MODEL", repr(state.model_id)) if own else _ASKED.replace("NAME", repr(state.name))
    lines = (["from transformers import AutoTokenizer", ""] if own else []) + [count]
    values = {"url": URL, "requests": pprint.pformat(calls, width=100, sort_dicts=False)}
    text = (_TEMPLATES / f"{name}.py.txt").read_text(encoding="utf-8")
    return Template(text).substitute(values, count=textwrap.indent("\n".join(lines), "    "))


def _shell(state: State, found: Sequence[Translated]) -> str:
    head = f"#!/bin/sh\n# The old requests, as the new server takes them: sh ask.sh [ADDRESS]\nURL=${{1:-{URL}}}\n"
    if any(one.total is not None for one in found) and state.target.name != "lmi-vllm":
        head += (_TEMPLATES / "longest.sh.txt").read_text(encoding="utf-8")
    return head + "".join(_curl(state, one) for one in found)


def _curl(state: State, one: Translated) -> str:
    text, before = shlex.quote(json.dumps(one.body, ensure_ascii=False)), ""
    if one.total is not None:
        marked = {"max_tokens": "@"} | ({"min_tokens": "@"} if one.whole else {})
        text = shlex.quote(json.dumps(one.body | marked, ensure_ascii=False)).replace('"@"', "'$left'")
        if state.target.name == "lmi-vllm":
            longest = '"${LONGEST:?count the tokens of the longest prompt with its tokenizer: LONGEST=12 sh ask.sh}"'
            before = f": {longest}\nleft=$(({one.total} - LONGEST))\n"
        else:
            bodies = (shlex.quote(json.dumps({"model": state.name, "prompt": each})) for each in one.prompts)
            before = f"left=$(({one.total} - $(longest {' '.join(bodies)})))\n"
    options = "-sS -N" if one.body.get("stream") else "-sS"
    url = f'"$URL{one.path}"'
    return f"\n# {one.where}\n{before}curl {options} {url} -H 'Content-Type: application/json' -d {text}\n"
