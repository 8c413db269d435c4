"""Whoever reaches the port can load models of their own."""

import re

from inf2lab.folder import INSIDE_PORT
from inf2lab.lint.examples import HANDLER, served
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "exposed-management", Severity.WARNING
WHY = (
    "The images serve the management API on all addresses, beside the predictions, without a password: whoever "
    "reaches it can register a model and so run code."
)
CURE = "Publish with -p 127.0.0.1:8080:8080, or set SERVING_MANAGEMENT_ADDRESS=http://127.0.0.1:8081."
BAD = served(network="--network=host")
GOOD = served()
EXPECT = ["run.sh:1 the host's network: everybody who reaches the host reaches the management API"]
_OWN = {"serving.properties": "engine=Python\n", "model.py": HANDLER}
MORE = [
    Example(
        bad=served(network="-p 8080:8080"),
        good=GOOD,
        expect=("run.sh:1 `-p 8080:8080` publishes the management API on every address of the host",),
    ),
    Example(
        bad=_OWN | {"config.properties": "management_address=http://0.0.0.0:8081\n"},
        good=_OWN | {"config.properties": "management_address=http://127.0.0.1:8081\n"},
        expect=("config.properties:1 `management_address=http://0.0.0.0:8081` is open to every address",),
    ),
]
_LOCAL = re.compile(r"(?:https?://)?(?:127\.|localhost|\[::1\])|unix:")


def check(folder: Folder) -> Hits:
    entry = folder.server.last("management_address")
    if entry and not _LOCAL.match(entry.value.strip()):
        yield Hit(entry, f"`management_address={short(entry.value)}` is open to every address")
    for run in folder.serving:
        address = run.env.get("SERVING_MANAGEMENT_ADDRESS", "")
        if _LOCAL.match(address):
            continue
        if run.on_host_network:
            message = "the host's network: everybody who reaches the host reaches the management API"
            yield Hit(run.command.at("--net"), message)
        for value in run.all("publish"):
            if not _LOCAL.match(value) and _inside(value) in ("", _port(address)):
                message = f"`-p {short(value)}` publishes the management API on every address of the host"
                yield Hit(run.command.at(value), message)


def _inside(published: str) -> str:
    """Return the container's port of `-p HOST:PORT`; of several, as in 8080-8090, none."""
    port = published.rpartition(":")[2].partition("/")[0]
    return port if port.isdecimal() else ""


def _port(address: str) -> str:
    match = re.search(r":(\d+)", address)
    return match[1] if match else str(INSIDE_PORT)
