"""One instance that ends itself: the request as data, before any call is sent, and the launch that sends it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from inf2lab import catalog
from inf2lab.aws.bucket import check_name, check_place, may_read
from inf2lab.aws.calls import STEP_S, Call, Launched, refuse_a_second_bill, send, settle, undo_on_failure
from inf2lab.aws.connection import Cloud
from inf2lab.aws.deadline import check_hours, create_watchdog, set_clock
from inf2lab.aws.errors import CloudError, NoCapacity, NotThere, error_for
from inf2lab.aws.first_boot import INSTALLED, READY, wait_until_booted
from inf2lab.aws.idle import watch_idle
from inf2lab.aws.images import Image
from inf2lab.aws.kinds import IAM_PATH, KEPT_PREFIX
from inf2lab.aws.lookups import Offering, Subnet
from inf2lab.aws.moments import Moment
from inf2lab.aws.pacing import looks
from inf2lab.aws.roles import NOT_YET, allow, create_role, grant
from inf2lab.aws.runs import RUN_TAG, STATUS_TAG, Run, name_of, new_run_id, tags_of
from inf2lab.aws.tunnel import check_programs, fill_commands
from inf2lab.aws.user_data import user_data
from inf2lab.errors import SettingsError
from inf2lab.words import Report

TAGGED = ("instance", "volume", "network-interface")
SSM_POLICY = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
TERMINATE_TARGET = "arn:aws:scheduler:::aws-sdk:ec2:terminateInstances"
GROUP, INSTANCE = "<security group id>", "<instance id>"
START_S = 300
PATIENCE_S = 60  # of the undoing
SUBJECTS = ("RoleName", "InstanceProfileName", "GroupName", "InstanceType", "AlarmName", "Name")


@dataclass(frozen=True)
class LaunchRequest:
    """Everything that `launch` will ask for. `calls` are exactly those that are sent."""

    run: str
    region: str
    instance: str
    image: Image
    zones: tuple[str, ...]  # tried in this order; empty leaves the choice to AWS
    hours: int
    deadline: Moment
    disk_gib: int
    spot: bool
    repository: str
    bucket: str
    user_data: str
    calls: tuple[Call, ...]

    @property
    def run_instances(self) -> Call:
        """The call that starts the bill."""
        return next(call for call in self.calls if call.operation == "run_instances")

    @property
    def disk(self) -> Mapping[str, Any]:
        """The root volume, as it is asked for."""
        return self.run_instances.parameters["BlockDeviceMappings"][0]["Ebs"]

    def __str__(self) -> str:
        return str(self.run_instances)


def launch_request(
    cloud: Cloud,
    instance: str,
    image: Image,
    *,
    hours: int,
    offered: Offering | None = None,
    spot: bool = False,
    disk_gib: int | None = None,
    repository: str = "",
    subnet: Subnet | None = None,
    bucket: str = "",
    idle_minutes: int = 0,
    run: str | None = None,
) -> LaunchRequest:
    """Return the request for one instance that ends itself after `hours`; nothing is sent.

    Without a `subnet` it is one of the default network's. A `bucket` of yours takes weights and compiled programs for
    the next session; after `idle_minutes` without work an alarm ends the instance.
    Raises SettingsError on a number of hours or GiB that makes no sense.
    """
    facts = catalog.cloud_facts()
    disk = facts.disk_gib if disk_gib is None else disk_gib
    check_hours(hours, "; `inf2lab extend` adds more")
    if not 100 <= disk <= 16384:
        raise SettingsError("disk_gib", disk, "must be from 100 (image and checkpoints) to 16384 (gp3's largest)")
    if catalog.instance(instance).family != "inf2":
        raise SettingsError("instance", instance, "this lane launches inf2 instances; the catalog plans for others")
    if bucket:
        check_name(bucket)
    run = run or new_run_id(cloud)
    deadline = cloud.now() + timedelta(hours=hours)
    values = {"Run": run, "Deadline": str(deadline), "User": image.user, "Port": str(facts.jupyter_port)}
    values |= {"Instance": instance, "DriverBelow": image.accepted.below, "Repository": repository}
    values |= {"Bucket": bucket, "Prefix": KEPT_PREFIX}
    script, tags = user_data(values), tags_of(run, deadline)
    parameters: dict[str, Any] = {
        "InstanceType": instance,
        "ImageId": image.id,
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": run,
        "BlockDeviceMappings": [{"DeviceName": image.root_device, "Ebs": _disk(disk)}],
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": image.stack.metadata_hops,
            "InstanceMetadataTags": "enabled",
        },
        "InstanceInitiatedShutdownBehavior": "terminate",
        "IamInstanceProfile": {"Name": name_of(run, "instance")},
        "SecurityGroupIds": [GROUP],
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in TAGGED],
        "UserData": script,
    }
    if spot:
        options = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        parameters["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": options}
        parameters["TagSpecifications"].append({"ResourceType": "spot-instances-request", "Tags": tags})
    if subnet:
        parameters["SubnetId"] = subnet.id
    zones = offered.zones if offered and not subnet else ()
    calls = _list_calls(cloud, run, deadline, parameters, subnet)
    if bucket:
        calls = (calls[0], grant(run, "instance", "keep", *may_read(bucket, KEPT_PREFIX, write=True)), *calls[1:])
    if idle_minutes:
        calls = (*calls, watch_idle(run, cloud.region, instance, INSTANCE, idle_minutes))
    return LaunchRequest(
        run, cloud.region, instance, image, zones, hours, deadline, disk, spot, repository, bucket, script, calls
    )


def _disk(gib: int) -> dict[str, Any]:
    facts = catalog.cloud_facts()
    speed = {"VolumeType": "gp3", "Throughput": facts.disk_mib_per_s, "Iops": facts.disk_iops}
    return {"VolumeSize": gib, **speed, "Encrypted": True, "DeleteOnTermination": True}


def _list_calls(
    cloud: Cloud, run: str, deadline: Moment, run_instances: dict[str, Any], subnet: Subnet | None
) -> tuple[Call, ...]:
    """Return the role and profile of the instance, its watchdog's role, its group, the instance, and its clock."""
    role, tags = name_of(run, "instance"), tags_of(run)
    profile = {"InstanceProfileName": role}
    group = {
        "GroupName": name_of(run),
        "Description": "inf2lab: no way in; Session Manager is the way",
        "TagSpecifications": [{"ResourceType": "security-group", "Tags": tags}],
    }
    if subnet:
        group["VpcId"] = subnet.vpc
    ours = {"StringEquals": {f"aws:ResourceTag/{RUN_TAG}": run}}
    its_status = ours | {"ForAllValues:StringEquals": {"aws:TagKeys": [STATUS_TAG]}}
    return (
        create_role(run, "instance", "ec2.amazonaws.com"),
        Call("iam", "attach_role_policy", {"RoleName": role, "PolicyArn": SSM_POLICY}, settles=NOT_YET),
        grant(run, "instance", "status", allow("ec2:CreateTags", "arn:aws:ec2:*:*:instance/*", its_status)),
        Call("iam", "create_instance_profile", profile | {"Path": IAM_PATH, "Tags": tags}),
        Call("iam", "add_role_to_instance_profile", profile | {"RoleName": role}, settles=NOT_YET),
        *create_watchdog(run, "terminate", allow("ec2:TerminateInstances", "*", ours), account=cloud.account),
        Call("ec2", "create_security_group", group, gives={GROUP: "GroupId"}),
        Call(
            "ec2",
            "run_instances",
            run_instances,
            gives={INSTANCE: "Instances[0].InstanceId"},
            settles=r"InvalidParameterValue:.*[Ii]nstance [Pp]rofile.*|InvalidGroup\.NotFound.*",
        ),
        *set_clock(run, deadline, TERMINATE_TARGET, {"InstanceIds": [INSTANCE]}),
    )


def describe_calls(request: LaunchRequest) -> str:
    """Return one line for each call of a request, in order."""
    lines = []
    for number, call in enumerate(request.calls, 1):
        subject = next(call.parameters[key] for key in SUBJECTS if key in call.parameters)
        lines.append(f"{number:2}  {call.service + '.' + call.operation:34} {subject}")
    return "\n".join(lines)


def launch(
    cloud: Cloud,
    request: LaunchRequest,
    *,
    confirm: bool = False,
    another: bool = False,
    tunnel: bool = True,
    report: Report = print,
) -> Launched:
    """Send the request if `confirm`; else ask AWS whether it would be allowed (a dry run), which costs nothing.

    Raises CloudError; what was created until then is removed first. `another` allows a second run at once; without a
    `tunnel` this machine needs no programs for a way in, and the instance no repository. Returns when the first boot is
    done; BootFailed leaves the instance, so that its log can be read.
    """
    if not cloud.live:
        if confirm:
            reason = f"{cloud.why}: nothing is asked; use lane='inf2' on your own machine to spend money"
            raise SettingsError("confirm", True, reason)
        return Launched(f"{cloud.why}: nothing was sent")
    if not confirm:
        return _dry_run(cloud, request)
    refuse_a_second_bill(another)
    if tunnel:
        check_programs()
    if tunnel and not request.repository:
        lines = fill_commands("<instance id>", request.region, request.image.user)
        report(f"without a repository the instance is empty; once it runs, these four lines fill it:\n{lines}\n")
    if request.bucket:
        check_place(cloud, request.bucket)
    now, kept = cloud.now(), request.bucket
    run = Run(request.run, request.region, request.instance, now, request.deadline, kept=kept).write()

    def make(cloud: Cloud, call: Call) -> Any:
        nonlocal run
        if call.operation != "run_instances":
            return settle(cloud, call)
        answer = _start_in_some_zone(cloud, call, request, report)
        run = run.with_(instance_id=answer["Instances"][0]["InstanceId"])
        return answer

    with undo_on_failure(cloud, run, report, patience_s=PATIENCE_S):
        report(f"run {run.id} in {run.region}: {request.hours} h, until {run.deadline}")
        send(cloud, request.calls, report, make=make)
        run = _wait_until_it_runs(cloud, run, report)
    wait_until_booted(cloud, run, READY if request.repository else INSTALLED, report)
    return Launched(f"{run.instance_id} runs in {run.region} until {run.deadline}", run)


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
    left = "Not asked: quota, capacity, roles. Nothing was started, so it bills nothing"
    return Launched(f"dry run: AWS would allow it. {left}")


def _start_in_some_zone(cloud: Cloud, call: Call, request: LaunchRequest, report: Report) -> Any:
    """Start the instance in the first zone that has one free. Each zone has a client token of its own."""
    if not request.zones:
        return settle(cloud, call)
    for zone in request.zones:
        here = {"Placement": {"AvailabilityZone": zone}, "ClientToken": f"{request.run}-{zone}"}
        try:
            return settle(cloud, replace(call, parameters={**call.parameters, **here}))
        except CloudError as error:
            if not isinstance(error, NoCapacity) and "default subnet" not in error.message.lower():
                raise
            report(f"  {zone}: {error.code}")
            last = error
    said = f"in none of {', '.join(request.zones)}"
    raise type(last)(last.call, last.code, said, last.remedy) from last


def _wait_until_it_runs(cloud: Cloud, run: Run, report: Report) -> Run:
    for _ in looks(cloud, START_S, STEP_S, report, f"{run.instance_id} is pending"):
        try:
            (group,) = cloud.call("ec2", "describe_instances", InstanceIds=[run.instance_id])["Reservations"]
            (now,) = group["Instances"]
        except (NotThere, ValueError):  # not yet
            continue
        volumes = tuple(disk["Ebs"]["VolumeId"] for disk in now["BlockDeviceMappings"])
        run = run.with_(volumes=volumes) if volumes != run.volumes else run
        state = now["State"]["Name"]
        if state == "running":
            return run
        if state != "pending":
            reason = now.get("StateReason", {})
            code, said = reason.get("Code", state), reason.get("Message", "it ended by itself")
            told = error_for("ec2 run_instances", code, said)
            again = NoCapacity(told.call, code, said, "launch again, or try another region")
            raise again if type(told) is CloudError else told
    raise CloudError("ec2 describe_instances", "pending", f"{run.instance_id} did not start", "launch again later")
