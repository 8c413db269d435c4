"""The model folder on SageMaker, as data: every call with its parameters, and the price, before anything is sent.

The folder lies uncompressed on S3 and arrives as /opt/ml/model, byte for byte. The endpoint has an end: a schedule of
EventBridge deletes it, whatever happens here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from inf2lab import catalog
from inf2lab.aws import Call, Cloud
from inf2lab.aws.endpoint_kinds import VARIANT, folder_prefix, scaling_target
from inf2lab.aws.endpoint_roles import EXECUTION_ROLE, roles
from inf2lab.aws.instance import (
    DEADLINE_ROLE,
    REHEARSED_RUN,
    RUN_TAG,
    names,
    new_run_id,
    schedule_expression,
    tag_list,
)
from inf2lab.aws.validation import check_call
from inf2lab.errors import SettingsError
from inf2lab.folder import Needs
from inf2lab.folder.needs import LOAD_MARGIN_S
from inf2lab.planning import Plan, machine_disk_gib, plan_of, planned_pace

DELETE_TARGET = "arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint"
COOL_DOWN_S = (60, 600)  # before one more instance, before one less
_BUCKET = re.compile(r"[a-zA-Z0-9.\-_]{1,255}")  # as botocore checks it, but only when a call is sent


@dataclass(frozen=True)
class EndpointRequest:
    """Everything that `deploy` will send. `calls` are made in this order; those of `scaling` once it is in service."""

    run: str
    region: str
    replica: Needs
    bucket: str
    instances: tuple[int, int]
    hours: int
    deadline: datetime

    @property
    def name(self) -> str:
        """The name of endpoint, configuration and model."""
        return names(self.run)["group"]

    @property
    def image(self) -> str:
        """The image in the registry of the region; raises SettingsError for a profile that SageMaker never had."""
        facts, stack = catalog.sagemaker_facts(), self.replica.settings.stack
        if self.replica.settings.image:
            return self.replica.settings.image
        if stack.sagemaker_tag is None:
            have = [name for name, row in catalog.profiles().items() if row.sagemaker_tag]
            reason = f"has no image on SageMaker: use one of {', '.join(have)}, or give your own"
            raise SettingsError("profile", stack.name, reason)
        host = f"{facts.registry_account}.dkr.ecr.{self.region}.amazonaws.com"
        return f"{host}/{facts.repository}:{stack.sagemaker_tag}"

    @property
    def instance_type(self) -> str:
        """SageMaker's name of the instance."""
        return f"ml.{self.replica.settings.instance}"

    @property
    def folder_uri(self) -> str:
        """Where the folder lies on S3; what is below arrives at /opt/ml/model."""
        return f"s3://{self.bucket}/{folder_prefix(self.run)}{self.replica.folder.name}/"

    @property
    def startup_s(self) -> int:
        """Seconds until the endpoint must answer /ping: as long as all workers may take, as far as allowed."""
        least, most = catalog.sagemaker_facts().startup_s
        return min(most, max(least, self._wanted_s))

    @property
    def _wanted_s(self) -> int:
        return self.replica.all_loaded_s(self.workers) + LOAD_MARGIN_S

    @property
    def volume_gib(self) -> int:
        """Disk of an instance, as far as allowed."""
        return min(catalog.sagemaker_facts().volume_gib[1], self._wanted_gib)

    @property
    def _wanted_gib(self) -> int:
        return machine_disk_gib(self.plan.request, 1, self.workers)

    @cached_property
    def plan(self) -> Plan:
        """The chip's plan for the folder; raises FolderError, SettingsError."""
        return plan_of(self.replica.folder, self.replica.settings)

    @property
    def workers(self) -> int:
        """Copies of the model that the server starts on one instance: it sees every core."""
        return len(self.plan.copies)

    @property
    def usd_per_hour(self) -> tuple[float, float] | None:
        """EC2's price of the fewest and the most instances, a lower bound: SageMaker charges more for the same size."""
        price = self.replica.settings.hardware.usd_per_hour
        return None if price is None else (self.instances[0] * price, self.instances[1] * price)

    @property
    def calls(self) -> tuple[Call, ...]:
        """Roles, the folder's files, model, configuration, the clock that ends it, and last the endpoint."""
        return (*roles(self), *self._files(), *self._model(), *self._clock(), self._endpoint())

    @property
    def scaling(self) -> tuple[Call, ...]:
        """Application Auto Scaling on the requests that one instance works on at once."""
        target, (few, many) = scaling_target(self.name), self.instances
        up, down = COOL_DOWN_S
        tracking = {
            "TargetValue": float(self.replica.at_once(self.workers)),
            "PredefinedMetricSpecification": {"PredefinedMetricType": catalog.sagemaker_facts().metric},
            "ScaleOutCooldown": up,
            "ScaleInCooldown": down,
        }
        return (
            Call(
                "application-autoscaling",
                "register_scalable_target",
                {**target, "MinCapacity": few, "MaxCapacity": many, "Tags": {RUN_TAG: self.run}},
            ),
            Call(
                "application-autoscaling",
                "put_scaling_policy",
                {
                    **target,
                    "PolicyName": "requests-at-once",
                    "PolicyType": "TargetTrackingScaling",
                    "TargetTrackingScalingPolicyConfiguration": tracking,
                },
            ),
        )

    def warnings(self) -> Iterator[str]:
        """Yield what will disappoint on SageMaker."""
        facts, plan = catalog.sagemaker_facts(), self.plan
        yield from plan.problems
        longest = planned_pace(plan).seconds
        if longest > facts.invocation_s:
            yield (
                f"an invocation ends after {facts.invocation_s} s, and a text of n_positions="
                f"{plan.request.n_positions} takes about {longest:.0f} s: ask for shorter ones"
            )
        if self._wanted_s > facts.startup_s[1]:
            each = (facts.startup_s[1] - LOAD_MARGIN_S) // self.workers
            yield (
                f"SageMaker waits {facts.startup_s[1]} s at most, and {self.workers} workers load one after the other: "
                f"each has {each} s, whatever the folder allows ({self.replica.loading_s} s)"
            )
        if self._wanted_gib > self.volume_gib:
            yield f"loading may fill {self._wanted_gib} GB of disk, and SageMaker gives {self.volume_gib} GB at most"
        if plan.host.once_gib > plan.host.instance_gib:
            yield plan.host.text

    def _files(self) -> tuple[Call, ...]:
        below = self.folder_uri.removeprefix(f"s3://{self.bucket}/")
        return tuple(
            Call("s3", "put_object", {"Bucket": self.bucket, "Key": f"{below}{name}", "Body": data})
            for name, data in sorted(self.replica.folder.contents().items())
        )

    def _model(self) -> tuple[Call, ...]:
        facts, tags = catalog.sagemaker_facts(), tag_list(self.run)
        source = {"S3Uri": self.folder_uri, "S3DataType": "S3Prefix", "CompressionType": "None"}
        # The caller is gone after an invocation's time: a worker that went on would answer nobody.
        patience = min(self.replica.predict_s, facts.invocation_s)
        environment = {
            **self.replica.environment,
            "PREDICT_TIMEOUT": str(patience),
            "HF_HOME": "/tmp/huggingface",
        }
        container = {
            "Image": self.image,
            "ModelDataSource": {"S3DataSource": source},
            "Environment": environment,
        }
        variant = {
            "VariantName": VARIANT,
            "ModelName": self.name,
            "InstanceType": self.instance_type,
            "InitialInstanceCount": self.instances[0],
            "InitialVariantWeight": 1.0,
            "VolumeSizeInGB": self.volume_gib,
            "ModelDataDownloadTimeoutInSeconds": facts.download_s[0],  # some kilobytes
            "ContainerStartupHealthCheckTimeoutInSeconds": self.startup_s,
            "InferenceAmiVersion": facts.machine_image,
            "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        }
        model = {
            "ModelName": self.name,
            "ExecutionRoleArn": EXECUTION_ROLE,
            "PrimaryContainer": container,
            "Tags": tags,
        }
        configuration = {
            "EndpointConfigName": self.name,
            "ProductionVariants": [variant],
            "Tags": tags,
        }
        return (
            Call("sagemaker", "create_model", model, settles=r"ValidationException:.*(role|Role).*"),
            Call("sagemaker", "create_endpoint_config", configuration),
        )

    def _clock(self) -> tuple[Call, ...]:
        group = names(self.run)["group"]
        target = {
            "Arn": DELETE_TARGET,
            "RoleArn": DEADLINE_ROLE,
            "Input": json.dumps({"EndpointName": self.name}),
        }
        schedule = {
            "Name": "deadline",
            "GroupName": group,
            "ScheduleExpression": schedule_expression(self.deadline),
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": target,
        }
        not_yet = r"ValidationException:.*role.*|ResourceNotFoundException.*"
        return (
            Call("scheduler", "create_schedule_group", {"Name": group, "Tags": tag_list(self.run)}),
            Call("scheduler", "create_schedule", schedule, settles=not_yet),
        )

    def _endpoint(self) -> Call:
        named = {"EndpointName": self.name, "EndpointConfigName": self.name, "Tags": tag_list(self.run)}
        return Call("sagemaker", "create_endpoint", named)


def endpoint_request(
    cloud: Cloud, replica: Needs, *, bucket: str, hours: int = 4, instances: tuple[int, int] = (1, 2)
) -> EndpointRequest:
    """Return the request for an endpoint that ends after `hours`; nothing is sent.

    Every call is checked against botocore's service model. Raises LabError.
    """
    few, many = instances
    if not 1 <= few <= many:
        raise SettingsError("instances", f"{few},{many}", "must be two numbers from 1 on, the fewest first")
    longest = catalog.cloud_facts().longest_hours
    if not 1 <= hours <= longest:
        raise SettingsError("hours", hours, f"must be from 1 to {longest}")
    if not _BUCKET.fullmatch(bucket):
        raise SettingsError("bucket", bucket, "must be a bucket's name alone, as in my-bucket")
    if replica.settings.hardware.family != "inf2":
        raise SettingsError("instance", replica.settings.instance, "the endpoint is for inf2")
    replica.check()
    now = cloud.now()
    run = new_run_id(now) if cloud.live else REHEARSED_RUN
    request = EndpointRequest(run, cloud.region, replica, bucket, instances, hours, now + timedelta(hours=hours))
    for call in (*request.calls, *request.scaling):
        check_call(call)
    return request
