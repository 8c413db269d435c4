"""What a drill does to a site: the actions that failures.json names."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from inf2lab.drills.drill import PATIENCE_S, Sighting, curl, terminal
from inf2lab.errors import EndpointError, LoadFailed, PortInUse, ServerError

if TYPE_CHECKING:
    from inf2lab.drills.act import Site
    from inf2lab.endpoint import Answer

_LAST_OF_AN_EXCEPTION = r"-stderr: Arguments: \("  # DJL's 0.25 worker ends a handler's traceback with it
_AGAIN = r"PyProcess Model \[.*\] initialized\."  # the replacement has loaded the model


def _fail_to_start(site: Site) -> Sighting:
    """Return what the starter of a server that must not start reads, and its whole log."""
    try:
        site.start()
    except LoadFailed as error:
        return Sighting(terminal(error), site.server.log_path.read_text(errors="replace"))
    return Sighting("it started")


def _send(site: Site, *, body: Any, **options: str) -> Sighting:
    return site.send(body, **options)


def _refuse(site: Site, *, body: Any) -> Sighting:
    """Send a request on which the handler raises; the sighting's log is the traceback, to its end."""
    return site.send(body, until=_LAST_OF_AN_EXCEPTION)


def _refuse_long_prompt(site: Site) -> Sighting:
    return _refuse(site, body={"seq_length": 2048, "text": ["volume " * 2100] * 2})


def _recover(site: Site, *, body: Any) -> Sighting:
    """Return the sighting with the answer to one more, good request, which the new worker gives."""
    seen = site.send(body, until=_AGAIN)
    again = site.server.endpoint.send({"text": "again"})
    return Sighting(f"{seen.answer}\n\n{curl(again)}", seen.log)


def _five_at_once(site: Site) -> Sighting:
    site.start()
    mark = site.server.log_size()
    site.beside.touch()  # as long as it is there, the first request is being answered
    body = {"text": "waiting", "while_there_is": str(site.beside)}
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(site.server.endpoint.send, body) for _ in range(5)]
        try:
            refused = _first(asked, 503)
        finally:
            site.beside.unlink(missing_ok=True)
    return Sighting(curl(refused), site.server.log_since(mark, "Worker queue capacity exceeded"))


def _first(asked: list, status: int) -> Answer:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for answer in (future.result() for future in asked if future.done()):
            if answer.status == status:
                return answer
        time.sleep(0.01)
    raise EndpointError(0, "nothing", f"no request was answered with {status} within {PATIENCE_S} s")


def _taken(site: Site) -> Sighting:
    site.server.stop()
    with socket.create_server(("127.0.0.1", site.settings.port)):
        try:
            site.start()
        except PortInUse as error:
            return Sighting(terminal(error))
    return Sighting("it started")


def _second_server(site: Site) -> Sighting:
    """Start a server, and a second one while it loads, as another clone or terminal would."""
    site.server.stop()
    with site.second_server() as (folder, process):
        site.start()  # the second one still loads when this opens the port
        (folder / "hold").unlink()
        code = process.wait(PATIENCE_S)
        log = (folder / "console.log").read_text(errors="replace")
    answer = site.server.endpoint.send({"text": "the first one answers"})
    return Sighting(f"exit code {code}\n\n{curl(answer)}", log)


def _killed(site: Site) -> Sighting:
    from inf2lab.serving import Server, all_servers

    site.start()
    site.kill_server()
    said = []
    try:
        Server.running(site.settings)
    except ServerError as error:
        said.append(terminal(error))
    try:
        site.server.endpoint.send({"text": "anybody there?"})
    except EndpointError as error:
        said.append(terminal(error))
    said += [f"inf2lab status: {server.status().state}" for server in all_servers() if server.url == site.server.url]
    site.start()  # the remedy
    return Sighting("\n".join([*said, curl(site.server.endpoint.send({"text": "here"}))]))


ACTIONS: Mapping[str, Callable[..., Sighting]] = {
    "fail to start": _fail_to_start,
    "send": _send,
    "refuse": _refuse,
    "refuse a long prompt": _refuse_long_prompt,
    "recover": _recover,
    "send five at once": _five_at_once,
    "take the port": _taken,
    "start a second server": _second_server,
    "kill the server": _killed,
}
