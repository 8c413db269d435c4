"""Moving the end of a run: the schedule outside the instance, then the tag that its own timer reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from inf2lab import catalog
from inf2lab.aws.connection import Cloud
from inf2lab.aws.errors import NotThere
from inf2lab.aws.instance import (
    DEADLINE_TAG,
    RUN_TAG,
    names,
    read_stamp,
    schedule_expression,
    stamp,
)
from inf2lab.aws.runs import Run
from inf2lab.errors import SettingsError

KEPT = (
    "ScheduleExpressionTimezone",
    "FlexibleTimeWindow",
    "ActionAfterCompletion",
    "Target",
    "State",
    "Description",
)


def extend(cloud: Cloud, run: Run, *, hours: int, report: Callable[[str], None] = print) -> Run:
    """Return the run with its deadline moved by `hours`; negative ones bring it nearer.

    The outside schedule moves first. If the second step fails, the instance still ends at the old time.
    Raises SettingsError on a deadline that makes no sense, CloudError.
    """
    old, now = read_stamp(run.deadline), cloud.now()
    new = old + timedelta(hours=hours)
    longest = catalog.cloud_facts().longest_hours
    if not now < new <= now + timedelta(hours=longest):
        reason = f"the deadline would be {stamp(new)}: it must lie in the future, {longest} hours at most"
        raise SettingsError("hours", hours, reason)
    instance_id = _instance_of(cloud, run)
    group = names(run.id)["group"]
    at = {"region": run.region, "Name": "deadline", "GroupName": group}
    schedule = cloud.call("scheduler", "get_schedule", **at)
    kept = {name: schedule[name] for name in KEPT if name in schedule}
    cloud.call("scheduler", "update_schedule", **at, **kept, ScheduleExpression=schedule_expression(new))
    report(f"outside watchdog: terminates {instance_id} at {stamp(new)}")
    tags = [{"Key": DEADLINE_TAG, "Value": stamp(new)}]
    cloud.call("ec2", "create_tags", region=run.region, Resources=[instance_id], Tags=tags)
    report(f"its own timer: reads {stamp(new)} from its tag within a minute")
    return run.with_(deadline=stamp(new), instance_id=instance_id)


def _instance_of(cloud: Cloud, run: Run) -> str:
    """Return the run's instance that is not terminated, found by its tag; raises NotThere."""
    filters = [
        {"Name": f"tag:{RUN_TAG}", "Values": [run.id]},
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
    ]
    groups = cloud.pages("ec2", "describe_instances", "Reservations", region=run.region, Filters=filters)
    for row in (instance for group in groups for instance in group["Instances"]):
        return row["InstanceId"]
    raise NotThere("extend", "no instance", f"run {run.id} in {run.region} has none", "launch a new one")
