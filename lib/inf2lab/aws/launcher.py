"""Sending a launch request: a dry run by default, the real thing on `confirm=True`, undone if it cannot be finished."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from inf2lab.aws.connection import Cloud
from inf2lab.aws.errors import CloudError, NoCapacity, NotThere, RunOnRecord
from inf2lab.aws.instance import Call, LaunchRequest
from inf2lab.aws.runs import Run, begin, open_runs
from inf2lab.aws.sweeper import SweepReport, sweep
from inf2lab.errors import SettingsError

Report = Callable[[str], None]
SETTLE_S = 60  # AWS is eventually consistent: a role or profile may take some seconds to be seen everywhere
START_S = 300
STEP_S = 3


@dataclass(frozen=True)
class Launched:
    """What became of a request: `sent` is false for a rehearsal and for a dry run, and then nothing bills."""

    sent: bool
    said: str
    run: Run | None = None

    def __str__(self) -> str:
        return self.said


class LaunchFailed(CloudError):
    """A launch stopped half-way and was undone; `undone` says what is left, `__cause__` why it stopped."""

    def __init__(self, call: str, code: str, message: str, remedy: str, undone: str) -> None:
        super().__init__(call, code, message, remedy)
        self.args = (call, code, message, remedy, undone)
        self.undone = undone

    def __str__(self) -> str:
        return f"{super().__str__()}. {self.undone}"


def launch(
    cloud: Cloud,
    request: LaunchRequest,
    *,
    confirm: bool = False,
    another: bool = False,
    report: Report = print,
) -> Launched:
    """Send the request if `confirm`; else ask AWS whether it would be allowed (a dry run), which costs nothing.

    Raises CloudError; what was created until then is removed first. `another` allows a second run at once.
    """
    if not cloud.live:
        if confirm:
            reason = f"{cloud.why}: nothing is asked; use lane='inf2' on your own machine to spend money"
            raise SettingsError("confirm", True, reason)
        return Launched(False, f"{cloud.why}: nothing was sent")
    if not confirm:
        return _dry_run(cloud, request)
    refuse_a_second_bill(another)
    run = begin(request, cloud.now())
    report(f"run {run.id} in {run.region}: {request.hours} h, until {run.deadline}")
    try:
        run = _send(cloud, request, run, report)
    except CloudError as error:
        undone = _undo(cloud, run, report)
        raise LaunchFailed(error.call, error.code, error.message, error.remedy, undone) from error
    except BaseException:  # an interrupt too: what was created must not go on billing
        _undo(cloud, run, report)
        raise
    return Launched(True, f"{run.instance_id} runs in {run.region} until {run.deadline}", run)


def refuse_a_second_bill(another: bool) -> None:
    """Raise RunOnRecord if a run was not swept yet and no other is wanted beside it."""
    left = open_runs()
    if left and not another:
        run = left[-1]
        remedy = "`inf2lab sweep` ends it; `another=True` (--another) starts a second bill beside it"
        raise RunOnRecord("launch", f"run {run.id}", f"{run.instance} in {run.region} was not swept yet", remedy)


def _dry_run(cloud: Cloud, request: LaunchRequest) -> Launched:
    """Ask with DryRun what can be asked so; group and profile are left out, because they do not exist yet."""
    call = request.run_instances
    left_out = {"SecurityGroupIds", "IamInstanceProfile", "ClientToken"}
    parameters = {name: value for name, value in call.parameters.items() if name not in left_out}
    try:
        cloud.call(call.service, call.operation, **parameters, DryRun=True)
    except CloudError as error:
        if error.code != "DryRunOperation":
            raise
    said = "dry run: AWS would allow it. Not asked: quota, capacity, roles. Nothing was started, nothing bills"
    return Launched(False, said)


def _send(cloud: Cloud, request: LaunchRequest, run: Run, report: Report) -> Run:
    known: dict[str, str] = {}
    for call in request.calls:
        filled = replace(call, parameters=fill(call.parameters, known))
        starts = call is request.run_instances
        answer = _in_some_zone(cloud, filled, request, report) if starts else _settled(cloud, filled)
        known |= {name: _at(path, answer) for name, path in call.gives.items()}
        if starts:
            run = run.with_(instance_id=answer["Instances"][0]["InstanceId"])
        report(f"  {call.service} {call.operation}: done")
    return _wait_until_it_runs(cloud, run)


def send_one(cloud: Cloud, call: Call, known: dict[str, str]) -> dict[str, str]:
    """Make one call with its placeholders filled; returns `known` with what its answer gives."""
    answer = _settled(cloud, replace(call, parameters=fill(call.parameters, known)))
    return known | {name: _at(path, answer) for name, path in call.gives.items()}


def fill(value: Any, known: dict[str, str]) -> Any:
    """Return a parameter with the placeholders replaced that earlier calls have answered."""
    if isinstance(value, str):
        for name, found in known.items():
            value = value.replace(name, found)
        return value
    if isinstance(value, dict):
        return {key: fill(item, known) for key, item in value.items()}
    return [fill(item, known) for item in value] if isinstance(value, list) else value


def _at(path: str, answer: dict[str, Any]) -> str:
    import jmespath  # comes with boto3

    return jmespath.search(path, answer)


def _settled(cloud: Cloud, call: Call) -> dict[str, Any]:
    """Make the call, again while AWS says what `settles` describes, for a minute at most."""
    waited = 0
    while True:
        try:
            return cloud.call(call.service, call.operation, **call.parameters)
        except CloudError as error:
            passes = call.settles and re.fullmatch(call.settles, f"{error.code}: {error.message}", re.DOTALL)
            if not passes or waited >= SETTLE_S:
                raise
        cloud.pause(STEP_S)
        waited += STEP_S


def _in_some_zone(cloud: Cloud, call: Call, request: LaunchRequest, report: Report) -> dict[str, Any]:
    """Start the instance in the first zone that has one free. Each zone has a client token of its own."""
    if not request.zones:
        return _settled(cloud, call)
    for zone in request.zones:
        token = f"{request.run}-{zone}"
        here = {**call.parameters, "Placement": {"AvailabilityZone": zone}, "ClientToken": token}
        try:
            return _settled(cloud, replace(call, parameters=here))
        except CloudError as error:
            if not isinstance(error, NoCapacity) and "default subnet" not in error.message.lower():
                raise
            report(f"  {zone}: {error.code}")
            last = error
    said = f"in none of {', '.join(request.zones)}"
    raise type(last)(last.call, last.code, said, last.remedy) from last


def _wait_until_it_runs(cloud: Cloud, run: Run) -> Run:
    for _ in range(0, START_S, STEP_S):
        try:
            (now,) = _instances(cloud, run.instance_id)
        except (NotThere, ValueError):  # not yet
            cloud.pause(STEP_S)
            continue
        volumes = tuple(disk["Ebs"]["VolumeId"] for disk in now["BlockDeviceMappings"])
        run = run.with_(volumes=volumes) if volumes != run.volumes else run
        state = now["State"]["Name"]
        if state == "running":
            return run
        if state != "pending":
            reason = now.get("StateReason", {})
            code, said = reason.get("Code", state), reason.get("Message", "it ended by itself")
            raise NoCapacity("ec2 run_instances", code, said, "launch again, or try another region")
        cloud.pause(STEP_S)
    raise CloudError("ec2 describe_instances", "pending", f"{run.instance_id} did not start", "launch again later")


def _instances(cloud: Cloud, instance_id: str) -> Iterable[dict[str, Any]]:
    answer = cloud.call("ec2", "describe_instances", InstanceIds=[instance_id])
    return [instance for group in answer["Reservations"] for instance in group["Instances"]]


def _undo(cloud: Cloud, run: Run, report: Report) -> str:
    """Sweep this run without waiting long; returns one sentence about what is left. Never raises CloudError."""
    report("  stopped half-way: removing what was created")
    try:
        swept: SweepReport = sweep(cloud, [run], patience_s=60, report=report)
    except CloudError as error:
        return f"It could not be undone ({error.code}): run `inf2lab sweep` until it says that nothing is left"
    if swept.clean:
        return "Everything created until then is removed: nothing bills"
    return f"{len(swept.remaining)} things are left: run `inf2lab sweep` until it says that nothing is left"


def describe_calls(request: LaunchRequest) -> str:
    """Return one line for each call of a request, in order."""
    lines = []
    for number, call in enumerate(request.calls, 1):
        subject = next(call.parameters[key] for key in _SUBJECTS if key in call.parameters)
        lines.append(f"{number:2}  {call.service + '.' + call.operation:34} {subject}")
    return "\n".join(lines)


_SUBJECTS = ("RoleName", "InstanceProfileName", "GroupName", "InstanceType", "Name")
