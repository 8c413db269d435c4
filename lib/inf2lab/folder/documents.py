"""YAML and JSON as trees whose mappings know their lines; scalars stay the text that they are."""

import json
import re
from collections.abc import Mapping
from typing import Any

from inf2lab.errors import SettingsError

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Tree(dict[str, Any]):
    """A mapping of a document: `line` is where it begins, `lines` where each of its keys stands."""

    def __init__(self, line: int = 1) -> None:
        super().__init__()
        self.line, self.lines = line, dict[str, int]()


def yaml_trees(text: str) -> list[Any]:
    """Return the documents of a YAML file; none where it is not YAML. Raises SettingsError without PyYAML."""
    try:
        import yaml
    except ImportError as error:
        raise SettingsError("file", "*.yaml", "reading it takes PyYAML: pip install 'inf2lab[scale]'") from error
    try:
        return [_of_node(node) for node in yaml.compose_all(text, yaml.SafeLoader) if node is not None]
    except (yaml.YAMLError, RecursionError, ValueError):
        return []


def json_trees(text: str) -> list[Any]:
    """Return the document of a JSON file; none where it is not JSON."""
    try:
        return [_of_value(json.loads(text), _lines_of_words(text))]
    except (ValueError, RecursionError):
        return []


def _of_node(node: Any) -> Any:
    if node.id == "sequence":
        return [_of_node(child) for child in node.value]
    if node.id != "mapping":
        return None if node.tag == "tag:yaml.org,2002:null" else node.value
    tree = Tree(node.start_mark.line + 1)
    for key, child in node.value:
        value = _of_node(child)
        if key.value == "<<" and isinstance(value, Tree):
            tree.lines = value.lines | tree.lines
            tree.update({name: one for name, one in value.items() if name not in tree})
        elif isinstance(key.value, str):
            tree[key.value], tree.lines[key.value] = value, key.start_mark.line + 1
    return tree


def _of_value(value: Any, lines: Mapping[str, int]) -> Any:
    if isinstance(value, list):
        return [_of_value(child, lines) for child in value]
    if not isinstance(value, dict):
        return value if isinstance(value, str | None) else json.dumps(value)
    tree = Tree(lines.get(next(iter(value), ""), 1))
    for name, child in value.items():
        tree[name], tree.lines[name] = _of_value(child, lines), lines.get(name, 1)
    return tree


def _lines_of_words(text: str) -> dict[str, int]:
    """Return the line on which each quoted word of a JSON text stands first, as it is written there."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        for match in _QUOTED.finditer(line):
            found.setdefault(match[1], number)
    return found
