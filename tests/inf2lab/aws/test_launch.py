"""A launch that goes well: what AWS is sent, what it then holds, and that nothing is sent by default."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inf2lab import Settings, aws
from inf2lab.errors import SettingsError

if TYPE_CHECKING:
    from conftest import Launching, PlayedAws


def test_the_instance_is_as_requested(played: PlayedAws, launching: Launching) -> None:
    run = launching()
    ec2 = played.client("ec2")
    (group,) = ec2.describe_instances(InstanceIds=[run.instance_id])["Reservations"]
    (instance,) = group["Instances"]
    assert (instance["InstanceType"], instance["ImageId"]) == ("inf2.xlarge", "ami-0ubuntu2026new")
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    assert instance["Placement"]["AvailabilityZone"] == "us-east-2a"
    assert instance["IamInstanceProfile"]["Arn"].endswith(f"inf2lab-{run.id}-instance")
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert tags == {"Name": f"inf2lab-{run.id}", "inf2lab:run": run.id, "inf2lab:deadline": str(run.deadline)}
    shutdown = ec2.describe_instance_attribute(
        InstanceId=run.instance_id, Attribute="instanceInitiatedShutdownBehavior"
    )
    assert shutdown["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
    (volume,) = ec2.describe_volumes()["Volumes"]
    assert (volume["Size"], volume["VolumeType"], volume["Encrypted"]) == (512, "gp3", True)
    assert run.volumes == (volume["VolumeId"],)
    (held,) = instance["SecurityGroups"]
    (group,) = ec2.describe_security_groups(GroupIds=[held["GroupId"]])["SecurityGroups"]
    assert group["IpPermissions"] == []


def test_the_watchdog_outside_terminates_this_instance_and_may_do_nothing_else(
    played: PlayedAws, launching: Launching
) -> None:
    run = launching()
    schedule = played.client("scheduler").get_schedule(Name="deadline", GroupName=f"inf2lab-{run.id}")
    assert schedule["ScheduleExpression"] == f"at({str(run.deadline).removesuffix('Z')})"
    assert schedule["ScheduleExpressionTimezone"] == "UTC"
    assert run.instance_id in schedule["Target"]["Input"]
    assert schedule["Target"]["RoleArn"].endswith(f"inf2lab-{run.id}-deadline")
    policy = played.client("iam").get_role_policy(RoleName=f"inf2lab-{run.id}-deadline", PolicyName="terminate")
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "ec2:TerminateInstances"
    assert statement["Condition"] == {"StringEquals": {"aws:ResourceTag/inf2lab:run": run.id}}


def test_what_is_shown_is_what_is_sent(played: PlayedAws, launching: Launching) -> None:
    sent = []
    played.session.events.register(
        "before-parameter-build", lambda params, model, **event: sent.append((model.name, dict(params)))
    )
    here = played.cloud()
    request = launching.request(here)
    aws.launch(here, request, confirm=True, report=lambda line: None)
    names = [name for name, _ in sent if not name.startswith(("Describe", "Get"))]
    assert [name.lower() for name in names] == [call.operation.replace("_", "") for call in request.calls]
    (started,) = [parameters for name, parameters in sent if name == "RunInstances"]
    shown = dict(request.run_instances.parameters)
    assert base64.b64decode(started.pop("UserData")).decode() == shown.pop("UserData")
    varied = {"SecurityGroupIds", "ClientToken"}  # known only then: the group's id, the zone in the token
    assert {k: v for k, v in started.items() if k in shown and k not in varied} == {
        k: v for k, v in shown.items() if k not in varied
    }
    assert set(started) - set(shown) == {"Placement"}


def test_without_confirm_it_is_a_dry_run(played: PlayedAws, launching: Launching) -> None:
    here = played.cloud()
    done = aws.launch(here, launching.request(here))
    assert done.run is None
    assert "nothing bills" in str(done)
    assert played.left() == []
    assert aws.all_runs() == []


def test_a_dry_run_says_what_is_not_allowed(played: PlayedAws, launching: Launching) -> None:
    played.fail("ec2.RunInstances", "UnauthorizedOperation", "Encoded authorization failure message: abc")
    here = played.cloud()
    with pytest.raises(aws.NotAllowed, match="administrator") as caught:
        aws.launch(here, launching.request(here))
    assert "abc" not in str(caught.value)


def test_the_rehearsal_lane_sends_nothing_even_when_confirmed(no_network: None) -> None:
    here = aws.connect(Settings(), region="us-east-2")
    request = aws.launch_request(here, "inf2.48xlarge", aws.look_up_image(here), hours=4)
    assert "nothing was sent" in str(aws.launch(here, request))
    with pytest.raises(SettingsError, match="lane='inf2'"):
        aws.launch(here, request, confirm=True)
    with pytest.raises(aws.NoAccess, match="lane='inf2'"):
        here.call("ec2", "describe_instances")


def test_a_second_launch_is_refused_while_one_is_open(played: PlayedAws, launching: Launching) -> None:
    run = launching()
    here = played.cloud()
    with pytest.raises(aws.RunOnRecord, match=run.id):
        aws.launch(here, launching.request(here), confirm=True)
    launching.sweep()
    aws.launch(here, launching.request(here), confirm=True, report=lambda line: None)
    assert launching.sweep().clean


def test_spot_is_asked_for_once_and_ends_with_the_instance(played: PlayedAws, launching: Launching) -> None:
    here = played.cloud()
    call = launching.request(here, spot=True).run_instances
    options = call.parameters["InstanceMarketOptions"]["SpotOptions"]
    assert options == {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
    assert "spot-instances-request" in {row["ResourceType"] for row in call.parameters["TagSpecifications"]}


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"hours": 0}, "from 1 to 72"),
        ({"hours": 73}, "extend"),
        ({"hours": 1, "disk_gib": 35}, "from 100"),
        ({"hours": 1, "repository": "https://x/y'; rm -rf ~ #"}, "shell script"),
    ],
)
def test_a_senseless_request_is_refused(choices: dict[str, object], said: str) -> None:
    here = aws.connect(Settings(), region="us-east-2")
    with pytest.raises(SettingsError, match=said):
        aws.launch_request(here, "inf2.xlarge", aws.look_up_image(here), **choices)


def test_only_inf2_is_launched() -> None:
    here = aws.connect(Settings(), region="us-east-2")
    with pytest.raises(SettingsError, match="inf2 instances"):
        aws.launch_request(here, "trn1.2xlarge", aws.look_up_image(here), hours=1)


def test_no_secret_is_on_record(played: PlayedAws, launching: Launching) -> None:
    run = launching()
    text = run.path.read_text()
    keys = played.session.get_credentials()
    assert keys.secret_key
    assert not [word for word in (keys.access_key, keys.secret_key, keys.token) if word in text]
    assert played.cloud().account not in text


def test_an_instance_launches_no_other(no_network: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`make run` in the inf2 lane starts with notebook 01, on the instance too: it asks nobody there."""
    marker = tmp_path / "run"
    marker.write_text("r1")
    monkeypatch.setattr("inf2lab.aws.connection.LAUNCHED_HERE", marker)
    here = aws.connect(Settings(lane="inf2"), region="us-east-2")
    assert str(here) == "this machine is the instance: AWS is not asked; the catalog answers for us-east-2"
    request = aws.launch_request(here, "inf2.xlarge", aws.look_up_image(here), hours=1)
    assert str(aws.launch(here, request)) == "this machine is the instance: nothing was sent"
    with pytest.raises(SettingsError, match="your own machine"):
        aws.launch(here, request, confirm=True)


def test_a_zone_without_a_default_network_is_passed_over(played: PlayedAws, launching: Launching) -> None:
    said = "No default subnet for availability zone: 'us-east-2a'."
    played.fail("ec2.RunInstances", "MissingInput", said, only_if="us-east-2a")
    run = launching()
    (group,) = played.client("ec2").describe_instances(InstanceIds=[run.instance_id])["Reservations"]
    assert group["Instances"][0]["Placement"]["AvailabilityZone"] == "us-east-2b"
    assert launching.sweep().clean
