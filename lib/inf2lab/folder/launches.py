"""Servers that came after DJLServing, as a file starts them: `vllm serve` and `optimum-cli neuron serve`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from inf2lab import catalog
from inf2lab.catalog import SuccessorImage
from inf2lab.folder.container import Container
from inf2lab.folder.shell import Place, Words, shell_commands

_STARTS = (("vllm", "serve"), ("optimum-cli", "neuron", "serve"), ("vllm.entrypoints.openai.api_server",))
_VERSION = re.compile(r"vllm[^:]*:v?(\d+\.\d+\.\d+)")


@dataclass(frozen=True)
class Launch:
    """One such server: its words, where they stand, and its container; without one somebody starts it by hand."""

    words: tuple[str, ...]
    command: Words
    container: Container | None = None

    @property
    def row(self) -> SuccessorImage | None:
        """The image's row in the catalog."""
        tag = self.container.image.rpartition(":")[2] if self.container else ""
        return next((one for one in catalog.successor_images() if one.tag == tag), None)

    @property
    def other(self) -> bool:
        """Whether the server is another than DJLServing, which LMI's images for GPUs still are."""
        return not self.row or self.row.families != ("gpu",)

    @property
    def version(self) -> tuple[int, ...] | None:
        """vLLM's release: that of the image, as far as its name says one."""
        if self.row:
            return self.row.version
        found = _VERSION.search(self.container.image) if self.container else None
        return tuple(map(int, found[1].split("."))) if found else None

    @property
    def model(self) -> str:
        """The model that is named: behind `serve`, or with a flag."""
        named = self.flag("--model") or self.flag("-m")
        after = next((at + 1 for at, word in enumerate(self.words) if word == "serve"), len(self.words))
        bare = self.words[after] if after < len(self.words) else ""
        return named or ("" if bare.startswith("-") else bare)

    def flag(self, name: str) -> str | None:
        """The value of a flag, empty where it has none; None where it is not given. _ and - are one to vLLM."""
        for at, word in enumerate(self.words):
            given, equals, value = word.partition("=")
            if given.replace("_", "-") == name.replace("_", "-"):
                following = self.words[at + 1] if at + 1 < len(self.words) else ""
                return value if equals else "" if following.startswith("-") else following
        return None

    def number(self, *names: str) -> int | None:
        """The first of these flags that is a whole number."""
        found = (self.flag(name) or "" for name in names)
        return next((int(text) for text in found if re.fullmatch(r"\d{1,9}", text)), None)

    def settings(self) -> dict[str, Any] | None:
        """What the JSON of --additional-config or --override-neuron-config says; None where there is none, or not read.

        That of the older flag is given the newer one's key.
        """
        for name in ("--additional-config", "--override-neuron-config"):
            text = self.flag(name)
            if text is not None:
                try:
                    found = json.loads(text)
                except (ValueError, RecursionError):
                    return None
                whole = found if isinstance(found, dict) else {}
                return whole if name == "--additional-config" else {"override_neuron_config": whole}
        return None

    def at(self, fragment: str) -> Place:
        """Where a word of the server stands, or the launch begins."""
        text = self.command.text
        after = max(0, text.find("serve"))  # docker has flags of the same names
        places = (text.find(one, after) for one in (fragment, f"--{fragment[2:].replace('-', '_')}"))
        at = next((place for place in places if place >= 0), -1)
        return (
            self.command.at(fragment)
            if at < 0
            else Place(self.command.file, self.command.line + text.count("\n", 0, at))
        )


def launches_in(containers: Iterable[Container], commands: Iterable[Words]) -> Iterator[Launch]:
    """The launches among containers, and those that a script makes without one."""
    for one in containers:
        words = _inside(one)
        if _starts(words) or _is_successor(one.image):
            yield Launch(words, one.command, one)
    for command in commands:
        if _starts(command.words) and not any("docker" in word for word in command.words[:2]):
            yield Launch(command.words, command)


def _inside(container: Container) -> tuple[str, ...]:
    """The words of the server, also where a shell is given them as one text: sh -c "vllm serve ..."."""
    for option, text in pairwise(container.arguments):
        if re.fullmatch("-l?c", option):
            found = (one.words for one in shell_commands(container.command.file, text))
            return next((words for words in found if _starts(words)), container.arguments)
    return container.arguments


def _starts(words: tuple[str, ...]) -> bool:
    names = tuple(word.rsplit("/", 1)[-1] for word in words)
    return any(names[at : at + len(start)] == start for start in _STARTS for at in range(min(4, len(names))))


def _is_successor(image: str) -> bool:
    return any(
        re.search(rf"(?:^|/){one.repository}:{re.escape(one.tag)}$", image) for one in catalog.successor_images()
    )
