"""The requests in a shell script's `curl` commands, and the files that it writes, as far as rules need them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from inf2lab.folder import Words

_OUTPUT = re.compile(r"(?<![>\d])(?:1?>)\s*[\"']?([^\s\"';|&>]+)")
_ELSEWHERE = re.compile(r"(?:.*[;&|])?\s*(?:cd|pushd|popd|else|elif)\b")  # another folder, or another branch
_ROUTE = re.compile(r"/predictions/([^/?#\s]+)")
_SHORT = re.compile(r"-[A-Za-z#]*?([dH])(.*)", re.DOTALL)  # as in -sSd BODY, -HNAME:VALUE
_LONG = {"--data": "d", "--data-raw": "d", "--data-binary": "d", "--json": "d", "--header": "H"}


@dataclass(frozen=True)
class Request:
    """A request found beside the model: the JSON body, and of a curl command its address and headers.

    A body that a file or a variable gives is not `known`.
    """

    file: str
    line: int
    body: object
    url: str = ""
    json_type: bool = True
    known: bool = True

    @property
    def model(self) -> str | None:
        """The model that the address names, where it is written out."""
        match = _ROUTE.search(self.url)
        return match[1] if match and "$" not in match[1] else None


def curl_requests(commands: tuple[Words, ...]) -> Iterator[Request]:
    """The requests that `curl` commands send to a prediction route."""
    for command in commands:
        words = list(command.words)
        if not words or words[0] != "curl":
            continue
        urls = [w for w in words[1:] if "/predictions/" in w or "/invocations" in w]
        if not urls:
            continue
        data, typed = _data_and_type(words)
        body = read_json(data or "")
        known = body is not None or not (data is None or data.startswith("@") or "$" in data or "`" in data)
        yield Request(command.file, command.line, body, urls[0], typed or data is None, known)


def _data_and_type(words: list[str]) -> tuple[str | None, bool]:
    """Return the body of a curl command, and whether it has a content type of its own, or may have one."""
    data, typed = None, False
    for word, following in zip(words, [*words[1:], ""], strict=True):
        short = None if word.startswith("--") else _SHORT.fullmatch(word)
        letter, value = (short[1], short[2] or following) if short else (_LONG.get(word), following)
        if letter == "d":
            data, typed = value, typed or word == "--json"
        elif letter == "H":
            typed |= value.lower().startswith(("content-type:", "$", "@"))
    return data, typed


def read_json(text: str) -> object:
    """The value of a JSON text; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def written_files(text: str) -> dict[tuple[int, str], list[int]]:
    """Files that a script writes anew with `>`, each with the lines that do it; after a `cd` a name is another file."""
    written: dict[tuple[int, str], list[int]] = {}
    place = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("#"):
            place += bool(_ELSEWHERE.match(line))
            for target in _OUTPUT.findall(line):
                written.setdefault((place, target), []).append(number)
    return written
