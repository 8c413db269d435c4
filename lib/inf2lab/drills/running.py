"""Drills in which a server that answered well gets into trouble: too slow, dead, full, in the way, or gone."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from inf2lab.drills.drill import PATIENCE_S, Drill, Scene, Sighting, curl, terminal
from inf2lab.drills.folders import ENGINE, OBEDIENT
from inf2lab.errors import EndpointError, PortInUse, ServerError

if TYPE_CHECKING:
    from inf2lab.drills.act import Site
    from inf2lab.endpoint import Answer

_SMALL = Scene({**ENGINE, "option.predict_timeout": 2}, OBEDIENT)
_SHORT_QUEUE = Scene({**ENGINE, "job_queue_size": 2}, OBEDIENT)
_AGAIN = r"PyProcess Model \[.*\] initialized\."  # the replacement has loaded the model


def _too_slow(site: Site) -> Sighting:
    seen = site.send({"text": "slow", "sleep_s": 30}, until=_AGAIN)
    return _recovered(site, seen)


def _dies(site: Site) -> Sighting:
    seen = site.send({"text": "last words", "die": True}, until=_AGAIN)
    return _recovered(site, seen)


def _recovered(site: Site, seen: Sighting) -> Sighting:
    """Return the sighting with the answer to one more, good request, which the new worker gives."""
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
    with site.second_server() as second:
        site.start()  # the second one still loads when this opens the port
        second.go_on()
        code = second.wait()
    answer = site.server.endpoint.send({"text": "the first one answers"})
    return Sighting(f"exit code {code}\n\n{curl(answer)}", second.log())


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


RUNNING = (
    Drill(
        name="predict-timeout",
        title="An answer takes longer than the timeout",
        how="allow 2 seconds (option.predict_timeout=2) and ask for 30",
        answer=r"^HTTP/1\.1 503 (?s:.*)TimeoutException(?s:.*)^HTTP/1\.1 200 ",
        log=r"predict\[init=false\] exception: java\.util\.concurrent\.TimeoutException",
        cause="The server gives up, kills the worker and starts another: the model is loaded again.",
        fix="Raise option.predict_timeout, ask for fewer tokens, and warm each shape up once after the start.",
        chip="The reload takes minutes, and DJLServing 0.25 answers this request only after it; then a minute of 503.",
        scene=_SMALL,
        act=_too_slow,
        covers=("predict-timeout",),
    ),
    Drill(
        name="crash-in-the-handler",
        title="The worker's process dies",
        how="let the kernel kill the worker while it answers, as it does when memory is short",
        answer=r"^HTTP/1\.1 503 (?s:.*)Python worker disconnected(?s:.*)^HTTP/1\.1 200 ",
        log=r"Python worker disconnected",
        cause="A crash of native code, sys.exit, or the kernel's memory killer (`dmesg` says so).",
        fix="Find the reason in the lines above it and in `dmesg`; the server starts a new worker by itself.",
        chip="Two copies of a large model in host memory are the usual reason. The reload takes minutes.",
        scene=_SMALL,
        act=_dies,
    ),
    Drill(
        name="port-taken",
        title="Somebody else listens on the port",
        how="listen on the port, then start a server on it",
        answer=r"^PortInUse: port \d+ is taken by ",
        cause="Another server, notebook or container has the port.",
        fix="`inf2lab stop` stops what this clone started; else end the other, or choose another port.",
        chip="Docker says `port is already allocated`, or the server stops with `Failed to bind to address`.",
        scene=_SMALL,
        act=_taken,
    ),
    Drill(
        name="two-servers-at-once",
        title="Two servers are started for one port",
        how="start a second server while the first is still loading: the port is free until then",
        answer=r"^exit code 1\n\nHTTP/1\.1 200 ",
        log=r"java\.io\.IOException: Failed to bind to address",
        cause="The port opens after the load. Two servers that load at once both see it free; the later one fails.",
        fix="Look with `inf2lab status` before you start, and wait for *ready*.",
        chip="Minutes of loading are lost. There two servers also meet on the cores, whatever their ports: the later "
        "one fails with `NeuronCore(s) not available`. The rehearsal counts no cores across servers.",
        scene=_SMALL,
        act=_second_server,
    ),
    Drill(
        name="stale-state-file",
        title="The state file names a server that is gone",
        how="kill the server's process, as a restart of the machine does",
        answer=r"^ServerError: no server of this lab runs on port \d+(?s:.*)^EndpointDown: nothing listens at"
        r"(?s:.*)^HTTP/1\.1 200 ",
        cause="logs/state/server-PORT.json stays behind when a server is killed; its process id may be another's now.",
        fix="Start it again; `inf2lab stop` removes stale files. It compares start times, so it stops no stranger.",
        chip="A container that was killed: `docker ps --all` shows its exit code, 137 for the memory killer.",
        scene=_SMALL,
        act=_killed,
    ),
    Drill(
        name="queue-full",
        title="503: the queue is full",
        how="send five requests at once where job_queue_size is 2 and one worker is busy",
        answer=r"^HTTP/1\.1 503 (?s:.*)Worker queue capacity exceeded",
        log=r"Worker queue capacity exceeded for model",
        cause="More requests wait than the queue may hold: the server is slower than its clients.",
        fix="Retry with a growing pause, send fewer at once, or add copies. A longer queue only waits longer.",
        chip="The same words. The default of 1000 is far too long for a model that takes seconds an answer.",
        scene=_SHORT_QUEUE,
        act=_five_at_once,
    ),
)
