"""The folders that drills serve: the article's handler or the built-in one, or a small one that needs no model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inf2lab.drills.drill import Scene
from inf2lab.folder import ARTICLE

# Answers at once, or sleeps, waits for a file to go away, or dies, as the request asks.
OBEDIENT = Path(__file__).with_name("obedient.py.txt").read_text(encoding="utf-8")
HANDLERS = {"article": ARTICLE["model.py"]["model.py"], "obedient": OBEDIENT}


def make_scene(row: Mapping[str, Any], scenes: Mapping[str, Mapping[str, Any]]) -> Scene:
    """Return the scene of a row; what it does not say is as in the scene that it is `like`."""
    base = scenes.get(row.get("like", ""), {})
    whole = {**base, **row, "properties": base.get("properties", {}) | row.get("properties", {})}
    handler = HANDLERS.get(whole.get("handler", ""))
    if handler and "change" in row:
        handler = change(handler, *row["change"])
    others = {name: whole[name] for name in ("profile", "instance", "shell") if name in whole}
    return Scene(whole["properties"], handler, weights=tuple(row.get("weights", ())), **others)


def change(handler: str, old: str, new: str) -> str:
    """Return a handler with one text replaced; raises ValueError if it has no such text, once."""
    if handler.count(old) != 1:
        raise ValueError(f"{old!r} is {handler.count(old)} times in the handler: it must be there once")
    return handler.replace(old, new)
