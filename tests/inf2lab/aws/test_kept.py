"""What a launch keeps for the next one in a bucket, and the alarm that ends an instance nobody uses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from inf2lab import aws, catalog
from inf2lab.aws.kinds import KEPT_PREFIX
from inf2lab.errors import SettingsError

if TYPE_CHECKING:
    from conftest import Launching, PlayedAws

BUCKET = "my-bucket"
FILES = {"huggingface/hub/models--x/refs/main": b"1", "neuron-compile-cache/a.neff": b"22"}


@pytest.fixture
def bucket(played: PlayedAws) -> str:
    """A bucket of the person's own, with a file that is not the lab's."""
    client = played.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    client.put_object(Bucket=BUCKET, Key="letters/mine.txt", Body=b"x")
    return BUCKET


def keys(played: PlayedAws) -> set[str]:
    rows = played.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", ())
    return {row["Key"] for row in rows}


def fill(played: PlayedAws) -> None:
    """What the instance brings there."""
    for name, data in FILES.items():
        played.client("s3").put_object(Bucket=BUCKET, Key=KEPT_PREFIX + name, Body=data)


def test_the_instance_may_read_and_write_one_prefix_of_the_bucket(
    played: PlayedAws, launching: Launching, bucket: str
) -> None:
    run = launching(bucket=bucket)
    assert run.kept == bucket
    role = f"inf2lab-{run.id}-instance"
    policy = played.client("iam").get_role_policy(RoleName=role, PolicyName="keep")["PolicyDocument"]
    files, names = policy["Statement"]
    assert files["Action"] == ["s3:GetObject", "s3:PutObject"], "an instance deletes nothing there"
    assert files["Resource"] == f"arn:aws:s3:::{bucket}/inf2lab/kept/*"
    assert names["Condition"] == {"StringLike": {"s3:prefix": "inf2lab/kept/*"}}
    assert launching.sweep().clean
    assert played.left() == []


def test_what_is_kept_stays_with_its_price_until_it_is_asked_for(
    played: PlayedAws, launching: Launching, bucket: str
) -> None:
    launching(bucket=bucket)
    fill(played)
    swept = launching.sweep()
    assert swept.clean
    assert f"kept on purpose: 2 files in s3://{bucket}/inf2lab/kept/, about 0.00 USD a month" in str(swept)
    assert "inf2lab sweep --kept" in str(swept)
    assert "nothing bills" not in str(swept)
    assert len(keys(played)) == 3
    swept = launching.sweep(kept=True)
    assert {found.kind for found in swept.removed} == {"kept file"}
    assert "nothing bills" in str(swept)
    assert keys(played) == {"letters/mine.txt"}, "the bucket is the person's own"


def test_a_bucket_that_nobody_may_look_into_is_not_taken_for_empty(
    played: PlayedAws, launching: Launching, bucket: str
) -> None:
    launching(bucket=bucket)
    fill(played)
    played.heal()
    played.fail("s3.ListObjectsV2", "AccessDenied", status=403)
    swept = launching.sweep()
    assert swept.clean, "what is kept is none of what must go"
    assert "kept on purpose: could not look: kept files in us-east-2" in str(swept)
    assert not launching.sweep(kept=True).clean


def test_a_sweep_of_what_is_kept_may_be_interrupted(played: PlayedAws, launching: Launching, bucket: str) -> None:
    launching(bucket=bucket)
    fill(played)
    launching.sweep()
    played.heal()
    played.interrupt(1)
    with pytest.raises(KeyboardInterrupt):
        launching.sweep(kept=True)
    assert len(keys(played)) == 2
    played.heal()
    assert launching.sweep(kept=True).clean
    assert keys(played) == {"letters/mine.txt"}


@pytest.mark.parametrize(("name", "said"), [("no bucket", "name alone"), ("s3://my-bucket/x", "name alone")])
def test_what_is_no_bucket_is_refused(launching: Launching, name: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        launching(bucket=name)


def test_a_bucket_elsewhere_is_refused_before_anything_bills(
    played: PlayedAws, launching: Launching, bucket: str
) -> None:
    with pytest.raises(SettingsError, match="is in us-east-2: name one in us-west-2"):
        launching("us-west-2", bucket=bucket)
    assert played.left() == []
    assert aws.open_runs() == []


def alarm_of(request: aws.LaunchRequest) -> dict[str, Any]:
    (call,) = [call for call in request.calls if call.operation == "put_metric_alarm"]
    return dict(call.parameters)


@pytest.mark.parametrize("instance", ["inf2.xlarge", "inf2.8xlarge", "inf2.48xlarge"])
def test_idle_is_less_than_a_part_of_one_processor_and_not_a_share_of_all(instance: str) -> None:
    """Five per cent of 192 processors are ten of them: one worker that serves would have counted as nobody."""
    here = aws.Cloud("us-east-2")
    request = aws.launch_request(here, instance, aws.look_up_image(here), hours=1, idle_minutes=60)
    alarm = alarm_of(request)
    processors = catalog.instance(instance).vcpus
    assert alarm["Threshold"] * processors / 100 == pytest.approx(0.25, abs=0.01)
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 3600
    assert alarm["AlarmActions"] == ["arn:aws:automate:us-east-2:ec2:terminate"]
    assert request.calls[-1].operation == "put_metric_alarm", "the deadline is set before it"


def test_the_alarm_is_this_instances_and_goes_with_the_run(played: PlayedAws, launching: Launching) -> None:
    run = launching(idle_minutes=45)
    assert f"alarm inf2lab-{run.id}-idle" in played.left()
    (alarm,) = played.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert alarm["Dimensions"] == [{"Name": "InstanceId", "Value": run.instance_id}]
    assert json.dumps(alarm["AlarmActions"]).count("terminate") == 1
    swept = launching.sweep()
    assert swept.clean
    assert "alarm" in {found.kind for found in swept.removed}
    assert played.left() == []


def test_another_runs_alarm_is_left_alone(played: PlayedAws, launching: Launching) -> None:
    first, second = launching(idle_minutes=45), launching(idle_minutes=45)
    aws.sweep(played.cloud(), [first], report=lambda line: None)
    assert [line for line in played.left() if line.startswith("alarm")] == [f"alarm inf2lab-{second.id}-idle"]
    assert launching.sweep().clean


@pytest.mark.parametrize("minutes", [5, 1441, -1])
def test_a_time_that_nobody_can_watch_is_refused(launching: Launching, minutes: int) -> None:
    with pytest.raises(SettingsError, match="must be from 15 to 1440, or 0"):
        launching(idle_minutes=minutes)
