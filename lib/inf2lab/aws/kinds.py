"""The kinds of thing that a run can leave behind: how each is found by its tag, what it bills, how it is removed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from inf2lab import catalog
from inf2lab.aws.connection import Cloud
from inf2lab.aws.errors import CloudError, StillInUse
from inf2lab.aws.runs import PREFIX, RUN_TAG, run_on_record

Row = dict[str, Any]  # as AWS lists a thing
Runs = frozenset[str]

EVERYWHERE = "every region"
IAM_PATH = "/inf2lab/"  # of roles and profiles, by which they are listed
KEPT_PREFIX = "inf2lab/kept/"  # in a person's own bucket: what a session leaves for the next one
VARIANT = "all"  # of an endpoint: it has one
KEPT = "kept file"
ENDPOINT = "endpoint"  # the kind whose removal AWS may refuse while it bills
BILLS_NOTHING = ("Deleting", "Failed")  # every other state has instances, UpdateRollbackFailed too
UNDER_WAY = ("Creating", "Updating", "SystemUpdating", "RollingBack")  # DeleteEndpoint is refused until they end


@dataclass(frozen=True)
class Found:
    """One thing with our tag: its run, its state, US dollars an hour that it bills now; None: nobody here knows."""

    kind: str
    id: str
    region: str
    run: str
    state: str
    usd_per_hour: float | None = 0.0
    going: bool = False  # its removal is under way
    note: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from everything else: a role and a profile may share a name."""
        return self.kind, self.id

    def __str__(self) -> str:
        bill = f"{self.usd_per_hour:.4f} USD/h" if self.usd_per_hour else "bills nothing"
        bill = "bills at a price that is not known here" if self.usd_per_hour is None else bill
        return f"{self.kind} {self.id} in {self.region}, run {self.run}: {self.state}, {bill}"


Find = Callable[[Cloud, str, Runs], Iterable[Found]]
Remove = Callable[[Cloud, Found], object]


@dataclass(frozen=True)
class Kind:
    """One kind of resource. `find` takes a region and run ids, `remove` what was found."""

    name: str
    find: Find
    remove: Remove
    regional: bool = True  # else it is looked for once
    needed_by_endpoint: bool = False  # stays while an endpoint of its run is there
    on_request: bool = False  # was kept on purpose: it goes only when that is asked for


def list_instances(cloud: Cloud, region: str, runs: Iterable[str] = (), *, alive: bool = False) -> Iterator[Row]:
    """Yield the instances of these runs, or of any run; `alive` leaves out those that end or have ended."""
    tag = {"Name": f"tag:{RUN_TAG}", "Values": sorted(runs)} if runs else {"Name": "tag-key", "Values": [RUN_TAG]}
    states = ["pending", "running", "stopping", "stopped"]
    filters = [tag, {"Name": "instance-state-name", "Values": states}] if alive else [tag]
    for group in cloud.pages("ec2", "describe_instances", "Reservations", region=region, Filters=filters):
        yield from group["Instances"]


def list_others(cloud: Cloud, region: str, runs: Runs) -> Iterator[tuple[str, str]]:
    """Yield (id, run) of the instances of other runs."""
    for row in list_instances(cloud, region, alive=True):
        if run_of(row) not in runs:
            yield row["InstanceId"], run_of(row)


def list_other_endpoints(cloud: Cloud, region: str, runs: Runs) -> Iterator[tuple[str, str]]:
    """Yield (name, run) of endpoints that bill for other runs, where these may have used SageMaker."""
    for run, row in _list_sagemaker(cloud, region, "Endpoint") if select_sagemaker(runs) else ():
        if run and run not in runs and row["EndpointStatus"] not in BILLS_NOTHING:
            yield row["EndpointName"], run


def run_of(row: Row) -> str:
    """Return the run whose tag a thing carries, or nothing."""
    return next((tag["Value"] for tag in row.get("Tags", ()) if tag["Key"] == RUN_TAG), "")


def select_sagemaker(runs: Iterable[str]) -> Runs:
    """Return the runs that may have used SageMaker: those with a bucket on record, and those that are not on record."""
    records = {run: run_on_record(run) for run in runs}
    return frozenset(run for run, record in records.items() if record is None or record.bucket)


def scaling_target(endpoint: str) -> dict[str, str]:
    """Return what Application Auto Scaling knows an endpoint's number of instances by."""
    dimension = catalog.sagemaker_facts().dimension
    resource = f"endpoint/{endpoint}/variant/{VARIANT}"
    return {"ServiceNamespace": "sagemaker", "ResourceId": resource, "ScalableDimension": dimension}


def folder_prefix(run: str) -> str:
    """Return where the files of a run lie in its bucket."""
    return f"inf2lab/{run}/"


def volume_rate(row: Mapping[str, Any], *, usd_per_gib_month: float | None = None) -> float:
    """Return US dollars an hour of a volume, as it is asked for or listed, at gp3's rates: size and bought speed."""
    facts = catalog.cloud_facts()
    gib = facts.prices["gp3_usd_per_gib_month"].value if usd_per_gib_month is None else usd_per_gib_month
    month = (row.get("Size") or row["VolumeSize"]) * gib
    for name, price in {"Throughput": "gp3_usd_per_mib_per_s_month", "Iops": "gp3_usd_per_iops_month"}.items():
        month += max(0, (row.get(name) or 0) - facts.disk_free[name]) * facts.prices[price].value
    return month / facts.hours_per_month


def _list_tagged(cloud: Cloud, region: str, runs: Runs, operation: str, key: str, **more: Any) -> Iterator[Row]:
    filters = [{"Name": f"tag:{RUN_TAG}", "Values": sorted(runs)}]
    return cloud.pages("ec2", operation, key, region=region, Filters=filters, **more)


def _list_sagemaker(cloud: Cloud, region: str, noun: str) -> Iterator[tuple[str, Row]]:
    """Yield (run, row) of everything of ours that SageMaker lists under a noun, as in EndpointConfig."""
    operation = {"Endpoint": "list_endpoints", "EndpointConfig": "list_endpoint_configs", "Model": "list_models"}[noun]
    for row in cloud.pages("sagemaker", operation, f"{noun}s", region=region, NameContains=PREFIX):
        arn = row[f"{noun}Arn"]
        tags = list(cloud.pages("sagemaker", "list_tags", "Tags", region=region, ResourceArn=arn))
        yield run_of({"Tags": tags}), row


def _find_stacks(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
    for row in cloud.pages("cloudformation", "describe_stacks", "Stacks", region=region):
        run, state = run_of(row), row["StackStatus"]
        if run in runs and state != "DELETE_COMPLETE":
            yield Found("stack", row["StackName"], region, run, state, going=state == "DELETE_IN_PROGRESS")


def _find_schedules(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
    for row in cloud.pages("scheduler", "list_schedule_groups", "ScheduleGroups", region=region, NamePrefix=PREFIX):
        run = run_of(cloud.call("scheduler", "list_tags_for_resource", region=region, ResourceArn=row["Arn"]))
        if run in runs:
            state = row["State"].lower()
            yield Found("schedule", row["Name"], region, run, state, going=state == "deleting")


def _find_spot_requests(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
    for row in _list_tagged(cloud, region, runs, "describe_spot_instance_requests", "SpotInstanceRequests"):
        if row["State"] in ("open", "active"):
            yield Found("spot request", row["SpotInstanceRequestId"], region, run_of(row), row["State"])


def _find_instances(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
    for row in list_instances(cloud, region, runs):
        state, kind = row["State"]["Name"], row["InstanceType"]
        if state != "terminated":
            usd = _instance_rate(kind) if state in ("pending", "running", "stopping") else 0.0
            going = state == "shutting-down"
            yield Found("instance", row["InstanceId"], region, run_of(row), state, usd, going, kind)


def _instance_rate(name: str) -> float | None:
    hardware = catalog.instances().get(name)
    return hardware.usd_per_hour if hardware else None


def _find_alarms(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
    usd = catalog.cloud_facts().prices["alarm_usd_per_month"].value / catalog.cloud_facts().hours_per_month
    for row in cloud.pages("cloudwatch", "describe_alarms", "MetricAlarms", region=region, AlarmNamePrefix=PREFIX):
        run = run_of(cloud.call("cloudwatch", "list_tags_for_resource", region=region, ResourceARN=row["AlarmArn"]))
        if run in runs:
            yield Found("alarm", row["AlarmName"], region, run, row["StateValue"], usd)


def _find_addresses(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
    rate = catalog.cloud_facts().prices["address_usd_per_hour"].value
    for row in _list_tagged(cloud, region, runs, "describe_addresses", "Addresses"):
        state = "in use" if row.get("AssociationId") else "reserved"
        yield Found("address", row["AllocationId"], region, run_of(row), state, rate)


def _find_volumes(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
    for row in _list_tagged(cloud, region, runs, "describe_volumes", "Volumes"):
        holders = ", ".join(held["InstanceId"] for held in row.get("Attachments", ()))
        usd, going = volume_rate(row), row["State"] == "deleting"
        yield Found("volume", row["VolumeId"], region, run_of(row), row["State"], usd, going, holders)


def _find_snapshots(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
    facts = catalog.cloud_facts()
    for row in _list_tagged(cloud, region, runs, "describe_snapshots", "Snapshots", OwnerIds=["self"]):
        usd = row["VolumeSize"] * facts.prices["snapshot_usd_per_gib_month"].value / facts.hours_per_month
        yield Found("snapshot", row["SnapshotId"], region, run_of(row), row["State"], usd)


def _find_security_groups(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
    for row in _list_tagged(cloud, region, runs, "describe_security_groups", "SecurityGroups"):
        yield Found("security group", row["GroupId"], region, run_of(row), "there")


def _find_endpoints(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
    wanted = select_sagemaker(runs)
    for run, row in _list_sagemaker(cloud, region, "Endpoint") if wanted else ():
        if run in wanted:
            state, name = row["EndpointStatus"], row["EndpointName"]
            usd = 0.0 if state in BILLS_NOTHING else _endpoint_rate(cloud, region, name, run)
            yield Found(ENDPOINT, name, region, run, state, usd, going=state == "Deleting")


def _endpoint_rate(cloud: Cloud, region: str, endpoint: str, run: str) -> float | None:
    """Return US dollars an hour at EC2's price, which SageMaker's is above; None where it is not known.

    Whatever cannot be asked, a configuration that somebody has deleted too: an endpoint is found without its price.
    """
    record = run_on_record(run)
    kind, count = record.instance if record else "", 1
    with suppress(CloudError):
        seen = cloud.call("sagemaker", "describe_endpoint", region=region, EndpointName=endpoint)
        for variant in seen.get("ProductionVariants", ()):
            count = variant.get("CurrentInstanceCount") or count
        name = seen["EndpointConfigName"]
        asked = cloud.call("sagemaker", "describe_endpoint_config", region=region, EndpointConfigName=name)
        kind = asked["ProductionVariants"][0]["InstanceType"]
    rate = _instance_rate(kind.removeprefix("ml."))
    return None if rate is None else count * rate


def _find_files(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
    for run, bucket in sorted(_list_buckets(cloud, region, runs)):
        rows = cloud.pages("s3", "list_objects_v2", "Contents", region=region, Bucket=bucket, Prefix=folder_prefix(run))
        for row in rows:
            yield Found("file on S3", row["Key"], region, run, "there", row["Size"] * _s3_rate(), note=bucket)


def _find_kept(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
    records = [record for run in sorted(runs) if (record := run_on_record(run)) and record.region == region]
    for bucket, run in {record.kept: record.id for record in records if record.kept}.items():
        for row in cloud.pages("s3", "list_objects_v2", "Contents", region=region, Bucket=bucket, Prefix=KEPT_PREFIX):
            yield Found(KEPT, row["Key"], region, run, "kept", row["Size"] * _s3_rate(), note=bucket)


def _s3_rate() -> float:
    """Return US dollars an hour of a byte."""
    facts = catalog.cloud_facts()
    return facts.prices["s3_usd_per_gb_month"].value / facts.hours_per_month / 1e9


def _list_buckets(cloud: Cloud, region: str, runs: Runs) -> Iterator[tuple[str, str]]:
    """Yield (run, bucket): from the record, or for a run that is not on record here from its model."""
    records = {run: run_on_record(run) for run in runs}
    for run, record in records.items():
        if record and record.bucket and record.region == region:
            yield run, record.bucket
    unknown = {run for run, record in records.items() if not record}
    for run, row in _list_sagemaker(cloud, region, "Model") if unknown else ():
        if run in unknown:
            model = cloud.call("sagemaker", "describe_model", region=region, ModelName=row["ModelName"])
            source = model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"]
            yield run, source.removeprefix("s3://").partition("/")[0]


def _by(service: str, operation: str, parameter: str, *, many: bool = False) -> Remove:
    """Return a remover that passes the id as `parameter`, in a list where the call takes many."""

    def remove(cloud: Cloud, found: Found) -> object:
        value = [found.id] if many else found.id
        return cloud.call(service, operation, region=found.region, **{parameter: value})

    return remove


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


def _remove_endpoint(cloud: Cloud, found: Found) -> None:
    target = scaling_target(found.id)
    with suppress(CloudError):  # there may be none; and nothing may keep the endpoint from being deleted
        cloud.call("application-autoscaling", "deregister_scalable_target", region=found.region, **target)
    try:
        cloud.call("sagemaker", "delete_endpoint", region=found.region, EndpointName=found.id)
    except CloudError as error:
        if error.code == "ValidationException" and found.state in UNDER_WAY:
            remedy = "AWS deletes no endpoint that is changing: sweep again when it is in service, or has failed"
            raise StillInUse(error.call, error.code, error.message, remedy) from error
        raise


def _remove_file(cloud: Cloud, found: Found) -> None:
    cloud.call("s3", "delete_object", region=found.region, Bucket=found.note, Key=found.id)


def _sagemaker_kind(name: str, noun: str, operation: str) -> Kind:
    """Return the kind of what SageMaker lists under a noun and does not bill."""

    def find(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
        wanted = select_sagemaker(runs)
        for run, row in _list_sagemaker(cloud, region, noun) if wanted else ():
            if run in wanted:
                yield Found(name, row[f"{noun}Name"], region, run, "there")

    return Kind(name, find, _by("sagemaker", operation, f"{noun}Name"), needed_by_endpoint=True)


def _iam_kind(name: str, noun: str, lists: str, gets: str, remove: Remove, **more: bool) -> Kind:
    """Return the kind of roles or of profiles, which are the same in every region and are listed without their tags."""

    def find(cloud: Cloud, region: str, runs: Runs) -> Iterator[Found]:
        rows = cloud.pages("iam", lists, f"{noun}s", PathPrefix=IAM_PATH)
        for named in [{f"{noun}Name": row[f"{noun}Name"]} for row in rows]:
            run = run_of(cloud.call("iam", gets, **named)[noun])
            if run in runs:
                yield Found(name, named[f"{noun}Name"], EVERYWHERE, run, "there")

    return Kind(name, find, remove, regional=False, **more)


# In the order of removal: what bills or holds others first; the model after the files, because it says where they are.
# A stack removes its own parts, roles included.
KINDS = (
    Kind(ENDPOINT, _find_endpoints, _remove_endpoint),
    _sagemaker_kind("endpoint configuration", "EndpointConfig", "delete_endpoint_config"),
    Kind("file on S3", _find_files, _remove_file, needed_by_endpoint=True),
    _sagemaker_kind("model", "Model", "delete_model"),
    Kind("stack", _find_stacks, _by("cloudformation", "delete_stack", "StackName")),
    Kind(
        "spot request",
        _find_spot_requests,
        _by("ec2", "cancel_spot_instance_requests", "SpotInstanceRequestIds", many=True),
    ),
    Kind("instance", _find_instances, _by("ec2", "terminate_instances", "InstanceIds", many=True)),
    Kind("alarm", _find_alarms, _by("cloudwatch", "delete_alarms", "AlarmNames", many=True)),
    Kind("schedule", _find_schedules, _by("scheduler", "delete_schedule_group", "Name"), needed_by_endpoint=True),
    Kind("address", _find_addresses, _by("ec2", "release_address", "AllocationId")),
    Kind("volume", _find_volumes, _by("ec2", "delete_volume", "VolumeId")),
    Kind("snapshot", _find_snapshots, _by("ec2", "delete_snapshot", "SnapshotId")),
    Kind("security group", _find_security_groups, _by("ec2", "delete_security_group", "GroupId")),
    _iam_kind("instance profile", "InstanceProfile", "list_instance_profiles", "get_instance_profile", _remove_profile),
    _iam_kind("role", "Role", "list_roles", "get_role", _remove_role, needed_by_endpoint=True),
    Kind(KEPT, _find_kept, _remove_file, on_request=True),
)
