"""The requests in a shell script's `curl` commands, and the files that it writes, as far as rules need them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from inf2lab.folder import Words

_OUTPUT = re.compile(r"(?<![>\d])(?:1?>)\s*[\"']?([^\s\"';|&>]+)")


@dataclass(frozen=True)
class Request:
    """A request found beside the model: the JSON body, and of a curl command its address and headers."""

    file: str
    line: int
    body: object
    url: str = ""
    json_type: bool = True


def curl_requests(commands: tuple[Words, ...]) -> Iterator[Request]:
    """The requests that `curl` commands send to a prediction route."""
    for command in commands:
        words = list(command.words)
        if not words or words[0] != "curl":
            continue
        urls = [w for w in words[1:] if "/predictions/" in w or "/invocations" in w]
        if not urls:
            continue
        data, typed = None, False
        for word, following in zip(words, [*words[1:], ""], strict=True):
            if word in ("-d", "--data", "--data-raw", "--data-binary", "--json"):
                data = following
                typed |= word == "--json"
            elif word in ("-H", "--header"):
                typed |= following.lower().startswith("content-type:")
        yield Request(command.file, command.first, read_json(data or ""), urls[0], typed or data is None)


def read_json(text: str) -> object:
    """The value of a JSON text; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def written_files(text: str) -> dict[str, list[int]]:
    """Files that a script writes anew with `>`, each with the lines that do it."""
    written: dict[str, list[int]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("#"):
            for target in _OUTPUT.findall(line):
                written.setdefault(target, []).append(number)
    return written
