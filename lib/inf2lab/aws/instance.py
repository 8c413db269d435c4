"""The launch as data: every call with its parameters, in the order in which they are sent, before any is sent."""

from __future__ import annotations

import json
import secrets
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from inf2lab import catalog
from inf2lab.aws.connection import Cloud
from inf2lab.aws.lookups import Image, Offering
from inf2lab.aws.user_data import user_data
from inf2lab.errors import SettingsError

RUN_TAG, DEADLINE_TAG = "inf2lab:run", "inf2lab:deadline"
IAM_PATH = "/inf2lab/"  # of roles and profiles, by which a sweep lists them
REHEARSED_RUN = "rehearsal"  # the run id of a request that is never sent
TAGGED = ("instance", "volume", "network-interface")
SSM_POLICY = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
TERMINATE_TARGET = "arn:aws:scheduler:::aws-sdk:ec2:terminateInstances"
GROUP, INSTANCE, DEADLINE_ROLE = "<security group id>", "<instance id>", "<deadline role arn>"
SHOWN_WIDTH = 104


@dataclass(frozen=True)
class Call:
    """One call; `gives` names what later calls need of its answer, `settles` errors that pass within a minute."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    gives: Mapping[str, str] = field(default_factory=dict)  # placeholder: path in the answer
    settles: str = ""  # pattern of "code: message" that means "not yet", because AWS is eventually consistent

    def __str__(self) -> str:
        lines = [f"{self.service}.{self.operation}("]
        for name, value in self.parameters.items():
            text = f"<{len(value)} characters of shell>" if name == "UserData" else repr(value)
            lines += _wrapped(name, text)
        return "\n".join([*lines, ")"])


@dataclass(frozen=True)
class LaunchRequest:
    """Everything that `launch` will ask for. `calls` are exactly those that are sent."""

    run: str
    region: str
    instance: str
    image: Image
    zones: tuple[str, ...]  # tried in this order; empty leaves the choice to AWS
    hours: int
    deadline: datetime
    disk_gib: int
    spot: bool
    user_data: str
    calls: tuple[Call, ...]

    @property
    def run_instances(self) -> Call:
        """The call that starts the bill."""
        return next(call for call in self.calls if call.operation == "run_instances")

    def __str__(self) -> str:
        return str(self.run_instances)


def launch_request(
    cloud: Cloud,
    instance: str,
    image: Image,
    *,
    hours: int,
    offered: Offering | None = None,
    spot: bool = False,
    disk_gib: int | None = None,
    repository: str = "",
    run: str | None = None,
) -> LaunchRequest:
    """Return the request for one instance that ends itself after `hours`; nothing is sent.

    Raises SettingsError on a number of hours or GiB that makes no sense.
    """
    facts = catalog.cloud_facts()
    disk = facts.disk_gib if disk_gib is None else disk_gib
    if not 1 <= hours <= facts.longest_hours:
        raise SettingsError("hours", hours, f"must be from 1 to {facts.longest_hours}; `inf2lab extend` adds more")
    if not 100 <= disk <= 16384:
        raise SettingsError("disk_gib", disk, "must be from 100 (image and checkpoints) to 16384 (gp3's largest)")
    if catalog.instance(instance).family != "inf2":
        raise SettingsError("instance", instance, "this lane launches inf2 instances; the catalog plans for others")
    now = cloud.now()
    run = run or (new_run_id(now) if cloud.live else REHEARSED_RUN)
    deadline = now + timedelta(hours=hours)
    script = user_data(
        {
            "Run": run,
            "Deadline": stamp(deadline),
            "User": image.user,
            "Port": str(facts.jupyter_port),
            "Repository": repository,
        }
    )
    tags = tag_list(run, deadline)
    parameters: dict[str, Any] = {
        "InstanceType": instance,
        "ImageId": image.id,
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": run,
        "BlockDeviceMappings": [
            {
                "DeviceName": image.root_device,
                "Ebs": {
                    "VolumeSize": disk,
                    "VolumeType": "gp3",
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 2,
            "InstanceMetadataTags": "enabled",
        },
        "InstanceInitiatedShutdownBehavior": "terminate",
        "IamInstanceProfile": {"Name": names(run)["instance"]},
        "SecurityGroupIds": [GROUP],
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in TAGGED],
        "UserData": script,
    }
    if spot:
        options = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        parameters["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": options}
        parameters["TagSpecifications"].append({"ResourceType": "spot-instances-request", "Tags": tags})
    zones = offered.zones if offered else ()
    calls = _calls(run, deadline, parameters)
    return LaunchRequest(run, cloud.region, instance, image, zones, hours, deadline, disk, spot, script, calls)


def new_run_id(now: datetime) -> str:
    """Return a name for a run: when, and four random letters."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def names(run: str) -> dict[str, str]:
    """Return the names of what a run creates that has a name: roles and profile, group, schedule."""
    kinds = ("instance", "deadline")
    return {kind: f"inf2lab-{run}-{kind}" for kind in kinds} | {"group": f"inf2lab-{run}"}


def stamp(moment: datetime) -> str:
    """Return a moment as tags, scripts and people read it: 2026-11-23T14:35:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_stamp(text: str) -> datetime:
    """Return the moment that `stamp` wrote."""
    return datetime.fromisoformat(text)


def schedule_expression(moment: datetime) -> str:
    """Return EventBridge Scheduler's one-shot expression, in UTC."""
    return f"at({stamp(moment).removesuffix('Z')})"


def tag_list(run: str, deadline: datetime | None = None) -> list[dict[str, str]]:
    """Return the tags of what a run creates; the instance's own script reads the deadline from its tag."""
    tags = {"Name": f"inf2lab-{run}", RUN_TAG: run} | ({DEADLINE_TAG: stamp(deadline)} if deadline else {})
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _calls(run: str, deadline: datetime, run_instances: dict[str, Any]) -> tuple[Call, ...]:
    named, tags = names(run), tag_list(run)
    role, watchdog, group = named["instance"], named["deadline"], named["group"]
    not_yet = r"NoSuchEntity.*"
    return (
        Call("iam", "create_role", _role(role, "ec2.amazonaws.com", tags)),
        Call("iam", "attach_role_policy", {"RoleName": role, "PolicyArn": SSM_POLICY}, settles=not_yet),
        Call("iam", "create_instance_profile", {"InstanceProfileName": role, "Path": IAM_PATH, "Tags": tags}),
        Call(
            "iam",
            "add_role_to_instance_profile",
            {"InstanceProfileName": role, "RoleName": role},
            settles=not_yet,
        ),
        Call(
            "iam",
            "create_role",
            _role(watchdog, "scheduler.amazonaws.com", tags),
            gives={DEADLINE_ROLE: "Role.Arn"},
        ),
        Call(
            "iam",
            "put_role_policy",
            {"RoleName": watchdog, "PolicyName": "terminate", "PolicyDocument": terminate_policy(run)},
            settles=not_yet,
        ),
        Call(
            "ec2",
            "create_security_group",
            {
                "GroupName": group,
                "Description": "inf2lab: no way in; Session Manager is the way",
                "TagSpecifications": [{"ResourceType": "security-group", "Tags": tags}],
            },
            gives={GROUP: "GroupId"},
        ),
        Call(
            "ec2",
            "run_instances",
            run_instances,
            gives={INSTANCE: "Instances[0].InstanceId"},
            settles=r"InvalidParameterValue:.*[Ii]nstance [Pp]rofile.*|InvalidGroup\.NotFound.*",
        ),
        Call("scheduler", "create_schedule_group", {"Name": group, "Tags": tags}),
        Call(
            "scheduler",
            "create_schedule",
            {
                "Name": "deadline",
                "GroupName": group,
                "ScheduleExpression": schedule_expression(deadline),
                "ScheduleExpressionTimezone": "UTC",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "ActionAfterCompletion": "DELETE",
                "Target": {
                    "Arn": TERMINATE_TARGET,
                    "RoleArn": DEADLINE_ROLE,
                    "Input": json.dumps({"InstanceIds": [INSTANCE]}),
                },
            },
            settles=r"ValidationException:.*role.*|ResourceNotFoundException.*",
        ),
    )


def _role(name: str, service: str, tags: list[dict[str, str]]) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {
        "RoleName": name,
        "Path": IAM_PATH,
        "AssumeRolePolicyDocument": policy(statement),
        "Tags": tags,
    }


def terminate_policy(run: str) -> str:
    """Return the policy of the outside watchdog: to terminate instances of this run, and nothing else."""
    return policy(
        {
            "Effect": "Allow",
            "Action": "ec2:TerminateInstances",
            "Resource": "*",
            "Condition": {"StringEquals": {f"aws:ResourceTag/{RUN_TAG}": run}},
        }
    )


def policy(statement: Mapping[str, Any]) -> str:
    """Return an IAM policy document of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _wrapped(name: str, text: str) -> list[str]:
    line = f"  {name}={text},"
    if len(line) <= SHOWN_WIDTH:
        return [line]
    kept = f"{text},".replace("': ", "':\N{NO-BREAK SPACE}")  # a key stays with its value
    pieces = textwrap.wrap(kept, SHOWN_WIDTH - 6, break_long_words=False, break_on_hyphens=False)
    return [f"  {name}=", *(f"      {piece}".replace("\N{NO-BREAK SPACE}", " ") for piece in pieces)]
