"""Which models a server starts with: what lies in the model store, and what was named."""

from __future__ import annotations

import re
from pathlib import Path

from rehearsal.server.config import ServerConfig
from rehearsal.server.errors import SetupError
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.info import ARCHIVES, Registration, model_name, nested_folder

NAMED = re.compile(
    r"(?:\[?(?P<name>[^:=\]]+)(?::(?P<version>[^:=\]]*))?(?::(?P<engine>[^:=\]]*))?"
    r"(?::(?P<devices>[^=\]]*))?\]?=)?(?P<url>.+)"
)


def startup_models(config: ServerConfig, log: ServerLog) -> list[Registration]:
    """What to load at start, in the order of names. Raises SetupError for a name that is nowhere."""
    found = {item.name: item for item in _in_store(config.model_store, log)} if config.model_store else {}
    wanted: list[Registration] = []
    for text in config.load_models:
        if text == "ALL":
            for item in found.values():
                log.info("ModelServer", f"Found model {item.name}={item.url}")
            wanted += found.values()
        elif text in found:
            wanted.append(found[text])
        else:
            wanted.append(_named(text, config.model_store))
    return list({(item.name, item.version): item for item in wanted}.values())


def _in_store(store: Path, log: ServerLog) -> list[Registration]:
    if not store.is_dir():
        log.warn("ModelServer", f"Model store path is not found: {store}")
        return []
    inside = [path for path in sorted(store.iterdir()) if not path.name.startswith(".")]
    if any(not path.is_dir() and not path.name.lower().endswith(ARCHIVES) for path in inside):
        return [_from_folder(store)]  # a store that holds a file is itself one model
    for path in inside:
        if not path.is_dir():
            log.warn("Rehearsal", f"{path}: archives are not rehearsed; unpack it into a folder")
    return [_from_folder(nested_folder(path)) for path in inside if path.is_dir()]


def _from_folder(folder: Path) -> Registration:
    # Java writes a folder's URL with one slash after the scheme and one at the end.
    url = folder.absolute().as_uri().replace("file://", "file:", 1) + "/"
    return Registration(model_name(url), url, at_startup=True)


def _named(text: str, store: Path | None) -> Registration:
    """A model named as `name[:version[:engine[:devices]]]=url`, or by its URL or path alone."""
    match = NAMED.fullmatch(text)
    if match is None or ("=" not in text and "/" not in text):
        raise SetupError(f"model {text}: it is not in the model store {store}, and no NAME=URL or path")
    url = match["url"]
    if "://" not in url and not url.startswith("file:"):
        url = Path(url).expanduser().absolute().as_uri()
    return Registration(
        match["name"] or model_name(url),
        url,
        match["version"] or None,
        match["engine"] or None,
        match["devices"] or None,
        at_startup=True,
    )
