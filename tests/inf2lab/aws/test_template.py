"""The CloudFormation template asks for what the boto3 request asks for, and both are valid."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inf2lab import aws, catalog
from inf2lab.aws.deadline import DEADLINE_ROLE
from inf2lab.aws.instance import GROUP, INSTANCE
from tests.support import played_aws

if TYPE_CHECKING:
    from conftest import Launching, PlayedAws

ROOT = Path(__file__).resolve().parents[3]
PATH = ROOT / "deploy" / "cloudformation" / "inf2lab.yaml"
IMAGE = aws.Image("ami-0ubuntu2026fit", "", "/dev/sda1", "ubuntu", "test")
NOTHING = object()  # AWS::NoValue: the property is not there
ATTRIBUTES = {"Group.GroupId": GROUP, "DeadlineRole.Arn": DEADLINE_ROLE}


@pytest.fixture(scope="module")
def request_() -> aws.LaunchRequest:
    """What boto3 would send, for a run with values of its own in every place."""
    here = aws.Cloud("us-east-2", account=played_aws.ACCOUNT)
    return aws.launch_request(
        here, "inf2.8xlarge", IMAGE, hours=3, disk_gib=300, repository="https://example.com/x.git", run="r1"
    )


@pytest.fixture(scope="module")
def resources(request_: aws.LaunchRequest) -> dict[str, Any]:
    """The template's resources with every function worked out for that run."""
    values = {
        "Run": "r1",
        "End": str(request_.deadline).removesuffix("Z"),
        "InstanceType": "inf2.8xlarge",
        "DiskGiB": 300,
        "Image": IMAGE.id,
        "Repository": "https://example.com/x.git",
        "Subnet": "",
        "MetadataHops": 1,
        "AWS::Partition": "aws",
        "AWS::AccountId": played_aws.ACCOUNT,
        "AWS::NoValue": NOTHING,
        "Instance": INSTANCE,
        "InstanceRole": "inf2lab-r1-instance",
        "InstanceProfile": "inf2lab-r1-instance",
        "Schedules": "inf2lab-r1",
    }
    return {
        name: worked_out(resource.get("Properties", {}), values)
        for name, resource in template()["Resources"].items()
        if name != "Instance"
    }


def template() -> dict[str, Any]:
    """The template, read by cfn-lint, which is imported only where it is used: that takes seconds."""
    from cfnlint.decode.cfn_yaml import load

    return load(str(PATH))


def worked_out(value: Any, values: Mapping[str, Any]) -> Any:
    """A part of a template with Ref, Sub, GetAtt and Base64 replaced."""
    if isinstance(value, list):
        return [worked_out(item, values) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, inside),) = value.items()
        if name == "Ref":
            return values[inside]
        if name == "Fn::GetAtt":
            return ATTRIBUTES[".".join(inside)]
        if name == "Fn::Base64":
            return worked_out(inside, values)
        if name == "Fn::If":
            return worked_out(inside[2], values)  # the conditions choose a network, which this request does not
        if name == "Fn::Sub":
            text, more = inside if isinstance(inside, list) else (inside, {})
            known = {**values, **worked_out(more, values)}
            return re.sub(r"\$\{([\w:]+)\}", lambda found: str(known[found[1]]), text)
    pairs = ((name, worked_out(inside, values)) for name, inside in value.items())
    return {name: inside for name, inside in pairs if inside is not NOTHING}


def call(request_: aws.LaunchRequest, operation: str, number: int = 0) -> dict[str, Any]:
    """The parameters of the request's call of that name."""
    return dict([one.parameters for one in request_.calls if one.operation == operation][number])


def test_the_instance_is_the_same(request_: aws.LaunchRequest, resources: dict[str, Any]) -> None:
    sent = call(request_, "run_instances")
    for name in ("MinCount", "MaxCount", "ClientToken"):  # CloudFormation sets these itself
        del sent[name]
    assert resources["Template"]["LaunchTemplateData"] == sent


def test_the_group_is_the_same_and_lets_nobody_in(request_: aws.LaunchRequest, resources: dict[str, Any]) -> None:
    sent, group = call(request_, "create_security_group"), resources["Group"]
    assert group["GroupName"] == sent["GroupName"]
    assert group["GroupDescription"] == sent["Description"]
    assert group["Tags"] == sent["TagSpecifications"][0]["Tags"]
    assert set(group) == {"GroupName", "GroupDescription", "Tags"}, "no ingress"


@pytest.mark.parametrize(("resource", "number"), [("InstanceRole", 0), ("DeadlineRole", 1)])
def test_the_roles_are_the_same(
    request_: aws.LaunchRequest, resources: dict[str, Any], resource: str, number: int
) -> None:
    sent, role = call(request_, "create_role", number), resources[resource]
    assert json.loads(sent["AssumeRolePolicyDocument"]) == role["AssumeRolePolicyDocument"]
    for name in ("RoleName", "Path", "Tags"):
        assert role[name] == sent[name]
    if resource == "InstanceRole":
        assert role["ManagedPolicyArns"] == [call(request_, "attach_role_policy")["PolicyArn"]]
    else:
        assert "ManagedPolicyArns" not in role
    (policy,) = role["Policies"]
    sent = call(request_, "put_role_policy", number)
    assert policy["PolicyName"] == sent["PolicyName"]
    assert [policy["PolicyDocument"]["Statement"][0]] == json.loads(sent["PolicyDocument"])["Statement"]


def test_the_profile_is_the_same(request_: aws.LaunchRequest, resources: dict[str, Any]) -> None:
    sent, profile = call(request_, "create_instance_profile"), resources["InstanceProfile"]
    assert {name: profile[name] for name in ("InstanceProfileName", "Path")} == {
        name: sent[name] for name in ("InstanceProfileName", "Path")
    }
    assert profile["Roles"] == [call(request_, "add_role_to_instance_profile")["RoleName"]]


def test_the_schedule_is_the_same(request_: aws.LaunchRequest, resources: dict[str, Any]) -> None:
    sent = call(request_, "create_schedule")
    del sent["ActionAfterCompletion"]  # no property of the template's resource; the group goes with the stack
    assert resources["Schedule"] == sent
    assert resources["Schedules"] == call(request_, "create_schedule_group")


def test_its_defaults_are_the_catalog_s() -> None:
    parameters = template()["Parameters"]
    facts = catalog.cloud_facts()
    assert parameters["InstanceType"]["Default"] == facts.instance
    assert parameters["DiskGiB"]["Default"] == facts.disk_gib
    assert set(parameters["InstanceType"]["AllowedValues"]) == set(facts.regions.by_instance)


def test_the_image_has_to_be_named_because_the_newest_is_the_wrong_one() -> None:
    """AWS's parameter names the newest base image, whose driver refuses the container: no default may lead there."""
    image = template()["Parameters"]["Image"]
    assert image["Type"] == "AWS::EC2::Image::Id"
    assert "Default" not in image
    texts = [PATH.read_text(), PATH.with_name("README.md").read_text()]
    assert not [text for text in texts if "latest/image_id" in text]
    best = catalog.fitting_releases(catalog.accepted_drivers(catalog.profile("djl-0.25").runtime))[0]
    assert f"*Neuron SDK {best.sdk}*" in texts[1]


def test_an_empty_instance_is_filled_by_the_launch_s_own_four_lines() -> None:
    assert aws.fill_commands("i-...", "us-east-2", "ubuntu") in PATH.with_name("README.md").read_text()


def test_its_network_is_the_subnet_s() -> None:
    """An account without a default network names both; an instance of a launch template takes its subnet itself."""
    resources = template()["Resources"]
    assert resources["Group"]["Properties"]["VpcId"]["Fn::If"][:2] == ["InNetwork", {"Ref": "Network"}]
    assert resources["Instance"]["Properties"]["SubnetId"]["Fn::If"][:2] == ["InSubnet", {"Ref": "Subnet"}]


def test_cfn_lint_finds_nothing() -> None:
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    regions = ["us-east-1", "us-east-2", "us-west-2", "eu-west-1"]
    assert lint(PATH.read_text(), config=ManualArgs(regions=regions)) == []


@pytest.mark.filterwarnings("ignore:Tried to parse AWS.+Scheduler:UserWarning")
def test_a_stack_starts_the_instance_and_the_sweep_ends_both(played: PlayedAws, launching: Launching) -> None:
    """moto knows no schedules in a stack and hands no launch template on: its instance needs image and type."""
    lines = "    Properties:\n      LaunchTemplate: {"
    asked = "ImageId: !Ref Image\n      InstanceType: !Ref InstanceType\n      LaunchTemplate"
    named = lines.replace("LaunchTemplate", asked)
    text = PATH.read_text()
    assert text.count(lines) == 1
    stacks = played.client("cloudformation")
    values = {"Run": "r1", "End": "2030-01-01T00:00:00", "InstanceType": "inf2.xlarge", "Image": IMAGE.id}
    stacks.create_stack(
        StackName="inf2lab-r1",
        TemplateBody=text.replace(lines, named),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Tags=[{"Key": "inf2lab:run", "Value": "r1"}],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    assert {line.split()[0] for line in played.left()} >= {"instance", "group", "role", "stack"}
    run = aws.Run("r1", "us-east-2")
    swept = aws.sweep(played.cloud(), [run], report=lambda line: None)
    assert swept.clean
    assert "stack" in {found.kind for found in swept.removed}
    assert played.left() == []
