"""inf2lab extend: both clocks move; if one does not, the instance still ends."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from inf2lab import aws
from inf2lab.aws.moments import Moment
from inf2lab.errors import SettingsError

if TYPE_CHECKING:
    from conftest import Launching, PlayedAws


def clocks(played: PlayedAws, run: aws.Run) -> tuple[Moment, Moment]:
    """The deadline of the schedule outside, and of the tag that the instance reads."""
    schedule = played.client("scheduler").get_schedule(Name="deadline", GroupName=f"inf2lab-{run.id}")
    (group,) = played.client("ec2").describe_instances(InstanceIds=[run.instance_id])["Reservations"]
    tags = {tag["Key"]: tag["Value"] for tag in group["Instances"][0]["Tags"]}
    outside = schedule["ScheduleExpression"].removeprefix("at(").removesuffix(")") + "Z"
    assert schedule["Target"]["Input"] == f'{{"InstanceIds": ["{run.instance_id}"]}}'
    return Moment.fromisoformat(outside), Moment.fromisoformat(tags["inf2lab:deadline"])


@pytest.mark.parametrize("hours", [2, 5])
def test_both_clocks_move(played: PlayedAws, launching: Launching, hours: int) -> None:
    run = launching()
    moved = aws.extend(played.cloud(), run, hours=hours, report=lambda line: None)
    wanted = run.deadline + timedelta(hours=hours)
    assert clocks(played, run) == (wanted, wanted)
    assert moved.deadline == wanted
    assert aws.run_on_record(run.id) == moved


def test_it_can_be_brought_nearer(played: PlayedAws, launching: Launching) -> None:
    run = aws.extend(played.cloud(), launching(), hours=3, report=lambda line: None)
    back = aws.extend(played.cloud(), run, hours=-2, report=lambda line: None)
    assert back.deadline == run.deadline - timedelta(hours=2)


def test_if_the_second_step_fails_the_instance_ends_at_the_old_time(played: PlayedAws, launching: Launching) -> None:
    run = launching()
    played.fail("ec2.CreateTags", "UnauthorizedOperation")
    with pytest.raises(aws.NotAllowed):
        aws.extend(played.cloud(), run, hours=2, report=lambda line: None)
    outside, inside = clocks(played, run)
    assert inside == run.deadline < outside
    assert aws.run_on_record(run.id).deadline == run.deadline


@pytest.mark.parametrize("hours", [-1, 72])
def test_a_deadline_in_the_past_or_far_away_is_refused(played: PlayedAws, launching: Launching, hours: int) -> None:
    run = launching()
    with pytest.raises(SettingsError, match="72 hours at most"):
        aws.extend(played.cloud(), run, hours=hours)
    assert clocks(played, run) == (run.deadline, run.deadline)


def test_what_has_ended_is_not_extended(played: PlayedAws, launching: Launching) -> None:
    run = launching()
    played.client("ec2").terminate_instances(InstanceIds=[run.instance_id])
    with pytest.raises(aws.NotThere, match="launch a new one"):
        aws.extend(played.cloud(), run, hours=1)
