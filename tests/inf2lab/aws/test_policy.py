"""The policy for who runs the lab: each call of the code and nothing that it does not make, as narrow as AWS allows."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore import xform_name

import write_policy
from inf2lab import catalog
from inf2lab.aws import endpoint

if TYPE_CHECKING:
    from conftest import Launching, PlayedAws

CODE = Path(endpoint.__file__).parent
NOT_CALLED = {"review_of_instance.py"}  # it names calls that a request must not have
SERVICES = (
    *("application-autoscaling", "cloudformation", "cloudwatch", "ec2", "iam", "pricing", "s3", "sagemaker"),
    *("sagemaker-runtime", "scheduler", "service-quotas", "ssm", "sts"),
)
LARGEST = 6144  # characters of a managed policy, spaces apart (IAM and STS quotas)
MADE = catalog.permissions()


def operations() -> dict[str, dict[str, str]]:
    """{create_role: {iam: CreateRole}} of every service that the lab uses."""
    found: dict[str, dict[str, str]] = {}
    for service in SERVICES:
        for name in botocore.session.get_session().get_service_model(service).operation_names:
            found.setdefault(xform_name(name), {})[service] = name
    return found


def calls_of_the_code() -> set[str]:
    """Every call whose name stands in lib/inf2lab/aws: names are written out there, so that they can be found."""
    known, found = operations(), set()
    for path in CODE.glob("*.py"):
        if path.name not in NOT_CALLED:
            for words in texts(ast.parse(path.read_text())):
                for name in words:
                    services = known.get(name, {})
                    named = [service for service in services if service in words] or list(services)
                    found |= {f"{service}:{services[service]}" for service in named}
    return found


def texts(tree: ast.AST) -> Iterator[list[str]]:
    """The texts that stand together: the arguments of one call, or one text alone."""
    within = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            args = [arg for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            within |= {id(arg) for arg in args}
            yield [str(arg.value) for arg in args]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in within:
            yield [node.value]


def action(call: str) -> str:
    return MADE.otherwise_named.get(call, call)


def allowed() -> set[str]:
    return {name for one in MADE.statements.values() for name in one.actions}


def test_the_policy_allows_each_call_of_the_code_and_nothing_that_it_does_not_make() -> None:
    """It was a table by hand, in which eight permissions were missing and nothing was limited."""
    called = {action(call) for call in calls_of_the_code()}
    assert len(called) > 60
    assert sorted(called - allowed()) == [], "calls that the policy does not allow"
    assert sorted(allowed() - called) == [], "permissions that no call needs"


def test_what_another_call_asks_for_is_no_call_of_ours() -> None:
    implied = {name for one in MADE.statements.values() for name in one.implied}
    assert implied >= {"iam:PassRole", "iam:CreateServiceLinkedRole", "scheduler:DeleteSchedule", "sagemaker:AddTags"}
    assert implied.isdisjoint(allowed())


def test_what_a_launch_and_a_sweep_really_send_is_allowed(played: PlayedAws, launching: Launching) -> None:
    """Seen on the wire, so that a call whose name is put together is not overlooked."""
    sent: set[str] = set()

    def note(params: dict[str, Any], model: Any, **event: Any) -> None:
        sent.add(action(f"{model.service_model.service_name}:{model.name}"))

    played.session.events.register("before-parameter-build.*.*", note)
    launching()
    assert launching.sweep().clean
    assert len(sent) > 30
    assert sorted(sent - allowed()) == []


def test_no_statement_is_wider_than_it_must_be() -> None:
    for one in (*MADE.statements.values(), *MADE.stack.values()):
        names = (*one.actions, *one.implied)
        assert names, one.sid
        assert not [name for name in names if "*" in name]
        reads = all(name.split(":")[1].startswith(("Describe", "List", "Get")) for name in names)
        assert "*" not in one.resources or reads or one.condition or names == ("ssm:CancelCommand",), one.sid
        for name in names:
            if name.startswith("iam:") and not name.startswith("iam:List"):
                assert all("/inf2lab/" in place or "/aws-service-role/" in place for place in one.resources)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ec2:TerminateInstances", "aws:ResourceTag/inf2lab:run"),
        ("ec2:DeleteVolume", "aws:ResourceTag/inf2lab:run"),
        ("iam:AttachRolePolicy", "iam:PolicyARN"),
        ("iam:PassRole", "iam:PassedToService"),
        ("iam:CreateServiceLinkedRole", "iam:AWSServiceName"),
        ("ssm:StartSession", "ssm:resourceTag/inf2lab:run"),
    ],
)
def test_what_can_do_harm_is_bound_to_a_condition(name: str, key: str) -> None:
    having = [one for one in MADE.statements.values() if name in (*one.actions, *one.implied)]
    assert any(key in keys for one in having for keys in one.condition.values())
    if name.startswith("ec2:"):
        assert len(having) == 1


def test_the_documents_are_made_from_the_catalog() -> None:
    for path, text in write_policy.pages().items():
        assert path.read_text(encoding="utf-8") == text, "run `python tools/pages/write_policy.py`"


def test_the_policy_is_short_enough_to_be_attached() -> None:
    text = json.dumps(write_policy.document(MADE.statements.values()), separators=(",", ":"))
    assert len(text) <= LARGEST
