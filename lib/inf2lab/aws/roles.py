"""Roles, each with the rights that it needs and no other: the one way in which a policy document is written."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from inf2lab.aws.calls import Call
from inf2lab.aws.kinds import IAM_PATH
from inf2lab.aws.runs import name_of, tags_of

NOT_YET = r"NoSuchEntity.*"  # said of a role that was created a moment ago

Statement = dict[str, Any]


def create_role(run: str, part: str, service: str, *, gives: str = "", only: Mapping[str, Any] | None = None) -> Call:
    """Return the call that makes a role of a run for a service; `gives` is the placeholder of its ARN.

    `only` is the condition on which the service may take it.
    """
    trust: Statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    if only:
        trust["Condition"] = only
    parameters = {
        "RoleName": name_of(run, part),
        "Path": IAM_PATH,
        "AssumeRolePolicyDocument": _write_policy(trust),
        "Tags": tags_of(run),
    }
    return Call("iam", "create_role", parameters, gives={gives: "Role.Arn"} if gives else {})


def grant(run: str, part: str, policy: str, *statements: Statement) -> Call:
    """Return the call that gives a role of a run its rights."""
    parameters = {"RoleName": name_of(run, part), "PolicyName": policy, "PolicyDocument": _write_policy(*statements)}
    return Call("iam", "put_role_policy", parameters, settles=NOT_YET)


def allow(actions: str | Sequence[str], resource: str, condition: Mapping[str, Any] | None = None) -> Statement:
    """Return a statement that allows actions on a resource."""
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | {"Condition": condition} if condition else statement


def _write_policy(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
