"""What a sweep finds, removes, leaves alone, and says; and that it may be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from inf2lab import Settings, aws
from inf2lab.aws.kinds import Found, Kind
from inf2lab.errors import LabError, SettingsError

if TYPE_CHECKING:
    from conftest import Launching, PlayedAws


def tags(run: str, *kinds: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "inf2lab:run", "Value": run}]} for kind in kinds]


def leave_everything(played: PlayedAws, run: str) -> None:
    """What a reader may make by hand beside an instance: an address, a disk, a snapshot, with the run's tag."""
    ec2 = played.client("ec2")
    ec2.allocate_address(Domain="vpc", TagSpecifications=tags(run, "elastic-ip"))
    disk = ec2.create_volume(
        Size=100, AvailabilityZone="us-east-2a", VolumeType="gp3", TagSpecifications=tags(run, "volume")
    )
    ec2.create_snapshot(VolumeId=disk["VolumeId"], TagSpecifications=tags(run, "snapshot"))


def test_it_removes_every_kind_and_may_be_repeated(played: PlayedAws, launching: Launching) -> None:
    run = launching()
    leave_everything(played, run.id)
    swept = launching.sweep()
    assert swept.clean
    kinds = {"instance", "schedule", "address", "volume", "snapshot", "security group", "role", "instance profile"}
    assert {found.kind for found in swept.removed} == kinds
    assert played.left() == []
    again = launching.sweep()
    assert (again.removed, again.clean) == ((), True)
    assert "nothing is left, nothing bills: 0 USD/h" in str(again)


def test_a_stopped_instance_is_terminated_too(played: PlayedAws, launching: Launching) -> None:
    run = launching()
    played.client("ec2").stop_instances(InstanceIds=[run.instance_id])
    assert launching.sweep().clean
    assert played.left() == []


def test_a_spot_request_is_cancelled(played: PlayedAws, launching: Launching) -> None:
    """It would start an instance after the sweep."""
    run, ec2 = launching(), played.client("ec2")
    ec2.request_spot_instances(
        LaunchSpecification={"ImageId": "ami-0ubuntu2026fit", "InstanceType": "inf2.xlarge"},
        TagSpecifications=tags(run.id, "spot-instances-request"),
    )
    (waiting,) = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    ec2.terminate_instances(InstanceIds=[waiting["InstanceId"]])  # moto fulfils it at once, without our tag
    swept = launching.sweep()
    assert waiting["SpotInstanceRequestId"] in {found.id for found in swept.removed}
    left = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    assert [request["State"] for request in left if request["State"] != "cancelled"] == []
    assert played.left() == []


def test_what_remains_has_a_price(played: PlayedAws, launching: Launching) -> None:
    run = launching()
    leave_everything(played, run.id)
    for operation in ("TerminateInstances", "ReleaseAddress", "DeleteVolume", "DeleteSnapshot"):
        played.fail(f"ec2.{operation}", "UnauthorizedOperation")
    swept = launching.sweep()
    rates = {found.kind: found.usd_per_hour for found in swept.remaining if found.usd_per_hour}
    assert set(rates) == {"instance", "volume", "address", "snapshot"}
    disks = (512 + 100) * 0.08 / 730
    assert swept.usd_per_hour == pytest.approx(0.758 + disks + 0.005 + 100 * 0.05 / 730)
    assert f"{swept.usd_per_hour:.4f} USD/h: sweep again" in str(swept)
    played.heal()
    assert launching.sweep().clean


def test_what_carries_no_tag_or_another_is_not_touched(played: PlayedAws, launching: Launching) -> None:
    ec2 = played.client("ec2")
    plain = ec2.run_instances(ImageId="ami-0ubuntu2026fit", InstanceType="inf2.xlarge", MinCount=1, MaxCount=1)
    other = ec2.run_instances(
        ImageId="ami-0ubuntu2026fit",
        InstanceType="inf2.xlarge",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=tags("somebody-else", "instance", "volume"),
    )
    leave_everything(played, "somebody-else")
    before = set(played.left())
    launching()
    swept = launching.sweep()
    assert swept.clean
    assert set(played.left()) == before
    (line,) = swept.not_ours
    assert line.startswith(other["Instances"][0]["InstanceId"])
    assert "inf2lab sweep --run somebody-else --region us-east-2" in line
    assert plain["Instances"][0]["InstanceId"] not in line


def test_even_a_wrong_search_could_not_remove_what_is_not_ours(
    played: PlayedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(*asked: object) -> list[Found]:
        return [Found("instance", "i-1", "us-east-2", "yours", "running")]

    removed: list[Found] = []
    wrong = Kind("instance", find, lambda cloud, found: removed.append(found))
    monkeypatch.setattr("inf2lab.aws.sweeper.KINDS", (wrong,))
    with pytest.raises(aws.CloudError, match="not ours"):
        aws.sweep(played.cloud(), [aws.Run("mine", "us-east-2")], report=lambda line: None)
    assert removed == []


def test_a_run_that_comes_back_is_open_again(played: PlayedAws, launching: Launching) -> None:
    """A volume with the tag of a run that was proved gone: somebody restored it."""
    run = launching()
    assert launching.sweep().clean
    assert aws.open_runs() == []
    played.client("ec2").create_volume(Size=10, AvailabilityZone="us-east-2a", TagSpecifications=tags(run.id, "volume"))
    played.fail("ec2.DeleteVolume", "UnauthorizedOperation")
    assert not launching.sweep().clean
    assert [one.id for one in aws.open_runs()] == [run.id]


def test_nothing_on_record_asks_nobody(no_network: None) -> None:
    swept = aws.sweep_on_record(Settings(lane="inf2"))
    assert swept.clean
    assert "none is on record here" in str(swept)


def test_the_rehearsal_lane_sweeps_nothing(played: PlayedAws, launching: Launching) -> None:
    run = launching()
    assert aws.sweep_on_record(Settings()).runs == ()
    assert [one.id for one in aws.open_runs()] == [run.id], "so notebook 99 fails its check"
    assert launching.sweep().clean


def test_a_run_of_another_machine_is_swept_by_name_and_region(played: PlayedAws, launching: Launching) -> None:
    run = launching("us-west-2")
    run.path.unlink()
    with pytest.raises(SettingsError, match="--region"):
        aws.sweep_on_record(Settings(lane="inf2"), run=run.id)
    swept = aws.sweep_on_record(Settings(lane="inf2"), run=run.id, regions=["us-west-2"], report=lambda line: None)
    assert swept.clean
    assert played.left() == []


def test_one_run_of_two_may_be_swept(played: PlayedAws, launching: Launching) -> None:
    first, second = launching(), launching()
    swept = aws.sweep_on_record(Settings(lane="inf2"), run=first.id, report=lambda line: None)
    assert swept.clean
    assert [one.id for one in aws.open_runs()] == [second.id]
    assert f"instance {second.instance_id}" in played.left()
    assert launching.sweep().clean


@pytest.fixture
def two_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog of two regions: all of them take a minute in moto."""
    monkeypatch.setattr("inf2lab.aws.sweeper.known_regions", lambda: ("us-east-2", "us-west-2"))


@pytest.mark.thorough
def test_a_record_cut_in_half_is_a_run_and_is_swept_by_its_name_wherever_it_is(
    played: PlayedAws, launching: Launching, two_regions: None
) -> None:
    """It said that nothing was launched, with code 0, while the instance billed on."""
    run = launching("us-west-2")
    run.path.write_text(run.path.read_text()[:40])
    assert [one.id for one in aws.open_runs()] == [run.id]
    assert aws.run_on_record(run.id) is None
    with pytest.raises(aws.RunOnRecord, match=rf"{run.id}\.json cannot be read"):
        aws.launch(played.cloud(), launching.request(played.cloud()), confirm=True)
    said: list[str] = []
    swept = aws.sweep_on_record(Settings(lane="inf2"), report=said.append)
    assert played.left() == []
    assert (swept.clean, "nothing" in str(swept)) == (False, False), "it may have been in a region that nobody asked"
    for text in (said[0], str(swept)):
        assert f"{run.id}.json cannot be read" in text
    assert "looked in us-east-2, us-west-2" in str(swept)
    assert len(run.path.read_text()) == 40, "what is left of it stays for a person to look at"


def test_beside_a_record_that_cannot_be_read_nobody_is_told_that_nothing_bills(
    played: PlayedAws, launching: Launching, two_regions: None
) -> None:
    damaged, whole = launching(), launching()
    damaged.path.write_bytes(b"")
    swept = aws.sweep(played.cloud(), [whole], report=lambda line: None)
    assert swept.clean
    assert any(damaged.instance_id in line for line in swept.not_ours)
    assert any(f"run {damaged.id} is open in an unknown region" in line for line in swept.not_ours)
    assert "of your runs nothing is left" in str(swept)
    assert "nothing bills" not in str(swept)
    assert not launching.sweep().clean
    assert played.left() == []


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "null", "[]", "1", '"x"', "\ufeff{}", "{}", '{"id": "this"}', "[" * 100_000, "1" * 5000),
        *('{"id": "this", "region": 7}', '{"id": "this", "region": ["us-east-2"]}', '{"id": "other", "region": "r"}'),
        '{"id": "this", "region": "us-east-2", "launched": "yesterday"}',
        '{"id": "this", "region": "us-east-2", "launched": "2026-11-28T10:00:00"}',
        '{"id": "this", "region": "us-east-2", "volumes": [1]}',
        '{"id": "this", "region": "us-east-2", "bucket": [1]}',
        b"\xff\xfe",
        None,  # a folder of that name
    ],
    ids=lambda content: repr(content)[:50],
)
def test_of_a_record_that_says_no_run_the_name_is_known(content: str | bytes | None) -> None:
    path = aws.Run("this", "us-east-2").write().path
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        assert aws.all_runs() == aws.open_runs() == [aws.Run("this", "")]
        assert aws.run_on_record("this") is None
    finally:
        path.rmdir() if content is None else path.unlink()


def test_a_folder_of_records_that_cannot_be_looked_into_is_not_an_empty_one() -> None:
    folder = aws.Run("this", "us-east-2").path.parent
    folder.write_text("")
    try:
        with pytest.raises(LabError, match="may bill"):
            aws.sweep_on_record(Settings(lane="inf2"))
    finally:
        folder.unlink()


def test_a_full_disk_keeps_no_sweep_from_ending_what_bills(
    played: PlayedAws, launching: Launching, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launching()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inf2lab.aws.runs.write_file", full)
    run = aws.Run(**{**vars(run), "volumes": ()})  # so that there is something to note
    swept = aws.sweep(played.cloud(), [run], report=lambda line: None)
    assert played.left() == []
    assert f"{run.id}.json could not be written (No space left on device)" in str(swept)


def test_a_run_that_is_nowhere_on_record_is_not_said_to_bill_nothing(played: PlayedAws) -> None:
    """Who names the wrong region must not be told that all is well."""
    swept = aws.sweep_on_record(
        Settings(lane="inf2"), run="20261128-1", regions=["us-east-2"], report=lambda line: None
    )
    assert "run 20261128-1 is not on record here, and nothing of it was found" in str(swept)
    assert "nothing bills" not in str(swept)


def test_a_run_that_is_open_elsewhere_is_named_beside_a_clean_one(played: PlayedAws, launching: Launching) -> None:
    first, second = launching("us-east-2"), launching("us-west-2")
    swept = aws.sweep_on_record(Settings(lane="inf2"), run=first.id, report=lambda line: None)
    assert f"run {second.id} is open in us-west-2" in str(swept)
    assert "nothing bills" not in str(swept)
    assert launching.sweep().clean


def test_what_has_no_price_here_is_not_said_to_bill_nothing() -> None:
    found = Found("instance", "i-1", "us-east-2", "mine", "running", None)
    assert "bills at a price that is not known here" in str(found)
    report = aws.SweepReport(("mine",), ("us-east-2",), remaining=(found,))
    assert "more than 0.0000 USD/h" in str(report)


@pytest.mark.thorough
def test_disks_that_nobody_could_look_for_are_not_taken_for_gone(played: PlayedAws, launching: Launching) -> None:
    launching()
    played.fail("ec2.DescribeVolumes", "UnauthorizedOperation", only_if="volume-id")
    swept = launching.sweep()
    assert not swept.clean
    assert "disks without our tag in us-east-2: UnauthorizedOperation" in str(swept)
    played.heal()
    assert launching.sweep().clean
