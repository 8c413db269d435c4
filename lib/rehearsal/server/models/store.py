"""Which models a server starts with: what lies in the model store, or what `load_models` names."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from rehearsal.server.config import ServerConfig
from rehearsal.server.errors import SetupError
from rehearsal.server.java import split
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.info import ARCHIVES, Registration, model_name, nested_folder
from rehearsal.server.uris import read_uri

NAMED = re.compile(r"(?:\[?([^?]+?)\]?=)?(.+)")
UNQUOTED = "/!*'():@&=+$,;"  # what Java leaves as it is in the URL of a path, beside letters, digits and _-.~


def startup_models(config: ServerConfig, log: ServerLog) -> list[str]:
    """What to load at start, each as it is told or found. Raises SetupError for a store that cannot be read."""
    told, store = config.load_models, config.model_store
    kind = (told or ("ALL" if store else "NONE")).upper()
    if told and kind not in ("ALL", "NONE"):
        return [_told(text, store, log) for text in split(told, "[, ]+")]
    if kind == "NONE":
        return []
    if store is None:
        log.warn("ModelServer", "Model store is not configured.")
        return []
    try:
        return _in_store(store, log)
    except OSError as error:
        raise SetupError(f"model store {store}: {error}") from error


def registration(text: str) -> Registration:
    """What a text asks for: `name[:version[:engine[:devices]]]=url`, or a URL or path alone. Raises ApiError."""
    match = NAMED.fullmatch(text)
    if match is None:
        raise SetupError(f"load_models: an empty name at a comma or blank; write NAME=URL,NAME=URL (is: {text!r})")
    endpoint, url = match.groups()
    read_uri(url)
    if endpoint is None:
        return Registration(model_name(url), url, at_startup=True)
    name, *more = endpoint.split(":")
    given = dict(zip(("version", "engine", "devices"), more, strict=False))
    stated = {key: value for key, value in given.items() if value or key == "devices"}
    return Registration(name, url, **stated, at_startup=True)


def _told(text: str, store: Path | None, log: ServerLog) -> str:
    if store and text and "=" not in text and "/" not in text and (store / text).is_dir():
        path = (store / text).absolute()
        log.warn("Rehearsal", f"load_models: {text} is a path, not a folder of the store; write {text}={path}")
    return text


def _in_store(store: Path, log: ServerLog) -> list[str]:
    if not store.is_dir():
        log.warn("ModelServer", f"Model store path is not found: {store}")
        return []
    inside = [path for path in sorted(store.iterdir()) if not path.name.startswith(".")]
    if all(path.is_dir() or path.name.lower().endswith(ARCHIVES) for path in inside):
        return [text for path in inside if (text := _found(path, log))]
    text = _found(store, log)  # a store that holds a file is itself one model
    return [text] if text else []


def _found(path: Path, log: ServerLog) -> str | None:
    """A folder as `name=url`; None for a hidden or an empty one, and for one that cannot be read."""
    if path.name.startswith("."):
        return None
    if not path.is_dir():
        log.warn("Rehearsal", f"{path}: archives are not rehearsed; unpack it into a folder")
        return None
    try:
        if not any(path.iterdir()):
            return None
        # Java writes a folder's URL with one slash after the scheme and one at the end.
        url = f"file:{quote(str(nested_folder(path).absolute()), safe=UNQUOTED)}/"
    except OSError:
        log.warn("ModelServer", f"Failed to access file: {path}")
        return None
    log.info("ModelServer", f"Found model {model_name(url)}={url}")
    return f"{model_name(url)}={url}"
