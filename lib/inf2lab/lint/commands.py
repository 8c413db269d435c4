"""`docker run` and `curl` commands in a shell script, as far as rules need them."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST = 200  # lines of one command; a quote that never closes is not followed further
_FLAGS = re.compile(r"-[itdPq]+|--(?:rm|privileged|init|interactive|tty|detach|read-only|publish-all|quiet)")
_SHORT = {"e": "env", "v": "volume", "p": "publish", "u": "user", "w": "workdir", "l": "label", "h": "hostname"}
_SHORT |= {"m": "memory"}
_SEPARATORS = {"&&", "||", ";", "|", "&"}
_OUTPUT = re.compile(r"(?<![>\d])(?:1?>)\s*[\"']?([^\s\"';|&>]+)")


@dataclass(frozen=True)
class Words:
    """One command as words, from line `first` of `file` on; `text` is its source."""

    file: str
    first: int
    words: tuple[str, ...]
    text: str

    def line_of(self, fragment: str) -> int:
        """The line on which `fragment` stands, or the command's first."""
        before, found, _ = self.text.partition(fragment)
        return self.first + (before.count("\n") if found else 0)


@dataclass(frozen=True)
class DockerRun:
    """A `docker run`: the image and the options that decide whether DJLServing works."""

    command: Words
    image: str
    options: tuple[tuple[str, str], ...]

    def all(self, *names: str) -> tuple[str, ...]:
        """The values of every option with one of these long names."""
        return tuple(value for name, value in self.options if name in names)

    @property
    def env(self) -> dict[str, str]:
        """Variables given with -e."""
        return dict(value.partition("=")[::2] for value in self.all("env"))

    @property
    def devices(self) -> tuple[int, ...]:
        """Numbers of the Neuron devices as the container sees them."""
        seen = (value.split(":")[1 if ":" in value else 0] for value in self.all("device"))
        return tuple(int(m[1]) for path in seen if (m := re.fullmatch(r"/dev/neuron(\d{1,4})", path)))

    @property
    def on_host_network(self) -> bool:
        """Whether the container shares the host's network."""
        return "host" in self.all("network", "net")


@dataclass(frozen=True)
class Request:
    """A request found beside the model: the JSON body, and of a curl command its address and headers."""

    file: str
    line: int
    body: object
    url: str = ""
    json_type: bool = True


def docker_runs(commands: tuple[Words, ...]) -> Iterator[DockerRun]:
    """The `docker run` commands among `commands`."""
    for command in commands:
        words = list(command.words)
        for at in range(len(words) - 1):
            if words[at].rsplit("/", 1)[-1] in ("docker", "podman", "nerdctl") and words[at + 1] == "run":
                yield _docker_run(command, words[at + 2 :])
                break


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


def shell_commands(file: str, text: str) -> tuple[Words, ...]:
    """The commands of a script: continuation lines joined, quotes followed over lines; never raises."""
    found, lines, at = [], text.splitlines(), 0
    while at < len(lines):
        words, taken = _command(lines, at)
        source = "\n".join(lines[at : at + taken])
        part: list[str] = []
        for word in [*words, ";"]:
            if word in _SEPARATORS:
                found += [Words(file, at + 1, tuple(part), source)] if part else []
                part = []
            else:
                part.append(word)
        at += taken
    return tuple(found)


def written_files(text: str) -> dict[str, list[int]]:
    """Files that a script writes anew with `>`, each with the lines that do it."""
    written: dict[str, list[int]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("#"):
            for target in _OUTPUT.findall(line):
                written.setdefault(target, []).append(number)
    return written


def _command(lines: list[str], at: int) -> tuple[list[str], int]:
    text = ""
    for taken in range(1, min(_LONGEST, len(lines) - at) + 1):
        line = lines[at + taken - 1]
        if line.rstrip().endswith("\\") and "#" not in line:
            text += line.rstrip()[:-1] + " "
            continue
        text += line
        try:
            return shlex.split(text, comments=True), taken
        except ValueError:
            text += "\n"
    return [], 1


def _docker_run(command: Words, words: list[str]) -> DockerRun:
    options: list[tuple[str, str]] = []
    at = 0
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        at += 1
        if _FLAGS.fullmatch(word):
            continue
        if word.startswith("--"):
            name, given, value = word[2:].partition("=")
        else:
            name, value = _SHORT.get(word[1:2], word[1:2]), word[2:]
            given = value
        if not given and at < len(words):
            value = words[at]
            at += 1
        options.append((name, value))
    return DockerRun(command, words[at] if at < len(words) else "", tuple(options))
