"""A launch that goes well: what AWS is sent, what it then holds, and that nothing is sent by default."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inf2lab import Settings, aws
from inf2lab.aws.connection import Cloud
from inf2lab.aws.pacing import looks
from inf2lab.errors import SettingsError

if TYPE_CHECKING:
    from conftest import Launching, PlayedAws


def test_the_instance_is_as_requested(played: PlayedAws, launching: Launching) -> None:
    run = launching()
    ec2 = played.client("ec2")
    (group,) = ec2.describe_instances(InstanceIds=[run.instance_id])["Reservations"]
    (instance,) = group["Instances"]
    assert (instance["InstanceType"], instance["ImageId"]) == ("inf2.xlarge", "ami-0ubuntu2026fit")
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    assert instance["Placement"]["AvailabilityZone"] == "us-east-2a"
    assert instance["IamInstanceProfile"]["Arn"].endswith(f"inf2lab-{run.id}-instance")
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert tags == {"Name": f"inf2lab-{run.id}", "inf2lab:run": run.id, "inf2lab:deadline": str(run.deadline)} | {
        "inf2lab:status": "ready"
    }
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
    assert "bills nothing" in str(done)
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


def started(here: aws.Cloud, request: aws.LaunchRequest) -> list[str]:
    """Launch for good; returns what the reader is told."""
    told: list[str] = []
    aws.launch(here, request, confirm=True, report=told.append)
    return told


def test_an_instance_that_nobody_could_get_into_is_not_started(
    played: PlayedAws, launching: Launching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the AWS command line and its plugin there is no tunnel: that is seen before anything bills."""
    monkeypatch.setenv("PATH", "/nowhere")
    here = played.cloud()
    with pytest.raises(aws.NoWayIn, match=r"aws .*session-manager-plugin .*CloudShell.*nothing was started"):
        aws.launch(here, launching.request(here), confirm=True)
    assert played.left() == []
    assert aws.all_runs() == []
    assert aws.launch(here, launching.request(here)).run is None, "a dry run needs neither"


def test_without_a_repository_the_four_lines_are_said_before_anything_is_sent(
    played: PlayedAws, launching: Launching
) -> None:
    """The default launch gave a machine with nothing on it, and no way told to fill it."""
    here = played.cloud()
    first, *more = started(here, launching.request(here))
    assert first.splitlines()[1:5] == [
        "aws ssm start-session --region us-east-2 --target <instance id>",
        "sudo -iu ubuntu",
        "git clone URL ~/inf2lab",
        "sudo systemctl start inf2lab-jupyter",
    ]
    assert any("run_instances: done" in line for line in more)
    assert launching.sweep().clean
    told = started(here, launching.request(here, repository="https://example.com/x.git"))
    assert not [line for line in told if "git clone" in line]


def becomes(played: PlayedAws, *statuses: str) -> None:
    """Have the instance's tag say one status after the other, at each look; the last one stays."""
    left = list(statuses)

    def change(parsed: dict[str, Any], **event: Any) -> None:
        for group in parsed.get("Reservations", ()):
            for row in group["Instances"]:
                row["Tags"] = [tag for tag in row["Tags"] if tag["Key"] != "inf2lab:status"]
                row["Tags"] += [{"Key": "inf2lab:status", "Value": left[0]}] if left[0] else []
        if len(left) > 1:
            left.pop(0)

    played.session.events.register("after-call.ec2.DescribeInstances", change)


def test_a_launch_returns_when_the_first_boot_is_done_and_says_each_step(
    played: PlayedAws, launching: Launching
) -> None:
    """It used to end before Session Manager reached the instance, with a tunnel that led nowhere for minutes."""
    becomes(played, "", "", "booted", "booted", "installed", "ready")
    here = played.cloud()
    told = started(here, launching.request(here, repository="https://example.com/x.git"))
    steps = [line.split()[0] for line in told if line.startswith(("  booted", "  installed", "  ready"))]
    assert steps == ["booted:", "installed:", "ready:"]
    assert "  Session Manager reaches it" in told
    assert len(played.pauses) == 4


def test_an_instance_without_a_repository_is_done_when_it_is_installed(played: PlayedAws, launching: Launching) -> None:
    becomes(played, "booted", "booted", "installed")
    here = played.cloud()
    assert started(here, launching.request(here))[-1].startswith("  installed")


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        (("booted", "booted", "failed: driver 2.31.7.0 refuses the runtime"), "driver 2.31.7.0 refuses the runtime"),
        (("booted",), "is not installed after 20 minutes"),
        (("",), "nothing heard"),
    ],
    ids=["it failed", "it hangs", "it never spoke"],
)
def test_a_first_boot_that_goes_wrong_is_said_with_what_to_do(
    played: PlayedAws, launching: Launching, monkeypatch: pytest.MonkeyPatch, statuses: tuple[str, ...], said: str
) -> None:
    """The instance stays, so that its log can be read; the run is on record, and both ways out are named."""
    monkeypatch.setattr("inf2lab.aws.first_boot.STEP_S", 240)
    becomes(played, *statuses)
    here = played.cloud()
    with pytest.raises(aws.BootFailed, match=said) as caught:
        started(here, launching.request(here))
    (run,) = aws.open_runs()
    for words in (f"--target {run.instance_id}", "/var/log/inf2lab-first-boot.log", str(run.deadline), "inf2lab sweep"):
        assert words in str(caught.value)
    played.heal()
    assert launching.sweep().clean
    assert played.left() == []


def test_an_instance_that_ends_during_its_first_boot_is_not_waited_for(played: PlayedAws, launching: Launching) -> None:
    looks = [0]

    def end(parsed: dict[str, Any], **event: Any) -> None:
        looks[0] += 1
        if looks[0] > 1:
            parsed["Reservations"] = []

    played.session.events.register("after-call.ec2.DescribeInstances", end)
    here = played.cloud()
    with pytest.raises(aws.BootFailed, match=r"has ended by itself.*launch again"):
        started(here, launching.request(here))


@pytest.mark.thorough
def test_a_subnet_without_a_way_out_is_noticed(
    played: PlayedAws, launching: Launching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Session Manager's agent never calls in from a private subnet that has neither NAT nor endpoints."""
    monkeypatch.setattr("inf2lab.aws.first_boot.STEP_S", 240)
    played.fail("ssm.DescribeInstanceInformation", "AccessDeniedException")
    here = played.cloud()
    assert "  whether Session Manager reaches it is not known: AccessDeniedException" in started(
        here, launching.request(here)
    )
    played.heal()
    launching.sweep()
    offline = {
        "after-call.ssm.DescribeInstanceInformation": lambda parsed, **event: parsed.update(InstanceInformationList=[])
    }
    for name, answer in offline.items():
        played.session.events.register(name, answer)
    here = played.cloud()
    with pytest.raises(aws.BootFailed, match=r"did not reach i-.*NAT gateway or VPC endpoints"):
        started(here, launching.request(here))


def test_a_chosen_subnet_takes_group_and_instance_into_its_network(played: PlayedAws, launching: Launching) -> None:
    here, ec2 = played.cloud(), played.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone="us-east-2c")["Subnet"]["SubnetId"]
    started(here, launching.request(here, subnet=aws.look_up_subnet(here, made)))
    (run,) = aws.open_runs()
    (group,) = ec2.describe_instances(InstanceIds=[run.instance_id])["Reservations"]
    (instance,) = group["Instances"]
    assert (instance["SubnetId"], instance["VpcId"]) == (made, vpc)
    assert launching.sweep().clean


@pytest.mark.parametrize(("profile", "hops"), [("djl-0.25", 1), ("lmi-0.30", 1), ("seed-0.21", 2)])
def test_metadata_is_as_near_as_the_container_allows(profile: str, hops: int) -> None:
    """Two hops let every container ask for the instance's credentials; only DJLServing 0.21 needs to ask anything."""
    here = aws.connect(Settings(), region="us-east-2")
    request = aws.launch_request(here, "inf2.xlarge", aws.look_up_image(here, profile=profile), hours=1)
    assert request.run_instances.parameters["MetadataOptions"]["HttpPutResponseHopLimit"] == hops
    assert all(point.holds for point in aws.review(request))


def test_the_instance_may_write_its_own_status_and_no_other_tag(played: PlayedAws, launching: Launching) -> None:
    """A deadline in a tag that the instance itself could move would be none."""
    run = launching()
    policy = played.client("iam").get_role_policy(RoleName=f"inf2lab-{run.id}-instance", PolicyName="status")
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "ec2:CreateTags"
    assert statement["Condition"] == {
        "StringEquals": {"aws:ResourceTag/inf2lab:run": run.id},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["inf2lab:status"]},
    }


def test_only_a_schedule_of_this_account_may_take_the_watchdog_s_role(played: PlayedAws, launching: Launching) -> None:
    run = launching()
    role = played.client("iam").get_role(RoleName=f"inf2lab-{run.id}-deadline")["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": played.cloud().account}}


def test_the_disk_is_asked_for_with_its_speed(played: PlayedAws, launching: Launching) -> None:
    (disk,) = launching.request(played.cloud()).run_instances.parameters["BlockDeviceMappings"]
    assert (disk["Ebs"]["Throughput"], disk["Ebs"]["Iops"]) == (500, 6000)


def test_a_zone_without_a_default_network_is_passed_over(played: PlayedAws, launching: Launching) -> None:
    said = "No default subnet for availability zone: 'us-east-2a'."
    played.fail("ec2.RunInstances", "MissingInput", said, only_if="us-east-2a")
    run = launching()
    (group,) = played.client("ec2").describe_instances(InstanceIds=[run.instance_id])["Reservations"]
    assert group["Instances"][0]["Placement"]["AvailabilityZone"] == "us-east-2b"
    assert launching.sweep().clean


def test_a_wait_of_minutes_says_each_minute_what_it_waits_for() -> None:
    """Silence looks like a program that hangs, and an instance that boots bills."""
    said: list[str] = []
    paused: list[float] = []
    cloud = Cloud("us-east-2", pause=paused.append)
    assert len(list(looks(cloud, 180, 25, said.append, "first boot goes on"))) == len(paused) == 8
    assert said == ["  first boot goes on: 1 of at most 3 minutes", "  first boot goes on: 2 of at most 3 minutes"]
