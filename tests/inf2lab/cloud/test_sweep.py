"""What a sweep finds, removes, leaves alone, and says; and that it may be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from inf2lab import Settings, cloud
from inf2lab.cloud._resources import Found
from inf2lab.errors import SettingsError

if TYPE_CHECKING:
    from conftest import Launching, PlayedAws


def tags(run: str, *kinds: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "inf2lab:run", "Value": run}]} for kind in kinds]


def leave_everything(aws: PlayedAws, run: str) -> None:
    """What a reader may make by hand beside an instance: an address, a disk, a snapshot, with the run's tag."""
    ec2 = aws.client("ec2")
    ec2.allocate_address(Domain="vpc", TagSpecifications=tags(run, "elastic-ip"))
    disk = ec2.create_volume(
        Size=100,
        AvailabilityZone="us-east-2a",
        VolumeType="gp3",
        TagSpecifications=tags(run, "volume"),
    )
    ec2.create_snapshot(VolumeId=disk["VolumeId"], TagSpecifications=tags(run, "snapshot"))


def test_it_removes_every_kind_and_may_be_repeated(aws: PlayedAws, launching: Launching) -> None:
    run = launching()
    leave_everything(aws, run.id)
    swept = launching.sweep()
    assert swept.clean
    kinds = {
        "instance",
        "schedule",
        "address",
        "volume",
        "snapshot",
        "security group",
        "role",
        "instance profile",
    }
    assert {found.kind for found in swept.removed} == kinds
    assert aws.left() == []
    again = launching.sweep()
    assert (again.removed, again.clean) == ((), True)
    assert "nothing is left, nothing bills: 0 USD/h" in str(again)


def test_a_stopped_instance_is_terminated_too(aws: PlayedAws, launching: Launching) -> None:
    run = launching()
    aws.client("ec2").stop_instances(InstanceIds=[run.instance_id])
    assert launching.sweep().clean
    assert aws.left() == []


def test_a_spot_request_is_cancelled(aws: PlayedAws, launching: Launching) -> None:
    """It would start an instance after the sweep."""
    run, ec2 = launching(), aws.client("ec2")
    ec2.request_spot_instances(
        LaunchSpecification={"ImageId": "ami-0ubuntu2026new", "InstanceType": "inf2.xlarge"},
        TagSpecifications=tags(run.id, "spot-instances-request"),
    )
    (waiting,) = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    ec2.terminate_instances(InstanceIds=[waiting["InstanceId"]])  # moto fulfils it at once, without our tag
    swept = launching.sweep()
    assert waiting["SpotInstanceRequestId"] in {found.id for found in swept.removed}
    left = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    assert [request["State"] for request in left if request["State"] != "cancelled"] == []
    assert aws.left() == []


def test_what_remains_has_a_price(aws: PlayedAws, launching: Launching) -> None:
    run = launching()
    leave_everything(aws, run.id)
    for operation in ("TerminateInstances", "ReleaseAddress", "DeleteVolume", "DeleteSnapshot"):
        aws.fail(f"ec2.{operation}", "UnauthorizedOperation")
    swept = launching.sweep()
    rates = {found.kind: found.usd_per_hour for found in swept.remaining if found.usd_per_hour}
    assert set(rates) == {"instance", "volume", "address", "snapshot"}
    disks = (512 + 100) * 0.08 / 730
    assert swept.usd_per_hour == pytest.approx(0.758 + disks + 0.005 + 100 * 0.05 / 730)
    assert f"{swept.usd_per_hour:.4f} USD/h: sweep again" in str(swept)
    aws.heal()
    assert launching.sweep().clean


def test_what_carries_no_tag_or_another_is_not_touched(aws: PlayedAws, launching: Launching) -> None:
    ec2 = aws.client("ec2")
    plain = ec2.run_instances(
        ImageId="ami-0ubuntu2026new", InstanceType="inf2.xlarge", MinCount=1, MaxCount=1
    )
    other = ec2.run_instances(
        ImageId="ami-0ubuntu2026new",
        InstanceType="inf2.xlarge",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=tags("somebody-else", "instance", "volume"),
    )
    leave_everything(aws, "somebody-else")
    before = set(aws.left())
    launching()
    swept = launching.sweep()
    assert swept.clean
    assert set(aws.left()) == before
    (line,) = swept.not_ours
    assert line.startswith(other["Instances"][0]["InstanceId"])
    assert "inf2lab sweep --run somebody-else --region us-east-2" in line
    assert plain["Instances"][0]["InstanceId"] not in line


def test_even_a_wrong_search_could_not_remove_what_is_not_ours(aws: PlayedAws) -> None:
    from inf2lab.cloud._resources import KINDS
    from inf2lab.cloud._sweep import _Work

    (instances,) = [kind for kind in KINDS if kind.name == "instance"]
    work = _Work(aws.cloud(), frozenset({"mine"}), ["us-east-2"], 0, lambda line: None)
    with pytest.raises(cloud.CloudError, match="not ours"):
        work._remove(instances, Found("instance", "i-1", "us-east-2", "yours", "running"))


def test_a_run_that_comes_back_is_open_again(aws: PlayedAws, launching: Launching) -> None:
    """A volume with the tag of a run that was proved gone: somebody restored it."""
    run = launching()
    assert launching.sweep().clean
    assert cloud.open_runs() == []
    aws.client("ec2").create_volume(
        Size=10, AvailabilityZone="us-east-2a", TagSpecifications=tags(run.id, "volume")
    )
    aws.fail("ec2.DeleteVolume", "UnauthorizedOperation")
    assert not launching.sweep().clean
    assert [one.id for one in cloud.open_runs()] == [run.id]


def test_nothing_on_record_asks_nobody(no_network: None) -> None:
    swept = cloud.sweep_on_record(Settings(lane="inf2"))
    assert swept.clean
    assert "launched nothing" in str(swept)


def test_the_rehearsal_lane_sweeps_nothing(aws: PlayedAws, launching: Launching) -> None:
    run = launching()
    assert cloud.sweep_on_record(Settings()).runs == ()
    assert [one.id for one in cloud.open_runs()] == [run.id], "so notebook 99 fails its check"
    assert launching.sweep().clean


def test_a_run_of_another_machine_is_swept_by_name_and_region(aws: PlayedAws, launching: Launching) -> None:
    run = launching("us-west-2")
    run.path.unlink()
    with pytest.raises(SettingsError, match="--region"):
        cloud.sweep_on_record(Settings(lane="inf2"), run=run.id)
    swept = cloud.sweep_on_record(
        Settings(lane="inf2"), run=run.id, regions=["us-west-2"], report=lambda line: None
    )
    assert swept.clean
    assert aws.left() == []


def test_one_run_of_two_may_be_swept(aws: PlayedAws, launching: Launching) -> None:
    first, second = launching(), launching()
    swept = cloud.sweep_on_record(Settings(lane="inf2"), run=first.id, report=lambda line: None)
    assert swept.clean
    assert [one.id for one in cloud.open_runs()] == [second.id]
    assert f"instance {second.instance_id}" in aws.left()
    assert launching.sweep().clean


def test_a_record_that_nobody_can_read_is_left_alone(aws: PlayedAws, launching: Launching) -> None:
    run = launching()
    broken = run.path.with_name("broken.json")
    broken.write_text("{")
    assert [one.id for one in cloud.all_runs()] == [run.id]
    assert broken.exists()
    assert cloud.run_on_record(run.id) == run
    assert cloud.run_on_record("broken") is None
