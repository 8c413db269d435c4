"""The two roles of an endpoint, each with the rights that it needs and no other: who runs it, and who ends it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from inf2lab.aws import Call
from inf2lab.aws.endpoint_kinds import folder_prefix
from inf2lab.aws.instance import DEADLINE_ROLE, IAM_PATH, names, policy, tag_list

if TYPE_CHECKING:
    from inf2lab.aws.endpoint_calls import EndpointRequest

EXECUTION_ROLE = "<execution role arn>"
# What the API of CreateModel asks of an execution role; logs only of this endpoint, files only of this folder.
_IMAGE = ("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage")
_LOGS = ("CreateLogGroup", "CreateLogStream", "PutLogEvents", "DescribeLogStreams")
_NOT_YET = r"NoSuchEntity.*"


def roles(request: EndpointRequest) -> tuple[Call, ...]:
    """Return the calls that make the role of the endpoint and that of the schedule which deletes it."""
    tags = tag_list(request.run)
    endpoint, watchdog = f"{request.name}-sagemaker", names(request.run)["deadline"]
    group = f"arn:aws:logs:{request.region}:*:log-group:/aws/sagemaker/Endpoints/{request.name}*"
    run = [
        *_read(request.bucket, folder_prefix(request.run)),
        _allow(["ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"], "*"),
        _allow(_IMAGE, "*"),
        _allow([f"logs:{action}" for action in _LOGS], group),
    ]
    if weights := request.replica.weights_on_s3:
        bucket, _, below = weights.partition("/")
        run += _read(bucket, below)
    end = _allow(["sagemaker:DeleteEndpoint"], f"arn:aws:sagemaker:{request.region}:*:endpoint/{request.name}")
    return (
        *_role(endpoint, "sagemaker.amazonaws.com", tags, run, EXECUTION_ROLE),
        *_role(watchdog, "scheduler.amazonaws.com", tags, [end], DEADLINE_ROLE),
    )


def _read(bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    place = f"arn:aws:s3:::{bucket}"
    yield _allow(["s3:GetObject"], f"{place}/{prefix}*")
    yield _allow(["s3:ListBucket"], place) | {"Condition": {"StringLike": {"s3:prefix": f"{prefix}*"}}}


def _role(
    name: str, service: str, tags: list[dict[str, str]], may: list[dict[str, Any]], gives: str
) -> tuple[Call, Call]:
    trust = policy({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})
    document = json.dumps({"Version": "2012-10-17", "Statement": may})
    made = {"RoleName": name, "Path": IAM_PATH, "AssumeRolePolicyDocument": trust, "Tags": tags}
    allowed = {"RoleName": name, "PolicyName": "needs", "PolicyDocument": document}
    return (
        Call("iam", "create_role", made, gives={gives: "Role.Arn"}),
        Call("iam", "put_role_policy", allowed, settles=_NOT_YET),
    )


def _allow(actions: Iterable[str], resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}
