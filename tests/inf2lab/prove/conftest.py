"""A proof against doubles: AWS as moto plays it, an instance with a clock of its own, and no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from inf2lab import Settings, aws
from inf2lab.prove import Evidence, ProofPlan, plan_proof, prove
from inf2lab.serving.registry import Published
from tests.support import played_aws
from tests.support.played_instance import PlayedInstance

PROVED: list[PlayedInstance] = []  # the machine on which commands of the shared session run


@cache
def shared_session() -> played_aws.SharedSession:
    """The session of every proof that adds nothing to its events: a client takes longer to make than to use."""
    session = played_aws.SharedSession()
    session.events.register("before-send.ssm.SendCommand", lambda **event: PROVED[0].take(**event))
    session.events.register("before-send.ssm.GetCommandInvocation", lambda **event: PROVED[0].tell(**event))
    return session


@dataclass
class Proving:
    """A proof in one line. `machine` is where its commands run; `told` what it reported."""

    folder: Path
    machine: PlayedInstance
    told: list[str] = field(default_factory=list)
    own: boto3.Session | None = None

    def exchange(self, **choices: Any) -> None:
        """Put another machine in the place of the one that is there."""
        self.machine, self.own = PlayedInstance.make(self.folder / "another", **choices), None

    @property
    def session(self) -> boto3.Session:
        """A session of this test alone, to whose events it may add."""
        if self.own is None:
            self.own = played_aws.new_session()
            self.machine.attach(self.own)
        return self.own

    @property
    def cloud(self) -> aws.Cloud:
        """The way to the played AWS, whose waits are the machine's time."""
        PROVED[:] = [self.machine]
        found = aws.connect(Settings(lane="inf2"), region=played_aws.REGION, session=self.own or shared_session())
        machine, pause = self.machine, lambda seconds: self.machine.pause(12 * seconds)  # fewer looks at a long load
        return aws.Cloud(found.region, found.session, found.account, pause=pause, clock=machine.clock)

    def plan(self, **choices: Any) -> ProofPlan:
        """The plan of a proof."""
        caps: dict[str, Any] = {"max_usd": 1.5, "max_minutes": 60}
        return plan_proof(self.cloud, Settings(lane="inf2"), self.folder / "store", **caps | choices)

    def __call__(self, **choices: Any) -> Evidence:
        """Prove, and return the evidence, read from nothing but memory."""
        return prove(self.cloud, self.plan(**choices), folder=self.evidence, report=self.told.append)[0]

    @property
    def evidence(self) -> Path:
        """The folder of evidence."""
        return self.folder / "evidence"

    def left(self) -> list[str]:
        """What still runs or bills in the account."""
        ec2, iam = played_aws.own_client("ec2"), played_aws.own_client("iam")
        rows = [one for group in ec2.describe_instances()["Reservations"] for one in group["Instances"]]
        found = [one["InstanceId"] for one in rows if one["State"]["Name"] != "terminated"]
        found += [one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]]
        found += [
            one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"] if one["GroupName"] != "default"
        ]
        return found + [one["RoleName"] for one in iam.list_roles()["Roles"]]


@pytest.fixture
def proving(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proving]:
    """A function that proves, on an instance in order."""
    for name, value in played_aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("inf2lab.aws.connection.LAUNCHED_HERE", Path("/nowhere"))
    play = BotocoreStubber.process_request  # every handler of a request is called: what is answered is not played again
    monkeypatch.setattr(
        BotocoreStubber,
        "process_request",
        lambda self, request: None if hasattr(request, "refused") else play(self, request),
    )
    there = Published("image", True, "the registry has it")
    monkeypatch.setattr("inf2lab.serving.registry.ask_registry", lambda image: there)
    with mock_aws():
        played_aws.put_in(["us-east-2", "us-west-2"])
        yield Proving(tmp_path, PlayedInstance.make(tmp_path / "machine"))
