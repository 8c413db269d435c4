"""What the inf2 lane needs where there is no AWS: moto behind a loopback port, for processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-2"


@pytest.fixture(scope="session")
def moto_server() -> Iterator[dict[str, str]]:
    """The environment that leads boto3, in any process, to an AWS played on 127.0.0.1. Each test leaves nothing in it.

    It knows the base Neuron images in us-east-2 and us-west-2, and plays the first boot of what is launched. Quota and
    price look-ups fail in it, as they do for somebody without those permissions.
    """
    if Path("/etc/inf2lab/run").exists():
        pytest.skip("this machine is an instance that inf2lab launched: it launches no other")
    command = [sys.executable, str(ROOT / "tests" / "support" / "played_aws.py"), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield {**_printed(server), "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}
    finally:
        server.terminate()
        server.wait(60)
        server.stdout.close()


def _printed(server: subprocess.Popen[str]) -> dict[str, str]:
    """The variables that the server prints before it says that it is ready."""
    found = {}
    for line in server.stdout:
        if line.startswith("# ready"):
            return found
        name, _, value = line.removeprefix("export ").strip().partition("=")
        found[name] = value
    raise RuntimeError(f"tests/support/played_aws.py ended with code {server.wait()}")


def client(moto_server: Mapping[str, str], service: str, region: str = REGION) -> Any:
    """A client of the test's own into the played AWS."""
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=moto_server["AWS_ENDPOINT_URL"],
        aws_access_key_id=moto_server["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=moto_server["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture
def aws_left(moto_server: dict[str, str]) -> Any:
    """A function that lists what is in the played account: instances not terminated, volumes, groups, roles."""

    def look(region: str = REGION) -> list[str]:
        ec2, iam = client(moto_server, "ec2", region), client(moto_server, "iam", region)
        groups = ec2.describe_instances()["Reservations"]
        found = [
            f"instance {one['InstanceId']}"
            for group in groups
            for one in group["Instances"]
            if one["State"]["Name"] != "terminated"
        ]
        found += [f"volume {one['VolumeId']}" for one in ec2.describe_volumes()["Volumes"]]
        rows = ec2.describe_security_groups()["SecurityGroups"]
        found += [f"group {one['GroupId']}" for one in rows if one["GroupName"] != "default"]
        rows = client(moto_server, "scheduler", region).list_schedule_groups()["ScheduleGroups"]
        found += [f"schedules {one['Name']}" for one in rows if one["Name"] != "default"]
        return found + [f"role {one['RoleName']}" for one in iam.list_roles()["Roles"]]

    return look
