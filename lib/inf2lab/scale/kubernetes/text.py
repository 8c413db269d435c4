"""Kubernetes objects as YAML that a person can read: keys in their order, a comment above each document.

A manifest's fixed parts are a YAML file with placeholders, `$name`, beside the module that fills them in.
"""

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import Any


@dataclass(frozen=True)
class Document:
    """One object and the reason for it, which stands above it as a comment."""

    why: str
    body: dict[str, Any]


def fill_in(template: Path, values: Mapping[str, Any]) -> list[Document]:
    """Return the documents of a YAML file with a value for each `$name`; raises KeyError for one without.

    The comment at a document's head is its reason. A key whose value is None is left out; a list in a list is spliced.
    """
    return [Document(Template(why).substitute(values), _filled(body, values)) for why, body in _parsed(template)]


@cache
def _parsed(template: Path) -> list[tuple[str, Any]]:
    """Return reason and body of each document of a YAML file, which is part of this program."""
    import yaml

    parts = []
    for part in template.read_text(encoding="utf-8").split("---\n"):
        lines = part.splitlines()
        head = lines[: next(number for number, line in enumerate(lines) if not line.startswith("#"))]
        why = " ".join(line.removeprefix("# ") for line in head)
        parts.append((why, yaml.safe_load(part)))
    return parts


def _filled(part: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(part, dict):
        pairs = ((_filled(key, values), _filled(value, values)) for key, value in part.items())
        return {key: value for key, value in pairs if value is not None}
    if isinstance(part, list):
        items = (_filled(item, values) for item in part)
        return [one for item in items for one in (item if isinstance(item, list) else [item])]
    if isinstance(part, str):
        alone = part.removeprefix("$")
        return values[alone] if part == f"${alone}" and alone.isidentifier() else Template(part).substitute(values)
    return part


def as_text(documents: Iterable[Document]) -> str:
    """Return documents as one YAML stream."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
            return super().increase_indent(flow, False)

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        """Files inside a manifest stay readable, line by line."""
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)

    Dumper.add_representer(str, text)
    parts = []
    for document in documents:
        comment = textwrap.fill(document.why, 108, initial_indent="# ", subsequent_indent="# ", break_long_words=False)
        body = yaml.dump(document.body, Dumper=Dumper, sort_keys=False, width=110, allow_unicode=True)
        parts.append(f"{comment}\n{body}")
    return "---\n".join(parts)
