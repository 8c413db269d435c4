"""AWS as moto plays it, with what moto does not know put in: errors on the wire, interrupts, things that do not end.

No test here reaches a network or has real credentials. `aws.left()` looks into moto's state itself, past its calls and
without tags: what a sweep overlooks is seen here.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from inf2lab import Settings, aws
from tests.support import played_aws

REGION = "us-east-2"
OTHER_REGION = "us-west-2"
WHITE_BOX = ("us-east-2", "us-west-2")


class _Raw(io.BytesIO):
    def stream(self, **options: Any) -> Iterator[bytes]:
        yield self.read()


@dataclass
class PlayedAws:
    """One account. `session` is what the code under test gets; `fail` and `interrupt` act on its next clients."""

    _session: boto3.Session = field(default_factory=played_aws.own_session)
    pauses: list[float] = field(default_factory=list)
    _clouds: dict[str, aws.Cloud] = field(default_factory=dict)

    @property
    def session(self) -> boto3.Session:
        """A session of this test alone; who takes it may add to its events, so clients are made anew after that."""
        self._clouds.clear()
        if self._session is played_aws.own_session():
            self._session = played_aws.new_session()
        return self._session

    def cloud(self, region: str = REGION) -> aws.Cloud:
        """The way to this AWS, with pauses that take no time."""
        if region not in self._clouds:
            found = aws.connect(Settings(lane="inf2"), region=region, session=self._session)
            self._clouds[region] = replace(found, pause=self.pauses.append)
        return self._clouds[region]

    def client(self, service: str, region: str = REGION) -> Any:
        """A client of the test's own, on which nothing is injected."""
        return played_aws.own_client(service, region)

    def fail(
        self,
        operation: str,
        code: str,
        message: str = "",
        *,
        times: int = 10**6,
        only_if: str = "",
        status: int = 400,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Answer `service.Operation` with an error on the wire, `times` times, where the body holds `only_if`."""
        left = [times]

        def answer(request: Any, **event: Any) -> AWSResponse | None:
            body = request.body or b""
            text = body.decode() if isinstance(body, bytes) else str(body)
            if not left[0] or only_if not in text:
                return None
            left[0] -= 1
            request.refused = True
            return _error(request.url, code, message, status, headers or {})

        self.session.events.register(f"before-send.{operation}", answer)

    def interrupt(self, number: int, *, error: type[BaseException] = KeyboardInterrupt) -> None:
        """Raise after the `number`th call that changes something was answered."""
        played_aws.stop_after(self.session, number, error)

    def kill(self, number: int) -> None:
        """Raise SystemExit after the `number`th call that changes something, and at every call from then on."""
        played_aws.die_after(self.session, number)

    def heal(self) -> None:
        """End what `fail`, `interrupt` and `kill` do, for clients that are made from now on."""
        self._session = played_aws.own_session()
        self._clouds.clear()

    def left(self, *regions: str) -> list[str]:
        """Everything in the account that is not there by default, as "kind id"."""
        found = [line for region in regions or WHITE_BOX for line in _left_in(region)]
        iam = _state("iam", "aws")
        found += [f"role {one.name}" for one in iam.roles.values()]
        return found + [f"profile {one.name}" for one in iam.instance_profiles.values()]


def _state(service: str, region: str) -> Any:
    """Moto's state of a service in a region."""
    models = importlib.import_module(f"moto.{service}.models")
    return getattr(models, f"{service}_backends")[played_aws.ACCOUNT][region]


def _left_in(region: str) -> list[str]:
    ec2, alarms = _state("ec2", region), _state("cloudwatch", region).alarms
    instances = [one for group in ec2.reservations.values() for one in group.instances]
    found = [f"instance {one.id}" for one in instances if one._state.name != "terminated"]
    found += [f"volume {name}" for name in ec2.volumes]
    found += [f"address {one.allocation_id}" for one in ec2.addresses]
    found += [
        f"snapshot {one.id}"
        for one in ec2.snapshots.values()
        if not (one.description or "").startswith("Auto-created snapshot for AMI")  # moto's images have them
    ]
    groups = [one for network in ec2.groups.values() for one in network.values()]
    found += [f"group {one.id}" for one in groups if one.name != "default"]
    schedules = _state("scheduler", region).schedule_groups.values()
    found += [f"schedules {one.name}" for one in schedules if one.name != "default"]
    found += [f"schedule {name}" for one in schedules for name in one.schedules]
    found += [f"alarm {name}" for name in alarms]
    return found + [f"stack {one.name}" for one in _state("cloudformation", region).stacks.values()]


def _error(url: str, code: str, message: str, status: int, headers: dict[str, str]) -> AWSResponse:
    """An error in the words of the protocol that the service at `url` speaks."""
    said = f"<Code>{code}</Code><Message>{message}</Message>"
    if "//ec2." in url:
        text = f"<Response><Errors><Error>{said}</Error></Errors><RequestID>1</RequestID></Response>"
    elif any(host in url for host in ("//iam.", "//sts.", "//cloudformation.")):
        text = f"<ErrorResponse><Error><Type>Sender</Type>{said}</Error><RequestId>1</RequestId></ErrorResponse>"
    else:
        text = json.dumps({"__type": code, "message": message, "Message": message})
        headers = {"x-amzn-errortype": code, **headers}
    return AWSResponse(url, status, headers, _Raw(text.encode()))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection is an error."""

    def refuse(self: socket.socket, address: object) -> None:
        raise AssertionError(f"a connection to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, no_network: None) -> Iterator[PlayedAws]:
    """An account with nothing in it."""
    for name, value in played_aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)  # between retries
    play = BotocoreStubber.process_request  # every handler of a request is called: a refused one must not be played
    monkeypatch.setattr(
        BotocoreStubber,
        "process_request",
        lambda self, request: None if hasattr(request, "refused") else play(self, request),
    )
    monkeypatch.setattr("inf2lab.aws.connection.LAUNCHED_HERE", Path("/nowhere"))
    monkeypatch.setenv("PATH", str(played_aws.PROGRAMS), prepend=os.pathsep)
    with mock_aws():
        played_aws.put_in(list(WHITE_BOX))
        yield PlayedAws()


@dataclass(frozen=True)
class Launching:
    """A launch in one line, quiet."""

    played: PlayedAws

    def request(self, here: aws.Cloud, **choices: Any) -> aws.LaunchRequest:
        """The request for an inf2.xlarge of one hour in the first zones."""
        offered = aws.offering(here, "inf2.xlarge")
        return aws.launch_request(here, "inf2.xlarge", aws.look_up_image(here), hours=1, offered=offered, **choices)

    def __call__(self, region: str = REGION, **choices: Any) -> aws.Run:
        """Launch for good and return the run."""
        here = self.played.cloud(region)
        run = aws.launch(here, self.request(here, **choices), confirm=True, another=True, report=lambda line: None).run
        assert run is not None
        return run

    def sweep(self, **choices: Any) -> aws.SweepReport:
        """Sweep every run on record."""
        here = choices.pop("here", None) or self.played.cloud()
        return aws.sweep(here, aws.all_runs(), report=lambda line: None, **choices)


@pytest.fixture
def launching(played: PlayedAws) -> Launching:
    """A function that launches; its `sweep` ends what it launched."""
    return Launching(played)
