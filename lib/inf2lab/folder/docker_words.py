"""`docker run` commands as containers: options, image, variables with their places, and words behind the image."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from inf2lab.folder.container import Container
from inf2lab.folder.environment import Variable
from inf2lab.folder.shell import Words

_FLAGS = re.compile(
    r"-[itdPq]+|--(?:rm|init|interactive|tty|detach|read-only|publish-all|quiet|no-healthcheck|oom-kill-disable)"
)
_SHORT = {"e": "env", "v": "volume", "p": "publish", "u": "user", "w": "workdir", "l": "label", "h": "hostname"}
_SHORT |= {"m": "memory"}
_ASSIGNED = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)=(\S*)")


def docker_runs(commands: Iterable[Words], beside: Path | None = None) -> Iterator[Container]:
    """The `docker run` commands among `commands`."""
    known: dict[str, str] = {}
    for command in commands:
        words = list(command.words)
        for word in words:
            if match := _ASSIGNED.fullmatch(word):
                known[match[1]] = match[2]
            elif word != "export":
                break
        for at in range(len(words) - 1):
            if words[at].rsplit("/", 1)[-1] in ("docker", "podman", "nerdctl") and words[at + 1] == "run":
                yield _docker_run(command, words[at + 2 :], known, beside)
                break


def variables_in(words: Iterable[str]) -> tuple[Variable, ...]:
    """Return the variables that the setting `docker_options` gives, as in "-e OPTION_DTYPE=fp16"."""
    options = _options(list(words))[0]
    return tuple(variable_of(text, "docker_options", 1, {}) for name, text in options if name == "env")


def _options(words: list[str]) -> tuple[list[tuple[str, str]], str, list[str]]:
    """Return options, image and arguments of the words after `docker run`."""
    options: list[tuple[str, str]] = []
    at = 0
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        at += 1
        if word in ("--privileged", "--privileged=true"):
            options.append(("privileged", "true"))
        if _FLAGS.fullmatch(word) or word.startswith("--privileged"):
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
    return options, words[at] if at < len(words) else "", words[at + 1 :]


def _docker_run(command: Words, words: list[str], known: dict[str, str], beside: Path | None) -> Container:
    options, image, arguments = _options(words)
    found = [
        variable_of(text, command.file, command.line_of(text.partition("=")[0]), known)
        for name, text in options
        if name == "env"
    ]
    for name, place in options:
        if name == "env-file":
            found += variables_beside(place, beside, command.file)
    return Container(command, resolved(image, known)[0], tuple(options), tuple(found), tuple(arguments))


def variable_of(text: str, file: str, line: int, known: dict[str, str]) -> Variable:
    """Return the variable that NAME=VALUE sets, or NAME alone, whose value is somewhere else."""
    name, given, value = text.partition("=")
    value, sure = resolved(value, known)
    return Variable(name, value, file, line, known=bool(given) and sure)


def resolved(value: str, known: dict[str, str]) -> tuple[str, bool]:
    """Return the text with $NAME and ${NAME:-default} filled in, and whether all of them were known."""
    sure = True

    def fill(match: re.Match[str]) -> str:
        nonlocal sure
        found = known.get(match[1] or match[3], match[2])
        sure &= found is not None
        return found or ""

    filled = re.sub(r"\$\{(\w+)(?::?-([^}]*))?\}|\$(\w+)", fill, value)
    return (filled if sure else value), sure and "$(" not in value and "`" not in value


def variables_beside(place: str, beside: Path | None, file: str) -> list[Variable]:
    """Return the variables of the file that --env-file or env_file of `file` names; none where it is not there."""
    path = (beside or Path()) / place
    try:
        return list(of_env_file(str(Path(file).parent / place), path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return []


def of_env_file(file: str, text: str) -> Iterator[Variable]:
    """Lines of NAME=VALUE as Docker reads them: quotes are part of the value."""
    for number, line in enumerate(text.splitlines(), 1):
        name, given, value = line.strip().partition("=")
        if name and not name.startswith("#"):
            yield Variable(name.removeprefix("export ").strip(), value, file, number, known=bool(given))
