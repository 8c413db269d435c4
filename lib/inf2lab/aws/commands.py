"""A command on an instance, by Session Manager: no port is opened for it, and no key is made.

Its document runs the script as root. What it prints comes back cut off after 24,000 characters (API of
GetCommandInvocation), so a script prints what is wanted and no more.
"""

from dataclasses import dataclass
from typing import Any

from inf2lab import catalog
from inf2lab.aws.calls import Call, settle
from inf2lab.aws.connection import Cloud
from inf2lab.aws.errors import CloudError

POLL_S = 5
DELIVERY_S = 60  # the agent takes a command at once, or is gone
MARGIN_S = 60  # beyond the script's own time: the instance is to give up first, and to say why
UNDER_WAY = ("Pending", "InProgress", "Delayed", "Cancelling")
NOT_YET = r"InvocationDoesNotExist.*"  # of a command that was sent a moment ago


@dataclass(frozen=True)
class Ran:
    """What a command on an instance gave: its exit code, and what it printed."""

    code: int
    output: str
    errors: str

    @property
    def ok(self) -> bool:
        """Whether it ended with 0."""
        return self.code == 0


def run_command(cloud: Cloud, instance_id: str, script: str, *, patience_s: int) -> Ran:
    """Run a script of POSIX sh on an instance, as root, and wait for its end; raises CloudError if it has none.

    A script that fails is no error here: its exit code says so.
    """
    asked: dict[str, Any] = {
        "InstanceIds": [instance_id],
        "DocumentName": catalog.cloud_facts().command_document,
        "TimeoutSeconds": DELIVERY_S,
        "Parameters": {"commands": [script], "executionTimeout": [str(patience_s)]},
    }
    command = cloud.call("ssm", "send_command", **asked)["Command"]["CommandId"]
    look = Call("ssm", "get_command_invocation", {"CommandId": command, "InstanceId": instance_id}, settles=NOT_YET)
    for _ in range(0, patience_s + DELIVERY_S + MARGIN_S, POLL_S):
        seen = settle(cloud, look)
        if seen["Status"] in ("Success", "Failed"):
            return Ran(seen["ResponseCode"], seen["StandardOutputContent"], seen["StandardErrorContent"])
        if seen["Status"] not in UNDER_WAY:
            break
        cloud.pause(POLL_S)
    else:
        cloud.call("ssm", "cancel_command", CommandId=command, InstanceIds=[instance_id])
    said = f"no end within {patience_s} s; printed until then: {seen.get('StandardOutputContent', '')[-300:]!r}"
    raise CloudError("ssm send_command", seen["Status"], said, "look at the instance by `aws ssm start-session`")
