"""Kubernetes objects as YAML that a person can read: keys in their order, a comment above each document."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Document:
    """One object and the reason for it, which stands above it as a comment."""

    why: str
    body: dict[str, Any]


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
