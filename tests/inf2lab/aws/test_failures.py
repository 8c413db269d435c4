"""Fifteen ways in which a launch or a sweep goes wrong. After each, nothing is unaccounted for."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore import exceptions
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import StateReason
from typer.testing import CliRunner

from inf2lab import Settings, aws, write_properties
from inf2lab.cli import app
from tests.support import played_aws

if TYPE_CHECKING:
    from conftest import Launching, PlayedAws

CALLS = 13  # of a launch with every option that change something; the ninth starts the instance


def numbered(count: int, *telling: int) -> list[Any]:
    """The numbers of calls from 1; those that tell little more than the telling ones are thorough."""
    return [n if n in telling else pytest.param(n, marks=pytest.mark.thorough) for n in range(1, count + 1)]


def launch_fails(launching: Launching, **choices: object) -> aws.LaunchFailed:
    """Launch, which must fail, and return the error."""
    with pytest.raises(aws.LaunchFailed) as caught:
        launching(**choices)
    return caught.value


def test_1_quota(played: PlayedAws, launching: Launching) -> None:
    played.fail("ec2.RunInstances", "VcpuLimitExceeded", "You have requested more vCPU capacity than your limit of 0")
    error = launch_fails(launching)
    assert isinstance(error.__cause__, aws.QuotaTooSmall)
    assert "request the quota" in str(error)
    assert "nothing bills" in str(error)
    assert played.left() == []
    assert aws.open_runs() == []


def test_2_no_capacity_in_one_zone(played: PlayedAws, launching: Launching) -> None:
    played.fail("ec2.RunInstances", "InsufficientInstanceCapacity", only_if="us-east-2a")
    run = launching()
    (group,) = played.client("ec2").describe_instances(InstanceIds=[run.instance_id])["Reservations"]
    assert group["Instances"][0]["Placement"]["AvailabilityZone"] == "us-east-2b"
    assert launching.sweep().clean
    assert played.left() == []


def test_2_no_capacity_in_any_zone(played: PlayedAws, launching: Launching) -> None:
    played.fail("ec2.RunInstances", "InsufficientInstanceCapacity")
    error = launch_fails(launching)
    assert isinstance(error.__cause__, aws.NoCapacity)
    assert "us-east-2a, us-east-2b, us-east-2c" in str(error)
    assert "another region" in str(error)
    assert played.left() == []


def test_3_the_image_is_gone(played: PlayedAws) -> None:
    here = played.cloud()
    with pytest.raises(aws.NoImage, match=r"ami-0123456789abcdef0.*leave the image out"):
        aws.look_up_image(here, image_id="ami-0123456789abcdef0")


def test_3_the_image_goes_between_look_up_and_launch(played: PlayedAws, launching: Launching) -> None:
    played.fail("ec2.RunInstances", "InvalidAMIID.NotFound", "The image id '[ami-1]' does not exist")
    assert isinstance(launch_fails(launching).__cause__, aws.NoImage)
    assert played.left() == []


@pytest.mark.parametrize(
    "operation",
    [
        "iam.CreateRole",
        pytest.param("iam.CreateInstanceProfile", marks=pytest.mark.thorough),
        pytest.param("iam.PutRolePolicy", marks=pytest.mark.thorough),
        pytest.param("ec2.CreateSecurityGroup", marks=pytest.mark.thorough),
        "ec2.RunInstances",
        pytest.param("scheduler.CreateScheduleGroup", marks=pytest.mark.thorough),
        "scheduler.CreateSchedule",
    ],
)
def test_4_permission_denied(played: PlayedAws, launching: Launching, operation: str) -> None:
    code = "UnauthorizedOperation" if operation.startswith("ec2") else "AccessDenied"
    played.fail(operation, code, "You are not authorized")
    error = launch_fails(launching)
    assert isinstance(error.__cause__, aws.NotAllowed)
    assert "administrator" in str(error)
    assert played.left() == []


def test_4_permission_denied_to_look(played: PlayedAws, launching: Launching) -> None:
    """Where a sweep may not look, it does not claim that nothing is there."""
    launching()
    played.fail("ec2.DescribeSnapshots", "UnauthorizedOperation")
    swept = launching.sweep()
    assert not swept.clean
    assert swept.unknown == ("snapshots in us-east-2: UnauthorizedOperation",)
    assert len(aws.open_runs()) == 1
    played.heal()
    assert launching.sweep().clean
    assert played.left() == []


def test_5_throttled_for_a_while(played: PlayedAws, launching: Launching) -> None:
    played.fail("ec2.RunInstances", "RequestLimitExceeded", times=3, status=503)
    played.fail("iam.CreateRole", "Throttling", times=2)
    launching()
    played.heal()
    played.fail("ec2.TerminateInstances", "RequestLimitExceeded", times=3, status=503)
    assert launching.sweep().clean
    assert played.left() == []


def test_5_throttled_for_good(played: PlayedAws, launching: Launching) -> None:
    played.fail("ec2.RunInstances", "RequestLimitExceeded", "Request limit exceeded", status=503)
    assert isinstance(launch_fails(launching).__cause__, aws.Throttled)
    assert played.left() == []


@pytest.mark.thorough
def test_6_eventual_consistency(played: PlayedAws, launching: Launching) -> None:
    """What was created a moment ago is not seen yet: profile, role, instance."""
    name = "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
    played.fail("ec2.RunInstances", "InvalidParameterValue", name, times=3)
    role = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
    played.fail("scheduler.CreateSchedule", "ValidationException", role, times=2)
    played.fail("iam.AttachRolePolicy", "NoSuchEntity", "The role cannot be found", times=1)
    played.fail("ec2.DescribeInstances", "InvalidInstanceID.NotFound", times=2)
    run = launching()
    assert len(played.pauses) == 3 + 2 + 1 + 2
    assert launching.sweep().clean, run
    assert played.left() == []


def test_6_what_never_becomes_consistent_is_given_up(played: PlayedAws, launching: Launching) -> None:
    played.fail("ec2.RunInstances", "InvalidParameterValue", "Invalid IAM Instance Profile name")
    error = launch_fails(launching)
    assert error.code == "InvalidParameterValue"
    assert sum(played.pauses) <= 60 + 60
    assert played.left() == []


def every_option(played: PlayedAws) -> dict[str, object]:
    """The options of a launch that make more calls, with the bucket that one of them wants."""
    where = {"LocationConstraint": "us-east-2"}
    played.client("s3").create_bucket(Bucket="my-bucket", CreateBucketConfiguration=where)
    return {"bucket": "my-bucket", "idle_minutes": 60}


@pytest.mark.parametrize("number", numbered(CALLS, 1, 9, CALLS))
def test_7_killed_between_any_two_calls(played: PlayedAws, launching: Launching, number: int) -> None:
    """The kernel dies: nothing is undone. The record was written before, and the tags came with each call."""
    options = every_option(played)
    played.kill(number)
    with pytest.raises(SystemExit):
        launching(**options)
    assert played.left() != []
    assert len(aws.open_runs()) == 1
    played.heal()
    assert launching.sweep().clean
    assert played.left() == []
    assert aws.open_runs() == []


@pytest.mark.parametrize("number", numbered(CALLS, 2, 9))
def test_7_an_interrupt_undoes_the_launch(played: PlayedAws, launching: Launching, number: int) -> None:
    options = every_option(played)
    played.interrupt(number)
    with pytest.raises(KeyboardInterrupt):
        launching(**options)
    assert played.left() == []
    assert aws.open_runs() == []


@pytest.mark.parametrize("number", numbered(CALLS, 9))
def test_7_a_launch_whose_lines_nobody_reads_any_more_is_undone(
    played: PlayedAws, launching: Launching, number: int
) -> None:
    """Ctrl-C ends `tee` too, and a terminal that is closed takes no line: what was created went on billing."""
    told: list[str] = []

    def report(line: str) -> None:
        told.append(line)
        if len(told) > number:
            raise BrokenPipeError(line)

    here, options = played.cloud(), every_option(played)
    with pytest.raises(BrokenPipeError):
        aws.launch(here, launching.request(here, **options), confirm=True, report=report)
    assert played.left() == []
    assert aws.open_runs() == []
    assert "of this run nothing bills" in told[-1]


def test_7_a_first_boot_of_which_nobody_hears_is_told_as_an_error(played: PlayedAws, launching: Launching) -> None:
    def report(line: str) -> None:
        if "first boot follows" in line:
            raise OSError(28, "No space left on device")

    here = played.cloud()
    with pytest.raises(aws.BootFailed, match=r"No space.*; its first boot goes on.*how far it is.*bills until"):
        aws.launch(here, launching.request(here), confirm=True, report=report)
    assert launching.sweep().clean


@pytest.mark.parametrize("first", ["an interrupt", "InsufficientInstanceCapacity", "UnauthorizedOperation"])
def test_7_an_interrupt_ends_the_undoing_and_says_so(played: PlayedAws, launching: Launching, first: str) -> None:
    """Whatever was undone: where AWS had refused the launch nobody said that it could not be."""
    told: list[str] = []

    def interrupt(**event: Any) -> None:
        raise KeyboardInterrupt

    if first == "an interrupt":
        played.interrupt(9)
    else:
        played.fail("ec2.RunInstances", first)
    for noun in ("ec2.TerminateInstances", "ec2.DeleteSecurityGroup"):  # the first of the undoing, if there is one
        played.session.events.register(f"before-call.{noun}", interrupt)
    here = played.cloud()
    with pytest.raises(KeyboardInterrupt):
        aws.launch(here, launching.request(here), confirm=True, report=told.append)
    assert "It could not be undone: run `inf2lab sweep` until" in told[-1]
    assert played.left() != []
    played.heal()
    assert launching.sweep().clean
    assert played.left() == []


@pytest.mark.parametrize(
    ("operation", "only_if"), [("ssm.DescribeInstanceInformation", ""), ("ec2.DescribeInstances", "Filter")]
)
def test_7_who_cannot_watch_the_first_boot_is_told_what_bills(
    played: PlayedAws, launching: Launching, operation: str, only_if: str
) -> None:
    """Credentials that expired then said "repeat: this call changed nothing", and an instance billed."""
    played.fail(operation, "ExpiredTokenException", "The security token is expired", only_if=only_if)
    with pytest.raises(aws.BootFailed, match=r"ExpiredToken.*nobody looks at i-\w+ any more.*bills until") as caught:
        launching()
    assert "; sign in again (`aws login`" in str(caught.value)  # before the ways to look, which ask AWS too
    assert "its first boot goes on" in str(caught.value)
    assert "changed nothing" not in str(caught.value)
    assert "says why" not in str(caught.value)  # nothing failed there
    assert len(aws.open_runs()) == 1
    played.heal()
    assert launching.sweep().clean


def test_7_an_interrupt_of_the_first_boot_leaves_the_instance_and_says_so(
    played: PlayedAws, launching: Launching
) -> None:
    told: list[str] = []

    def report(line: str) -> None:
        told.append(line)
        if line.endswith("Session Manager reaches it"):
            raise KeyboardInterrupt

    here = played.cloud()
    with pytest.raises(KeyboardInterrupt):
        aws.launch(here, launching.request(here), confirm=True, report=report)
    (run,) = aws.open_runs()
    assert run.instance_id in told[-1]
    assert f"It bills until {run.deadline}: `inf2lab sweep` ends it now" in told[-1]
    assert launching.sweep().clean


@pytest.mark.parametrize(
    ("words", "makes"),
    [(["launch"], "launch"), (["scale", "sagemaker", "--bucket", "my-bucket", "--region", "us-east-2"], "deploy")],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_7_a_signal_undoes_what_an_interrupt_undoes(
    monkeypatch: pytest.MonkeyPatch, clone: Path, words: list[str], makes: str, number: signal.Signals
) -> None:
    """A terminal that was closed, or `kill`, left what had been created, without a word."""
    monkeypatch.chdir(clone)
    folder = clone / "models" / "opt13b"
    write_properties(folder / "serving.properties", {"engine": "Python", "option.model_id": "facebook/opt-13b"})
    ended: list[object] = []

    def make(*_: object, **options: object) -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(10)
        except SystemExit as error:
            ended.append(error.code)
            raise

    monkeypatch.setattr(aws, makes, make)
    assert CliRunner().invoke(app, words).exit_code == 128 + number
    assert ended == [128 + number]


def test_8_terminate_is_refused(played: PlayedAws, launching: Launching) -> None:
    run = launching()
    protection = {"InstanceId": run.instance_id, "DisableApiTermination": {"Value": True}}
    played.client("ec2").modify_instance_attribute(**protection)
    swept = launching.sweep()
    assert f"instance {run.instance_id}" in played.left()
    assert {found.kind for found in swept.remaining} >= {"instance", "volume"}
    assert any("termination protection" in problem for problem in swept.problems)
    assert swept.usd_per_hour > 0.758
    assert len(aws.open_runs()) == 1
    played.client("ec2").modify_instance_attribute(**protection | {"DisableApiTermination": {"Value": False}})
    assert launching.sweep().clean
    assert played.left() == []


@pytest.mark.parametrize("number", numbered(9, 1, 5))
def test_9_a_sweep_is_interrupted(played: PlayedAws, launching: Launching, number: int) -> None:
    launching()
    played.heal()
    played.interrupt(number)
    with pytest.raises(KeyboardInterrupt):
        launching.sweep()
    assert len(aws.open_runs()) == 1, "a sweep that did not end proves nothing"
    played.heal()
    assert launching.sweep().clean
    assert played.left() == []


def _at(hours: float) -> dict[str, str]:
    """The header with AWS's time, so many hours from ours."""
    return {"date": format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)}


def test_10_the_clock_is_wrong(played: PlayedAws) -> None:
    played.fail("sts.GetCallerIdentity", "SignatureDoesNotMatch", "Signature expired", headers=_at(2))
    with pytest.raises(aws.ClockSkew, match=r"\+7\d\d\d s from this machine.*timedatectl") as caught:
        played.cloud()
    assert "Signature expired" not in str(caught.value)


def test_10_the_clock_jumps_during_a_launch(played: PlayedAws, launching: Launching) -> None:
    """Then the undoing fails too, and says so; the record stays for a later sweep."""
    played.fail("ec2", "RequestExpired", "Request has expired", only_if="Action=RunInstances")
    played.fail("ec2", "RequestExpired", "Request has expired", only_if="Filter")
    here = played.cloud()
    image = aws.Image("ami-0ubuntu2026fit", "", "/dev/sda1", "ubuntu", "test")
    request = aws.launch_request(here, "inf2.xlarge", image, hours=1)
    with pytest.raises(aws.LaunchFailed, match=r"could not be undone.*inf2lab sweep"):
        aws.launch(here, request, confirm=True, report=lambda line: None)
    assert played.left() != []
    played.heal()
    assert launching.sweep().clean
    assert played.left() == []


def test_10_schedules_go_by_aws_s_clock(played: PlayedAws) -> None:
    here = played.cloud()
    ahead = aws.Cloud(here.region, here.session, here.account, timedelta(minutes=4))
    assert timedelta(minutes=3) < ahead.now() - here.now() < timedelta(minutes=5)


def test_11_credentials_expire_during_a_sweep(played: PlayedAws, launching: Launching) -> None:
    run = launching()
    played.fail("scheduler.DeleteScheduleGroup", "ExpiredTokenException", "The security token is expired")
    with pytest.raises(aws.NoAccess, match="sign in again"):
        launching.sweep()
    assert [one.id for one in aws.open_runs()] == [run.id]
    played.heal()
    assert launching.sweep().clean
    assert played.left() == []


@pytest.mark.parametrize(
    "error",
    [
        exceptions.RefreshWithMFAUnsupportedError(),
        exceptions.LoginRefreshRequired(),
        exceptions.UnauthorizedSSOTokenError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_11_credentials_that_cannot_be_renewed_are_no_wrong_configuration(
    played: PlayedAws, launching: Launching, error: Exception
) -> None:
    """Those of MFA end within the process: "mend AWS's configuration: nothing was sent", and an instance billed."""

    def end(**event: Any) -> None:
        raise error

    launching()
    played.session.events.register("before-call.scheduler.DeleteScheduleGroup", end)
    with pytest.raises(aws.NoAccess, match=r"sign in again.*then repeat: this call changed nothing"):
        launching.sweep()
    played.heal()
    assert launching.sweep().clean


def test_11_credentials_expire_during_a_launch(played: PlayedAws, launching: Launching) -> None:
    played.fail("ec2.RunInstances", "ExpiredToken")
    played.fail("ec2.DescribeInstances", "ExpiredToken")
    with pytest.raises(aws.LaunchFailed, match="could not be undone"):
        launching()
    played.heal()
    assert launching.sweep().clean
    assert played.left() == []


def test_11_no_credentials(monkeypatch: pytest.MonkeyPatch, no_network: None) -> None:
    for name in played_aws.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    with pytest.raises(aws.NoAccess, match="lane='rehearsal'"):
        aws.connect(Settings(lane="inf2"), region="us-east-2")


CONFIGURATION = """[profile loop]
source_profile = loop2
role_arn = arn:aws:iam::123456789012:role/x
[profile loop2]
source_profile = loop
role_arn = arn:aws:iam::123456789012:role/y
[profile odd]
credential_source = Nope
role_arn = arn:aws:iam::123456789012:role/x
[profile login]
login_session = arn:aws:iam::123456789012:user/x
"""


@pytest.mark.parametrize(
    ("text", "profile"),
    [("[default\nregion", "default"), (CONFIGURATION, "loop"), (CONFIGURATION, "odd"), (CONFIGURATION, "login")],
)
def test_11_a_configuration_that_is_wrong_has_sent_nothing(
    monkeypatch: pytest.MonkeyPatch, no_network: None, tmp_path: Path, text: str, profile: str
) -> None:
    """It said "AWS may have done it all the same"."""
    for name in played_aws.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "config"
    file.write_text(text)
    for name, value in {"AWS_CONFIG_FILE": str(file), "AWS_PROFILE": profile}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(aws.NoAccess, match=r"nothing was sent|changed nothing"):
        aws.connect(Settings(lane="inf2"), region="us-east-2")


def test_12_a_region_without_the_instance(played: PlayedAws) -> None:
    with pytest.raises(aws.WrongRegion, match=r"not offered.*us-east-1, us-east-2"):
        aws.offering(played.cloud("us-west-1"), "inf2.48xlarge")


@pytest.mark.thorough
def test_12_a_sweep_looks_where_the_run_was_and_not_where_we_are(played: PlayedAws, launching: Launching) -> None:
    launching("us-west-2")
    launching("us-east-2")
    assert {line.split()[0] for line in played.left("us-west-2")} >= {"instance", "volume", "group"}
    swept = launching.sweep(here=played.cloud("us-east-1"))
    assert swept.regions == ("us-east-2", "us-west-2")
    assert swept.clean
    assert played.left() == []


def test_13_spot_takes_the_instance_back(played: PlayedAws, launching: Launching) -> None:
    run = launching(spot=True)
    played.client("ec2").terminate_instances(InstanceIds=[run.instance_id])  # as AWS does
    assert any(line.startswith("group") for line in played.left())
    swept = launching.sweep()
    assert swept.clean
    assert "instance" not in {found.kind for found in swept.removed}
    assert played.left() == []


@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        ("Server.SpotInstanceTermination", aws.NoCapacity, "another region"),
        pytest.param("Client.VolumeLimitExceeded", aws.QuotaTooSmall, "names the quota", marks=pytest.mark.thorough),
        ("Client.InternalError", aws.NotAllowed, "kms:CreateGrant"),
        pytest.param("Server.InternalError", aws.NoCapacity, "launch again", marks=pytest.mark.thorough),
    ],
)
def test_13_it_ends_while_it_starts(
    played: PlayedAws, launching: Launching, code: str, kind: type[aws.CloudError], remedy: str
) -> None:
    """Spot takes it back, or the account lets it have no disk: each was told as a lack of capacity."""

    def end(parsed: dict[str, Any], **event: Any) -> None:
        instance_id = parsed["Instances"][0]["InstanceId"]
        played.client("ec2").terminate_instances(InstanceIds=[instance_id])
        reason = StateReason(f"{code}: as AWS says it", code)
        ec2_backends[played_aws.ACCOUNT]["us-east-2"].get_instance(instance_id).state_reason = reason

    played.session.events.register("after-call.ec2.RunInstances", end)
    error = launch_fails(launching, spot=True)
    assert (error.code, type(error.__cause__)) == (code, kind)
    assert remedy in str(error)
    assert played.left() == []


def test_14_stuck_in_shutting_down(played: PlayedAws, launching: Launching, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto ends an instance at once; AWS needs up to hours when its host is unwell. The disk bills until then."""
    run = launching()
    instance = ec2_backends[played_aws.ACCOUNT]["us-east-2"].get_instance(run.instance_id)

    def stick() -> None:
        instance._state.name, instance._state.code = "shutting-down", 32

    with monkeypatch.context() as stuck:
        stuck.setattr(type(instance), "terminate", lambda self: stick() or self._state)
        swept = launching.sweep(patience_s=20)
        assert not swept.clean
        states = {found.kind: found.state for found in swept.remaining}
        assert states["instance"] == "shutting-down"
        assert "volume" in states
        assert 0 < swept.usd_per_hour < 0.1, "the disk bills, the instance does not"
        assert len(aws.open_runs()) == 1
    instance._state.name, instance._state.code = "running", 16
    assert launching.sweep().clean
    assert played.left() == []


@pytest.mark.thorough
def test_15_a_volume_is_in_use_elsewhere(played: PlayedAws, launching: Launching) -> None:
    """A disk of ours hangs on an instance that is not ours: neither is touched, and both are accounted for."""
    run = launching()
    ec2 = played.client("ec2")
    stranger = ec2.run_instances(ImageId="ami-0ubuntu2026fit", InstanceType="t3.micro", MinCount=1, MaxCount=1)[
        "Instances"
    ][0]["InstanceId"]
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "inf2lab:run", "Value": run.id}]}]
    volume = ec2.create_volume(Size=100, AvailabilityZone="us-east-2a", VolumeType="gp3", TagSpecifications=tags)
    ec2.attach_volume(VolumeId=volume["VolumeId"], InstanceId=stranger, Device="/dev/sdf")
    swept = launching.sweep()
    assert [(found.kind, found.id) for found in swept.remaining] == [("volume", volume["VolumeId"])]
    assert "VolumeInUse" in swept.problems[0]
    assert swept.usd_per_hour == pytest.approx(100 * 0.08 / 730)
    states = ec2.describe_instances(InstanceIds=[stranger])["Reservations"][0]["Instances"][0]["State"]
    assert states["Name"] == "running"
    ec2.detach_volume(VolumeId=volume["VolumeId"], InstanceId=stranger)
    assert launching.sweep().clean
    ec2.terminate_instances(InstanceIds=[stranger])
    assert played.left() == []


def test_15_a_disk_without_our_tag_is_left_and_named(played: PlayedAws, launching: Launching) -> None:
    """Attached by hand to our instance: it goes on billing, and no tag says that it is ours to delete."""
    run = launching()
    ec2 = played.client("ec2")
    volume = ec2.create_volume(Size=100, AvailabilityZone="us-east-2a", VolumeType="gp3")["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=run.instance_id, Device="/dev/sdf")
    swept = launching.sweep()
    assert [found.id for found in swept.remaining] == [volume]
    assert "not touched" in swept.remaining[0].state
    assert played.left() == [f"volume {volume}"]
    ec2.delete_volume(VolumeId=volume)
    assert launching.sweep().clean
