"""What a SageMaker run can leave behind, for the sweep: endpoint with its scaling, configuration, model, files on S3.

A run that used SageMaker has a bucket on record; of a run that is not on record it is looked for too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from inf2lab import catalog
from inf2lab.aws.connection import Cloud
from inf2lab.aws.errors import CloudError, StillInUse
from inf2lab.aws.instance import RUN_TAG
from inf2lab.aws.kinds import Found, Kind
from inf2lab.aws.runs import run_on_record

PREFIX = "inf2lab-"  # of every name
VARIANT = "all"
ENDPOINT = "endpoint"  # the kind that bills
HELD_BY_ENDPOINT = ("endpoint configuration", "file on S3", "model", "schedule", "role")
BILLS_NOTHING = ("Deleting", "Failed")  # every other state has instances, UpdateRollbackFailed too
UNDER_WAY = (
    "Creating",
    "Updating",
    "SystemUpdating",
    "RollingBack",
)  # DeleteEndpoint is refused until they end


def scaling_target(endpoint: str) -> dict[str, str]:
    """Return what Application Auto Scaling knows an endpoint's number of instances by."""
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/{VARIANT}",
        "ScalableDimension": catalog.sagemaker_facts().dimension,
    }


def folder_prefix(run: str) -> str:
    """Return where the files of a run lie in its bucket."""
    return f"inf2lab/{run}/"


def concerned(runs: Iterable[str]) -> frozenset[str]:
    """Return the runs that may have used SageMaker: those with a bucket on record, and those that are not on record."""
    records = {run: run_on_record(run) for run in runs}
    return frozenset(run for run, record in records.items() if record is None or record.bucket)


def _listed(operation: str, key: str, arn: str) -> Callable[..., Iterator[tuple[str, dict[str, Any]]]]:
    """Return a search for the named things whose tag says that they are of one of the runs."""

    def find(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        wanted = concerned(runs)
        if not wanted:
            return
        for row in cloud.pages("sagemaker", operation, key, region=region, NameContains=PREFIX):
            tags = cloud.pages("sagemaker", "list_tags", "Tags", region=region, ResourceArn=row[arn])
            run = next((tag["Value"] for tag in tags if tag["Key"] == RUN_TAG), "")
            if run in wanted:
                yield run, row

    return find


def endpoints_of_others(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, run) of endpoints that bill for runs other than these, where these may have used SageMaker."""
    rows = cloud.pages("sagemaker", "list_endpoints", "Endpoints", region=region, NameContains=PREFIX)
    for row in rows if concerned(runs) else ():
        tags = cloud.pages("sagemaker", "list_tags", "Tags", region=region, ResourceArn=row["EndpointArn"])
        run = next((tag["Value"] for tag in tags if tag["Key"] == RUN_TAG), "")
        if run and run not in runs and row["EndpointStatus"] not in BILLS_NOTHING:
            yield row["EndpointName"], run


_endpoints_of = _listed("list_endpoints", "Endpoints", "EndpointArn")
_configurations_of = _listed("list_endpoint_configs", "EndpointConfigs", "EndpointConfigArn")
_models_of = _listed("list_models", "Models", "ModelArn")


def _endpoints(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    for run, row in _endpoints_of(cloud, region, runs):
        state, name = row["EndpointStatus"], row["EndpointName"]
        usd = 0.0 if state in BILLS_NOTHING else _rate(cloud, region, name, run)
        yield Found(ENDPOINT, name, region, run, state, usd, going=state == "Deleting")


def _rate(cloud: Cloud, region: str, endpoint: str, run: str) -> float:
    """Return US dollars an hour at EC2's price, which SageMaker's is above; 0 where it is not known.

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
    hardware = catalog.instances().get(kind.removeprefix("ml."))
    return count * (hardware.usd_per_hour or 0.0) if hardware else 0.0


def _configurations(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    for run, row in _configurations_of(cloud, region, runs):
        yield Found("endpoint configuration", row["EndpointConfigName"], region, run, "there")


def _models(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    for run, row in _models_of(cloud, region, runs):
        yield Found("model", row["ModelName"], region, run, "there")


def _files(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[Found]:
    for run, bucket in sorted(_buckets(cloud, region, runs)):
        rows = cloud.call("s3", "list_objects_v2", region=region, Bucket=bucket, Prefix=folder_prefix(run))
        for row in rows.get("Contents", ()):
            yield Found("file on S3", row["Key"], region, run, "there", note=bucket)


def _buckets(cloud: Cloud, region: str, runs: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield (run, bucket): from the record, or for a run that is not on record here from its model."""
    for run in runs:
        record = run_on_record(run)
        if record and record.bucket and record.region == region:
            yield run, record.bucket
    for run, row in _models_of(cloud, region, frozenset(run for run in runs if not run_on_record(run))):
        model = cloud.call("sagemaker", "describe_model", region=region, ModelName=row["ModelName"])
        source = model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"]
        yield run, source.removeprefix("s3://").partition("/")[0]


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


def _remove_configuration(cloud: Cloud, found: Found) -> object:
    return cloud.call("sagemaker", "delete_endpoint_config", region=found.region, EndpointConfigName=found.id)


def _remove_model(cloud: Cloud, found: Found) -> object:
    return cloud.call("sagemaker", "delete_model", region=found.region, ModelName=found.id)


def _remove_file(cloud: Cloud, found: Found) -> object:
    return cloud.call("s3", "delete_object", region=found.region, Bucket=found.note, Key=found.id)


# In the order of removal: what bills first; the model last, because it says where the files are.
SAGEMAKER_KINDS = (
    Kind(ENDPOINT, _endpoints, _remove_endpoint),
    Kind("endpoint configuration", _configurations, _remove_configuration),
    Kind("file on S3", _files, _remove_file),
    Kind("model", _models, _remove_model),
)
