"""The kinds of thing that a run can leave behind: how each is found by its tag, what it bills, how it is removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from inf2lab import catalog
from inf2lab.aws.connection import Cloud
from inf2lab.aws.instance import IAM_PATH, RUN_TAG

EVERYWHERE = "every region"


@dataclass(frozen=True)
class Found:
    """One thing with our tag: its run, its state, US dollars an hour that it bills now."""

    kind: str
    id: str
    region: str
    run: str
    state: str
    usd_per_hour: float = 0.0
    going: bool = False  # its removal is under way
    note: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from everything else: a role and a profile may share a name."""
        return self.kind, self.id

    def __str__(self) -> str:
        bill = f"{self.usd_per_hour:.4f} USD/h" if self.usd_per_hour else "bills nothing"
        return f"{self.kind} {self.id} in {self.region}, run {self.run}: {self.state}, {bill}"


@dataclass(frozen=True)
class Kind:
    """One kind of resource. `find` takes a region and run ids, `remove` what was found."""

    name: str
    find: Callable[[Cloud, str, frozenset[str]], Iterable[Found]]
    remove: Callable[[Cloud, Found], object]
    regional: bool = True  # else it is looked for once


def _tagged(runs: frozenset[str]) -> list[dict[str, Any]]:
    return [{"Name": f"tag:{RUN_TAG}", "Values": sorted(runs)}]


def _run_of(tags: Iterable[dict[str, str]]) -> str:
    return next((tag["Value"] for tag in tags if tag["Key"] == RUN_TAG), "")


def _stacks(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    for stack in cloud.pages("cloudformation", "describe_stacks", "Stacks", region=region):
        run, state = _run_of(stack.get("Tags", ())), stack["StackStatus"]
        if run in runs and state != "DELETE_COMPLETE":
            going = state == "DELETE_IN_PROGRESS"
            yield Found("stack", stack["StackName"], region, run, state, going=going)


def _schedule_groups(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    rows = cloud.pages("scheduler", "list_schedule_groups", "ScheduleGroups", region=region, NamePrefix="inf2lab-")
    for row in rows:
        tags = cloud.call("scheduler", "list_tags_for_resource", region=region, ResourceArn=row["Arn"])["Tags"]
        if (run := _run_of(tags)) in runs:
            going = row["State"] == "DELETING"
            yield Found("schedule", row["Name"], region, run, row["State"].lower(), going=going)


def _spot_requests(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    rows = cloud.pages(
        "ec2",
        "describe_spot_instance_requests",
        "SpotInstanceRequests",
        region=region,
        Filters=_tagged(runs),
    )
    for row in rows:
        if row["State"] in ("open", "active"):
            yield Found("spot request", row["SpotInstanceRequestId"], region, _run_of(row["Tags"]), row["State"])


def _instances(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    groups = cloud.pages("ec2", "describe_instances", "Reservations", region=region, Filters=_tagged(runs))
    for row in (instance for group in groups for instance in group["Instances"]):
        state, kind = row["State"]["Name"], row["InstanceType"]
        if state == "terminated":
            continue
        price = catalog.instances()[kind].usd_per_hour if kind in catalog.instances() else None
        bills = state in ("pending", "running", "stopping")
        going = state == "shutting-down"
        usd = (price or 0.0) if bills else 0.0
        yield Found("instance", row["InstanceId"], region, _run_of(row["Tags"]), state, usd, going, kind)


def _addresses(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    rate = catalog.cloud_facts().prices["address_usd_per_hour"].value
    for row in cloud.call("ec2", "describe_addresses", region=region, Filters=_tagged(runs))["Addresses"]:
        state = "in use" if row.get("AssociationId") else "reserved"
        yield Found("address", row["AllocationId"], region, _run_of(row["Tags"]), state, rate)


def _volumes(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    for row in cloud.pages("ec2", "describe_volumes", "Volumes", region=region, Filters=_tagged(runs)):
        holders = ", ".join(held["InstanceId"] for held in row.get("Attachments", ()))
        going = row["State"] == "deleting"
        run = _run_of(row["Tags"])
        yield Found("volume", row["VolumeId"], region, run, row["State"], volume_rate(row), going, holders)


def _snapshots(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    facts = catalog.cloud_facts()
    rows = cloud.pages(
        "ec2", "describe_snapshots", "Snapshots", region=region, OwnerIds=["self"], Filters=_tagged(runs)
    )
    for row in rows:
        usd = row["VolumeSize"] * facts.prices["snapshot_usd_per_gib_month"].value / facts.hours_per_month
        yield Found("snapshot", row["SnapshotId"], region, _run_of(row["Tags"]), row["State"], usd)


def _security_groups(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    rows = cloud.pages("ec2", "describe_security_groups", "SecurityGroups", region=region, Filters=_tagged(runs))
    for row in rows:
        yield Found("security group", row["GroupId"], region, _run_of(row["Tags"]), "there")


def _profiles(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    rows = cloud.pages("iam", "list_instance_profiles", "InstanceProfiles", PathPrefix=IAM_PATH)
    for name in [row["InstanceProfileName"] for row in rows]:
        row = cloud.call("iam", "get_instance_profile", InstanceProfileName=name)["InstanceProfile"]
        if (run := _run_of(row.get("Tags", ()))) in runs:
            yield Found("instance profile", name, EVERYWHERE, run, "there")


def _roles(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    rows = cloud.pages("iam", "list_roles", "Roles", PathPrefix=IAM_PATH)
    for name in [row["RoleName"] for row in rows]:  # a listed role comes without its tags
        row = cloud.call("iam", "get_role", RoleName=name)["Role"]
        if (run := _run_of(row.get("Tags", ()))) in runs:
            yield Found("role", name, EVERYWHERE, run, "there")


def _remove_profile(cloud: Cloud, found: Found) -> None:
    name = found.id
    profile = cloud.call("iam", "get_instance_profile", InstanceProfileName=name)["InstanceProfile"]
    for role in profile["Roles"]:
        cloud.call("iam", "remove_role_from_instance_profile", InstanceProfileName=name, RoleName=role["RoleName"])
    cloud.call("iam", "delete_instance_profile", InstanceProfileName=name)


def _remove_role(cloud: Cloud, found: Found) -> None:
    name = found.id
    for policy in cloud.pages("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=name):
        cloud.call("iam", "detach_role_policy", RoleName=name, PolicyArn=policy["PolicyArn"])
    for policy in cloud.pages("iam", "list_role_policies", "PolicyNames", RoleName=name):
        cloud.call("iam", "delete_role_policy", RoleName=name, PolicyName=policy)
    cloud.call("iam", "delete_role", RoleName=name)


def _by(service: str, operation: str, parameter: str, *, many: bool = False) -> Callable[[Cloud, Found], object]:
    """Return a remover that passes the id as `parameter`, in a list where the call takes many."""

    def remove(cloud: Cloud, found: Found) -> object:
        value = [found.id] if many else found.id
        return cloud.call(service, operation, region=found.region, **{parameter: value})

    return remove


def volume_rate(row: dict[str, Any]) -> float:
    """Return US dollars an hour of a volume, at gp3's rate."""
    facts = catalog.cloud_facts()
    return row["Size"] * facts.prices["gp3_usd_per_gib_month"].value / facts.hours_per_month


# In the order of removal: what holds others first. A stack removes its own parts, roles included.
KINDS = (
    Kind("stack", _stacks, _by("cloudformation", "delete_stack", "StackName")),
    Kind(
        "spot request",
        _spot_requests,
        _by("ec2", "cancel_spot_instance_requests", "SpotInstanceRequestIds", many=True),
    ),
    Kind("instance", _instances, _by("ec2", "terminate_instances", "InstanceIds", many=True)),
    Kind("schedule", _schedule_groups, _by("scheduler", "delete_schedule_group", "Name")),
    Kind("address", _addresses, _by("ec2", "release_address", "AllocationId")),
    Kind("volume", _volumes, _by("ec2", "delete_volume", "VolumeId")),
    Kind("snapshot", _snapshots, _by("ec2", "delete_snapshot", "SnapshotId")),
    Kind("security group", _security_groups, _by("ec2", "delete_security_group", "GroupId")),
    Kind("instance profile", _profiles, _remove_profile, regional=False),
    Kind("role", _roles, _remove_role, regional=False),
)
