"""The model folder on SageMaker: the request as data and its price, before anything is sent, and making the endpoint.

The folder lies uncompressed on S3 and arrives as /opt/ml/model, byte for byte. The endpoint has an end: a schedule of
EventBridge deletes it, whatever happens here.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from inf2lab import catalog
from inf2lab.aws.bucket import check_name, check_place, may_read
from inf2lab.aws.calls import Call, Launched, check, price, refuse_a_second_bill, send, undo_on_failure
from inf2lab.aws.connection import Cloud
from inf2lab.aws.deadline import check_hours, create_watchdog, set_clock
from inf2lab.aws.errors import CloudError
from inf2lab.aws.kinds import VARIANT, folder_prefix, scaling_target
from inf2lab.aws.moments import Moment
from inf2lab.aws.pacing import looks
from inf2lab.aws.roles import allow, create_role, grant
from inf2lab.aws.runs import RUN_TAG, Run, name_of, new_run_id, tags_of
from inf2lab.errors import FolderError, SettingsError
from inf2lab.folder import LOAD_MARGIN_S, Needs, cache_variables
from inf2lab.planning import Plan, machine_disk_gib, plan_of, plan_request, planned_pace, slowest_load_s
from inf2lab.words import Report, plural

DELETE_TARGET = "arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint"
EXECUTION_ROLE = "<execution role arn>"
COOL_DOWN_S = (60, 600)  # before one more instance, before one less
STEP_S = 30
SERVICE_S = 1800  # to get an instance, beside the time to start
PATIENCE_S = 300  # of the undoing
# What the API of CreateModel asks of an execution role; logs only of this endpoint, files only of this folder.
IMAGE = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
LOGS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]


@dataclass(frozen=True)
class EndpointRequest:
    """Everything that `deploy` will send. `calls` are made in this order; those of `scaling` once it is in service."""

    run: str
    region: str
    account: str
    needs: Needs
    bucket: str
    instances: tuple[int, int]
    hours: int
    deadline: Moment

    @property
    def name(self) -> str:
        """The name of endpoint, configuration and model."""
        return name_of(self.run)

    @property
    def image(self) -> str:
        """The image in the registry of the region; raises SettingsError where SageMaker never had it."""
        facts, stack = catalog.sagemaker_facts(), self.needs.settings.stack
        if self.needs.settings.image:
            return self.needs.settings.image
        if stack.sagemaker_tag is None:
            have = [name for name, row in catalog.profiles().items() if row.sagemaker_tag]
            reason = f"has no image on SageMaker: use one of {', '.join(have)}, or give your own"
            raise SettingsError("profile", stack.name, reason)
        found = facts.image(self.region, stack)
        if found is None:
            have = [region for region in facts.registries if facts.image(region, stack)]
            reason = f"no registry there has DJL {stack.djl} for Neuron: use one of {', '.join(have)}"
            raise SettingsError("region", self.region, reason)
        return found

    @property
    def instance_type(self) -> str:
        """SageMaker's name of the instance."""
        return f"ml.{self.needs.settings.instance}"

    @property
    def folder_uri(self) -> str:
        """Where the folder lies on S3; what is below arrives at /opt/ml/model."""
        return f"s3://{self.bucket}/{folder_prefix(self.run)}{self.needs.folder.name}/"

    @property
    def startup_s(self) -> int:
        """Seconds until the endpoint must answer /ping: as long as all workers may take, as far as allowed."""
        least, most = catalog.sagemaker_facts().startup_s
        return min(most, max(least, self._wanted_s))

    @property
    def _wanted_s(self) -> int:
        return self.needs.ready_s(self.workers)

    @property
    def too_slow(self) -> str:
        """Why SageMaker would give the endpoint up before its workers have loaded, and what to do; else empty."""
        _, most = catalog.sagemaker_facts().startup_s
        slow_s = math.ceil(slowest_load_s(self.plan.request, self.workers)) + LOAD_MARGIN_S
        if min(self._wanted_s, slow_s) <= most:
            return ""
        return (
            f"{self.workers} x {self.needs.loading_s} s to load, one worker after the other, and {LOAD_MARGIN_S} s "
            f"beyond are {self._wanted_s} s ({slow_s} s by the planner), and SageMaker waits {most} s at most, billing "
            "meanwhile: take inf2.8xlarge, where one worker of degree 2 loads, or a larger degree"
        )

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
        return plan_of(self.needs.folder, self.needs.settings)

    @property
    def workers(self) -> int:
        """Copies of the model that the server starts on one instance: it sees every core."""
        return len(self.plan.copies)

    @property
    def calls(self) -> tuple[Call, ...]:
        """Roles, the folder's files, model, configuration, the clock that ends it, and last the endpoint."""
        named = {"EndpointName": self.name, "EndpointConfigName": self.name, "Tags": tags_of(self.run)}
        return (
            *self._roles(),
            *self._files(),
            *self._model(),
            *set_clock(self.run, self.deadline, DELETE_TARGET, {"EndpointName": self.name}),
            Call("sagemaker", "create_endpoint", named),
        )

    @property
    def scaling(self) -> tuple[Call, ...]:
        """Application Auto Scaling on the requests that one instance works on at once."""
        target, (few, many) = scaling_target(self.name), self.instances
        up, down = COOL_DOWN_S
        tracking = {
            "TargetValue": float(self.needs.at_once(self.workers)),
            "PredefinedMetricSpecification": {"PredefinedMetricType": catalog.sagemaker_facts().metric},
            "ScaleOutCooldown": up,
            "ScaleInCooldown": down,
        }
        policy = {
            "PolicyName": "requests-at-once",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": tracking,
        }
        limits = {"MinCapacity": few, "MaxCapacity": many, "Tags": {RUN_TAG: self.run}}
        return (
            Call("application-autoscaling", "register_scalable_target", {**target, **limits}),
            Call("application-autoscaling", "put_scaling_policy", {**target, **policy}),
        )

    def warnings(self) -> Iterator[str]:
        """Yield what will disappoint on SageMaker."""
        facts, plan = catalog.sagemaker_facts(), self.plan
        yield from plan.problems
        whole = replace(plan.request, input_tokens=1, output_tokens=plan.request.n_positions - 1)
        longest = planned_pace(plan_request(whole)).seconds
        if longest > facts.invocation_s:
            yield (
                f"an invocation ends after {facts.invocation_s} s, and an answer that fills n_positions="
                f"{plan.request.n_positions} takes about {longest:.0f} s: ask for shorter ones"
            )
        if self.too_slow:
            yield f"{self.too_slow}. With --confirm this is refused"
        if self._wanted_gib > self.volume_gib:
            yield f"loading may fill {self._wanted_gib} GB of disk, and SageMaker gives {self.volume_gib} GB at most"
        if plan.host.peak_gib > plan.host.instance_gib:
            yield plan.host.text

    def _roles(self) -> tuple[Call, ...]:
        """Return the role of the endpoint and that of the schedule which deletes it."""
        group = f"arn:aws:logs:{self.region}:*:log-group:{catalog.sagemaker_facts().log_groups}/{self.name}*"
        may = [
            *may_read(self.bucket, folder_prefix(self.run)),
            allow(["ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"], "*"),
            allow(IMAGE, "*"),
            allow(LOGS, group),
        ]
        if weights := self.needs.weights_on_s3:
            bucket, _, below = weights.partition("/")
            may += may_read(bucket, below)
        end = allow(["sagemaker:DeleteEndpoint"], f"arn:aws:sagemaker:{self.region}:*:endpoint/{self.name}")
        return (
            create_role(self.run, "sagemaker", "sagemaker.amazonaws.com", gives=EXECUTION_ROLE),
            grant(self.run, "sagemaker", "needs", *may),
            *create_watchdog(self.run, "needs", end, account=self.account),
        )

    def _files(self) -> tuple[Call, ...]:
        below = self.folder_uri.removeprefix(f"s3://{self.bucket}/")
        return tuple(
            Call("s3", "put_object", {"Bucket": self.bucket, "Key": f"{below}{name}", "Body": data})
            for name, data in sorted(self.needs.folder.contents().items())
        )

    def _model(self) -> tuple[Call, ...]:
        facts, tags = catalog.sagemaker_facts(), tags_of(self.run)
        source = {"S3Uri": self.folder_uri, "S3DataType": "S3Prefix", "CompressionType": "None"}
        # The caller is gone after an invocation's time: a worker that went on would answer nobody.
        patience = str(min(self.needs.predict_s, facts.invocation_s))
        caches = cache_variables(self.needs.settings.stack, "/tmp/huggingface")
        container = {
            "Image": self.image,
            "ModelDataSource": {"S3DataSource": source},
            "Environment": self.needs.environment | caches | {"PREDICT_TIMEOUT": patience},
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
        model = {"ModelName": self.name, "ExecutionRoleArn": EXECUTION_ROLE, "PrimaryContainer": container}
        configuration = {"EndpointConfigName": self.name, "ProductionVariants": [variant]}
        not_yet = r"ValidationException:.*(role|Role).*"
        return (
            Call("sagemaker", "create_model", {**model, "Tags": tags}, settles=not_yet),
            Call("sagemaker", "create_endpoint_config", {**configuration, "Tags": tags}),
        )


def endpoint_request(
    cloud: Cloud, needs: Needs, *, bucket: str, hours: int = 4, instances: tuple[int, int] = (1, 2)
) -> EndpointRequest:
    """Return the request for an endpoint that ends after `hours`; nothing is sent.

    Every call is checked against botocore's service model. Raises LabError.
    """
    _refuse_gated(needs)
    few, many = instances
    if not 1 <= few <= many:
        raise SettingsError("instances", f"{few},{many}", "must be two numbers from 1 on, the fewest first")
    check_hours(hours)
    check_name(bucket)
    if needs.settings.hardware.family != "inf2":
        raise SettingsError("instance", needs.settings.instance, "the endpoint is for inf2")
    needs.check()
    deadline = cloud.now() + timedelta(hours=hours)
    request = EndpointRequest(new_run_id(cloud), cloud.region, cloud.account, needs, bucket, instances, hours, deadline)
    check((*request.calls, *request.scaling))
    return request


def _refuse_gated(needs: Needs) -> None:
    """Raise FolderError for weights that need a token: CreateModel takes values, no reference to a secret.

    (botocore 1.44.5, ContainerDefinition.Environment: a map of texts, which DescribeModel shows to whoever may ask.)
    """
    if catalog.is_gated(needs.model_id):
        raise FolderError(
            needs.folder.path,
            f"option.model_id={needs.model_id} is gated: it asks for HF_TOKEN, and SageMaker would keep the token's "
            "value readable in the model. Copy the weights to a bucket and write option.model_id=s3://BUCKET/PREFIX/",
        )


def endpoint_rows(cloud: Cloud, request: EndpointRequest) -> Iterator[tuple[str, str]]:
    """Yield (subject, found): the price first, then what will be made."""
    needs = request.needs
    yield "price", price_line(cloud, request)
    yield "ends", f"{request.deadline}, after {request.hours} h: a schedule deletes the endpoint"
    yield "folder", f"{', '.join(sorted(needs.folder.contents()))} -> {request.folder_uri}"
    yield "image", request.image
    few, many = request.instances
    workers = f"{plural(request.workers, 'worker')} of degree {needs.degree} on each"
    yield "instances", f"{few} to {many} x {request.instance_type}, {workers}; {request.volume_gib} GB of disk"
    yield "quota", f"of SageMaker, apart from EC2's: {many} x {request.instance_type} for endpoint usage"
    invocation_s = catalog.sagemaker_facts().invocation_s
    yield "time-outs", f"{request.startup_s} s to start; {invocation_s} s an invocation"
    for text in request.warnings():
        yield "note", text


def price_line(cloud: Cloud, request: EndpointRequest) -> str:
    """Return the price an hour: AWS's own where it answers, else EC2's of the same size as a lower bound."""
    (few, many), hours = request.instances, request.hours
    wanted = {"instanceName": request.instance_type, "regionCode": request.region, "component": "Hosting"}
    asked, _ = price(cloud, "AmazonSageMaker", wanted)
    if asked is not None:
        high = many * asked
        return f"{few * asked:.2f} to {high:.2f} USD/h (AWS, now); {hours} h: up to {high * hours:.2f} USD"
    bound, basis = request.needs.settings.hardware.usd_per_hour, catalog.price_basis()
    if bound is None:
        return "not known"
    low, high = few * bound, many * bound
    return (
        f"more than {low:.2f} to {high:.2f} USD/h: that is EC2's price ({basis.first} to {basis.last}), and SageMaker "
        f"charges more for the same size; {hours} h: more than {low * hours:.2f} USD"
    )


def deploy(
    cloud: Cloud, request: EndpointRequest, *, confirm: bool = False, another: bool = False, report: Report = print
) -> Launched:
    """Send the request if `confirm`, and wait until the endpoint is in service; else send nothing.

    Raises CloudError; what was created until then is removed first. SageMaker has no dry run: without `confirm` every
    call was only checked against the service's model. `another` allows a second run at once.
    """
    count = len(request.calls) + len(request.scaling)
    if not confirm:
        return Launched(f"{count} calls checked against the services' models; nothing was sent, so it bills nothing")
    if not cloud.live:
        raise SettingsError("confirm", True, f"{cloud.why}: nothing is asked; use --lane inf2 to spend money")
    if request.too_slow:
        raise SettingsError("instance", request.instance_type, request.too_slow)
    refuse_a_second_bill(another)
    check_place(cloud, request.bucket)
    now, kind = cloud.now(), request.instance_type
    run = Run(request.run, request.region, kind, now, request.deadline, bucket=request.bucket).write()
    with undo_on_failure(cloud, run, report, patience_s=PATIENCE_S):
        report(f"run {run.id} in {run.region}: until {run.deadline}")
        send(cloud, request.calls, report)
        _wait_until_in_service(cloud, request, report)
        send(cloud, request.scaling, report)
    return Launched(f"{request.name} is in service until {run.deadline}; `inf2lab sweep` ends it", run)


def _wait_until_in_service(cloud: Cloud, request: EndpointRequest, report: Report) -> None:
    """Wait until the endpoint is in service, as long as it may take to get an instance and to start."""
    told = ""
    for _ in looks(cloud, request.startup_s + SERVICE_S, STEP_S, report, "endpoint: not in service yet"):
        seen = cloud.call("sagemaker", "describe_endpoint", EndpointName=request.name)
        state = seen["EndpointStatus"]
        if state != told:
            report(f"  endpoint: {state}")
        told = state
        if state == "InService":
            return
        if state in ("Failed", "OutOfService"):
            reason = seen.get("FailureReason", "no reason given")
            raise CloudError("sagemaker create_endpoint", state, reason, "its log is in CloudWatch, /aws/sagemaker")
    raise CloudError("sagemaker create_endpoint", told, "it did not come into service", "see /aws/sagemaker")
