"""The end of a run: the clock outside that ends it, whatever happens here, and moving it."""

import json
from datetime import timedelta
from typing import Any

from inf2lab import catalog
from inf2lab.aws.calls import Call
from inf2lab.aws.connection import Cloud
from inf2lab.aws.errors import NotThere
from inf2lab.aws.kinds import list_instances
from inf2lab.aws.moments import Moment
from inf2lab.aws.roles import Statement, create_role, grant
from inf2lab.aws.runs import DEADLINE_TAG, Run, name_of, tags_of
from inf2lab.errors import SettingsError
from inf2lab.words import Report

DEADLINE_ROLE = "<deadline role arn>"
PART = "deadline"
NOT_YET = r"ValidationException:.*role.*|ResourceNotFoundException.*"
KEPT = ("ScheduleExpressionTimezone", "FlexibleTimeWindow", "ActionAfterCompletion", "Target", "State", "Description")


def check_hours(hours: int, hint: str = "") -> None:
    """Raise SettingsError for a number of hours that a run may not last."""
    longest = catalog.cloud_facts().longest_hours
    if not 1 <= hours <= longest:
        raise SettingsError("hours", hours, f"must be from 1 to {longest}{hint}")


def create_watchdog(run: str, policy: str, may: Statement, *, account: str) -> tuple[Call, Call]:
    """Return the calls that make the role of the clock, which may end this run and nothing else.

    Only a schedule of this account may take the role.
    """
    only = {"StringEquals": {"aws:SourceAccount": account or "<account id>"}}
    made = create_role(run, PART, "scheduler.amazonaws.com", gives=DEADLINE_ROLE, only=only)
    return made, grant(run, PART, policy, may)


def set_clock(run: str, deadline: Moment, target: str, asked: dict[str, Any]) -> tuple[Call, Call]:
    """Return the calls that have `target` called at the deadline."""
    group = name_of(run)
    schedule = {
        "Name": "deadline",
        "GroupName": group,
        "ScheduleExpression": _at(deadline),
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {"Arn": target, "RoleArn": DEADLINE_ROLE, "Input": json.dumps(asked)},
    }
    return (
        Call("scheduler", "create_schedule_group", {"Name": group, "Tags": tags_of(run)}),
        Call("scheduler", "create_schedule", schedule, settles=NOT_YET),
    )


def extend(cloud: Cloud, run: Run, *, hours: int, report: Report = print) -> Run:
    """Return the run with its deadline moved by `hours`; negative ones bring it nearer.

    The outside schedule moves first. If the second step fails, the instance still ends at the old time.
    Raises SettingsError on a deadline that makes no sense, CloudError.
    """
    now, new = cloud.now(), run.deadline + timedelta(hours=hours)
    longest = catalog.cloud_facts().longest_hours
    if not now < new <= now + timedelta(hours=longest):
        reason = f"the deadline would be {new}: it must lie in the future, {longest} hours at most"
        raise SettingsError("hours", hours, reason)
    row = next(list_instances(cloud, run.region, [run.id], alive=True), None)
    if row is None:
        raise NotThere("extend", "no instance", f"run {run.id} in {run.region} has none", "launch a new one")
    instance_id = row["InstanceId"]
    schedule = {"region": run.region, "Name": "deadline", "GroupName": name_of(run.id)}
    found = cloud.call("scheduler", "get_schedule", **schedule)
    kept = {name: found[name] for name in KEPT if name in found}
    cloud.call("scheduler", "update_schedule", **schedule, **kept, ScheduleExpression=_at(new))
    report(f"outside watchdog: terminates {instance_id} at {new}")
    tags = [{"Key": DEADLINE_TAG, "Value": str(new)}]
    cloud.call("ec2", "create_tags", region=run.region, Resources=[instance_id], Tags=tags)
    report(f"its own timer: reads {new} from its tag within a minute")
    return run.with_(deadline=new, instance_id=instance_id)


def _at(moment: Moment) -> str:
    """Return EventBridge Scheduler's one-shot expression, in UTC."""
    return f"at({str(moment).removesuffix('Z')})"
