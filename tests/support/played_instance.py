"""An Inf2 instance that is played: its programs, its memory, its disk, its clock, and Session Manager's way to it.

What it refuses is what a real one refuses (tests/support/played_machine.py). Time passes only where somebody waits or
a program takes it, so a load of forty minutes is over in a second, and the same on every machine.
"""

from __future__ import annotations

import atexit
import io
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from inf2lab import catalog
from inf2lab.aws import Moment
from inf2lab.doctor import instance
from neuron_rules import GIB
from tests.support import played_machine

# A program of a machine: it has the one process play it, for Python takes longer to start than any of them to run.
PROGRAM = """\
#!/bin/bash
if [ {name} = date ] && [ "$*" != +%s ]; then exec /bin/date "$@"; fi
exec 3<>/dev/tcp/127.0.0.1/{port}
printf '%s\\0' "$#" "$PLAYED_MACHINE" {name} "$@" >&3
IFS= read -r -d '' printed <&3
IFS= read -r -d '' said <&3
IFS= read -r -d '' code <&3
printf %s "$said" >&2
printf %s "$printed"
exit "$code"
"""
BEGIN = Moment(2026, 11, 28, 12, tzinfo=UTC)
PLAYED = re.compile(r"/home/|/sys/module/neuron|/sys/fs/cgroup|/dev/neuron|/opt/aws/neuron/bin|/tmp/inf2lab")
GOOD_DRIVER, NEW_DRIVER, OLD_DRIVER = "2.25.4.0", "2.31.7.0", "2.5.0.0"


@cache
def start_programs() -> int:
    """Start the process that plays the programs of every machine, for as long as this one runs; returns its port."""
    command = [sys.executable, "-SE", played_machine.__file__]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(process.communicate)  # its stdin ends
    return int(process.stdout.readline())


class _Raw(io.BytesIO):
    def stream(self, **options: Any) -> Iterator[bytes]:
        yield self.read()


@dataclass
class PlayedInstance:
    """One machine in a folder of its own. `scripts` are what Session Manager was given to run, in order."""

    folder: Path
    scripts: list[str] = field(default_factory=list)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        folder: Path,
        *,
        instance_type: str = "inf2.xlarge",
        profile: str = "djl-0.25",
        driver: str = GOOD_DRIVER,
        gone: bool = False,
        **changes: Any,
    ) -> PlayedInstance:
        """Make the machine's folder: programs, devices, driver and state; `gone` takes the image from the registry."""
        row, stack = catalog.instance(instance_type), catalog.profile(profile)
        drivers = catalog.accepted_drivers(stack.runtime)
        state = {
            "now": BEGIN.timestamp(),
            "folder": str(folder),
            "driver": driver,
            "driver_fits": bool(driver) and drivers.accepts(driver),
            "driver_is_newer": bool(driver) and drivers.is_too_new(driver),
            "instance": instance_type,
            "runtime": f"{stack.runtime}.15.0",
            "devices": row.chips,
            "host_gib": row.host_gib,
            "disk_mb_s": 125,  # gp3 as it comes
            "network_mb_s": 80,
            "compile_s": 7.2,  # a layer of a program; with it OPT-13B takes forty minutes
            "token_ms": 12.0,
            "fails_from_tokens": 10**9,
            "forgets": False,  # puts downloads and programs into the container, whatever is mounted
            "device_bytes": 4 * 10**9,
            "image_bytes": 9 * 10**9,
            "image_env": dict.fromkeys(getattr(stack, "cache_variables", ()), "/tmp/.cache/huggingface/hub"),
            "packages": dict(stack.packages),
            "gone": [stack.image] if gone else [],
            "pulled": [],
            "containers": {},
            "load_failure_code": stack.error_codes["load_failure_exit_code"] or 0,
            "models": {
                name: {"parameters": entry.parameters, "layers": entry.dims.layers}
                for name, entry in catalog.model_entries().items()
            },
        }
        machine = cls(folder)
        machine.programs.mkdir(parents=True)
        for name in played_machine.PROGRAMS:
            path = machine.programs / name
            path.write_text(PROGRAM.format(name=name, port=start_programs()))
            path.chmod(0o755)
        version = folder / "sys/module/neuron/version"
        version.parent.mkdir(parents=True)
        if driver:
            version.write_text(f"{driver}\n")
        (folder / "dev").mkdir()
        for number in range(row.chips):
            device = folder / "dev" / f"neuron{number}"
            device.touch()
            device.chmod(0o666)
        machine.write(state | changes)
        return machine

    @property
    def programs(self) -> Path:
        """The folder that stands first on its PATH."""
        return self.folder / "bin"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of whatever runs on it."""
        return {"PATH": f"{self.programs}:/usr/bin:/bin", "PLAYED_MACHINE": str(self.folder), "HOME": str(self.folder)}

    def read(self) -> dict[str, Any]:
        """Its state."""
        return json.loads((self.folder / "state.json").read_text())

    def write(self, state: dict[str, Any]) -> None:
        """Write its state."""
        (self.folder / "state.json").write_text(json.dumps(state))

    def pause(self, seconds: float) -> None:
        """Let time pass on it."""
        state = self.read()
        self.write(state | {"now": state["now"] + seconds})

    def clock(self) -> Moment:
        """Return the time on it."""
        return Moment.fromtimestamp(self.read()["now"], UTC)

    @contextmanager
    def on_it(self, monkeypatch: pytest.MonkeyPatch, port: int) -> Iterator[None]:
        """Make this process one that runs on it: its programs, devices, memory, disk and clock, and what listens there.

        Whoever waits for a server passes two minutes at least: a look costs three programs.
        """
        server: list[ThreadingHTTPServer] = []

        def listen() -> None:
            ready = any(how == "ready" for how in self.containers().values())
            if ready and not server:
                server.append(_serve(self, port))
            elif server and not ready:
                _end(server.pop())

        def sleep(seconds: float) -> None:
            self.pause(max(seconds, 120))
            listen()

        clock = SimpleNamespace(monotonic=lambda: self.read()["now"], sleep=sleep)
        monkeypatch.setattr("inf2lab.serving.interface.time", clock)
        for name, value in {**self.environment, "INF2LAB_DEVICES": str(self.folder / "dev")}.items():
            monkeypatch.setenv(name, value)
        gib = self.read()["host_gib"] * GIB
        monkeypatch.setattr(instance, "DRIVER", self.folder / "sys/module/neuron")
        monkeypatch.setattr(instance, "TOOLS", str(self.folder / "nowhere"))
        instance.query_for_packages.cache_clear()
        monkeypatch.setattr(instance.psutil, "virtual_memory", lambda: SimpleNamespace(total=gib, available=gib))
        monkeypatch.setattr(
            instance.shutil, "disk_usage", lambda path: SimpleNamespace(total=0, used=0, free=400 * GIB)
        )
        monkeypatch.setattr(instance.os, "getuid", lambda: 1000)
        listen()
        try:
            yield
        finally:
            instance.query_for_packages.cache_clear()
            for one in server:
                _end(one)

    def containers(self) -> dict[str, str]:
        """What each container that was not stopped does now: loading, ready, or how it ended."""
        state = self.read()
        known = state["containers"].items()
        return {name: played_machine.look(state, one) for name, one in known if not one.get("stopped")}

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script as its agent does, with its own paths in place of the machine's."""
        self.scripts.append(script)
        command = ["/bin/sh", "-c", PLAYED.sub(lambda match: f"{self.folder}{match[0]}", script)]
        (self.folder / "tmp").mkdir(exist_ok=True)
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def attach(self, session: boto3.Session) -> None:
        """Answer Session Manager's commands of a session's clients: moto runs none."""
        session.events.register("before-send.ssm.SendCommand", self.take)
        session.events.register("before-send.ssm.GetCommandInvocation", self.tell)

    def take(self, request: Any, **event: Any) -> AWSResponse:
        """Take a command of Session Manager's, and run it."""
        asked = json.loads(request.body)
        (script,), command = asked["Parameters"]["commands"], str(uuid.uuid4())
        done = self.run(script)
        self.answers[command] = {
            "CommandId": command,
            "Status": "Failed" if done.returncode else "Success",
            "ResponseCode": done.returncode,
            "StandardOutputContent": done.stdout[:24000],
            "StandardErrorContent": done.stderr[:24000],
        }
        return _answer(request, {"Command": {"CommandId": command}})

    def tell(self, request: Any, **event: Any) -> AWSResponse:
        """Say how a command ended."""
        return _answer(request, self.answers[json.loads(request.body)["CommandId"]])


def _serve(machine: PlayedInstance, port: int) -> ThreadingHTTPServer:
    """Listen on a port of 127.0.0.1 as the container's published port does; an answer takes the machine's time."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say("{}")

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, text, seconds = played_machine.answer(machine.read(), data)
            machine.pause(seconds)
            self._say(text, status)

        def _say(self, text: str, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Stays silent."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


def _end(server: ThreadingHTTPServer) -> None:
    server.shutdown()
    server.server_close()


def _answer(request: Any, content: dict[str, Any]) -> AWSResponse:
    request.refused = True  # moto is not asked
    headers = {"content-type": "application/x-amz-json-1.1"}
    return AWSResponse(request.url, 200, headers, _Raw(json.dumps(content).encode()))
