"""SageMaker's calls: right for the service's own model, one with the folder, and gone after a sweep."""

from __future__ import annotations

import copy
import io
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from moto import mock_aws
from moto.sagemaker.models import sagemaker_backends
from typer.testing import CliRunner

import write_manifests
from inf2lab import ModelFolder, Settings, aws, catalog, write_properties
from inf2lab.aws import Cloud, deploy, endpoint_request, endpoint_rows, invoke
from inf2lab.aws.calls import Call, check, fill
from inf2lab.aws.deadline import DEADLINE_ROLE
from inf2lab.aws.endpoint import EXECUTION_ROLE, EndpointRequest, price_line
from inf2lab.aws.invocation import write_invocation
from inf2lab.aws.kinds import BILLS_NOTHING, ENDPOINT, KINDS, UNDER_WAY
from inf2lab.aws.moments import Moment
from inf2lab.cli import app
from inf2lab.errors import EndpointError, FolderError, SettingsError
from inf2lab.folder import Needs
from inf2lab.shapes import SHAPES, Ask
from tests.support import played_aws

if TYPE_CHECKING:
    from conftest import Listen

REGION = "us-east-2"
ROLE = "arn:aws:iam::123456789012:role/inf2lab/x"
KNOWN = {EXECUTION_ROLE: ROLE, DEADLINE_ROLE: ROLE}
QUIET: Any = lambda line: None  # noqa: E731


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return write_manifests.folder_of_the_notebook(tmp_path)


@pytest.fixture
def request_(folder: ModelFolder) -> EndpointRequest:
    return endpoint_request(Cloud(REGION), Needs(Settings(), folder), bucket="my-bucket")


def all_calls(request: EndpointRequest) -> list[Call]:
    return [*request.calls, *request.scaling]


def the(request: EndpointRequest, operation: str) -> dict[str, Any]:
    (found,) = [call for call in all_calls(request) if call.operation == operation]
    return dict(found.parameters)


def variant_of(request: EndpointRequest) -> dict[str, Any]:
    (variant,) = the(request, "create_endpoint_config")["ProductionVariants"]
    return variant


def test_every_call_passes_the_stubber_as_it_is_sent(request_: EndpointRequest) -> None:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    for call in all_calls(request_):
        client = boto3.client(
            call.service, region_name=REGION, config=Config(retries={"total_max_attempts": 1}), **keys
        )
        parameters = fill(dict(call.parameters), KNOWN)
        with Stubber(client) as stubber:
            stubber.add_client_error(call.operation, "Stopped", expected_params=parameters)
            with pytest.raises(client.exceptions.ClientError, match="Stopped"):
                getattr(client, call.operation)(**parameters)


def enum_of(service: str, shape: str) -> list[str]:
    return list(botocore.session.get_session().get_service_model(service).shape_for(shape).enum)


def test_enums_are_those_of_the_service(request_: EndpointRequest) -> None:
    variant = variant_of(request_)
    for size in ("xlarge", "8xlarge", "24xlarge", "48xlarge"):
        assert f"ml.inf2.{size}" in enum_of("sagemaker", "ProductionVariantInstanceType")
    assert variant["InstanceType"] == "ml.inf2.48xlarge"
    assert variant["RoutingConfig"]["RoutingStrategy"] in enum_of("sagemaker", "RoutingStrategy")
    assert variant["InferenceAmiVersion"] in enum_of("sagemaker", "ProductionVariantInferenceAmiVersion")
    facts = catalog.sagemaker_facts()
    assert facts.metric in enum_of("application-autoscaling", "MetricType")
    assert facts.dimension in enum_of("application-autoscaling", "ScalableDimension")


DAMAGE = {
    "RoutingStrategy": lambda p: p["ProductionVariants"][0]["RoutingConfig"].update(RoutingStrategy="FASTEST"),
    "InstanceType": lambda p: p["ProductionVariants"][0].update(InstanceType="ml.inf2.96xlarge"),
    "99999": lambda p: p["ProductionVariants"][0].update(ContainerStartupHealthCheckTimeoutInSeconds=99999),
    "VolumeSizeInGB": lambda p: p["ProductionVariants"][0].update(VolumeSizeInGB=1000),
    "ModelNam": lambda p: p["ProductionVariants"][0].update(ModelNam="x"),
    "ProductionVariants": lambda p: p.pop("ProductionVariants"),
}


@pytest.mark.parametrize("said", DAMAGE)
def test_what_the_service_would_refuse_is_refused_here(request_: EndpointRequest, said: str) -> None:
    parameters = copy.deepcopy(the(request_, "create_endpoint_config"))
    DAMAGE[said](parameters)
    with pytest.raises(SettingsError, match=said):
        check([Call("sagemaker", "create_endpoint_config", parameters)])


def test_the_folder_goes_to_s3_byte_for_byte_and_to_the_root_of_the_model(request_: EndpointRequest) -> None:
    puts = [call.parameters for call in request_.calls if call.operation == "put_object"]
    source = the(request_, "create_model")["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]
    assert source == {"S3Uri": request_.folder_uri, "S3DataType": "S3Prefix", "CompressionType": "None"}
    sent = {f"s3://{put['Bucket']}/{put['Key']}".removeprefix(source["S3Uri"]): put["Body"] for put in puts}
    assert sent == {path.name: path.read_bytes() for path in request_.needs.folder.path.iterdir()}


def test_the_image_is_the_profiles(folder: ModelFolder) -> None:
    def image(profile: str, **more: Any) -> str:
        settings = Settings(profile=profile, **more)
        return endpoint_request(Cloud(REGION), Needs(settings, folder), bucket="b").image

    host = "763104351884.dkr.ecr.us-east-2.amazonaws.com"
    assert image("djl-0.25") == f"{host}/djl-inference:0.25.0-neuronx-sdk2.15.0"
    assert image("lmi-0.30") == f"{host}/djl-inference:0.30.0-neuronx-sdk2.20.1"
    with pytest.raises(SettingsError, match=r"no image on SageMaker: use one of .*djl-0\.25"):
        image("seed-0.21")
    assert image("seed-0.21", image="my/own:1") == "my/own:1"


@pytest.mark.parametrize(
    ("degree", "seconds", "startup", "refused"),
    [(24, 240, 300, False), (8, 1000, 3060, False), (2, 240, 2940, False), (2, 1200, 3600, True)],
)
def test_timeouts_follow_the_folder_within_the_services_limits(
    tmp_path: Path, degree: int, seconds: int, startup: int, refused: bool
) -> None:
    """Workers load one after the other: twelve at degree 2 take twelve times as long."""
    folder = changed(tmp_path, model_loading_timeout=seconds, tensor_parallel_degree=degree)
    request = endpoint_request(Cloud(REGION), Needs(Settings(), folder), bucket="b")
    assert variant_of(request)["ContainerStartupHealthCheckTimeoutInSeconds"] == startup
    told = [text for text in request.warnings() if "SageMaker waits" in text]
    assert ["12 x 1200 s to load" in text for text in told] == [True] * refused


def test_an_endpoint_that_cannot_start_in_time_is_refused_before_it_bills(account: Account, tmp_path: Path) -> None:
    """The default had twelve workers: an hour of an inf2.48xlarge, and then "Failed"."""
    folder = changed(tmp_path, model_loading_timeout=1200)
    request = endpoint_request(account.cloud, Needs(Settings(lane="inf2"), folder), bucket="my-bucket")
    with pytest.raises(SettingsError, match=r"12 x 1200 s.* 60 s beyond are 14460 s.*3600 s.*take inf2.8xlarge"):
        deploy(account.cloud, request, confirm=True, report=QUIET)
    assert account.left() == []
    assert aws.open_runs() == []


def test_the_commands_own_default_is_one_worker_that_starts_in_time(folder: ModelFolder) -> None:
    shown = run(str(folder.path))
    assert "1 to 2 x ml.inf2.8xlarge, 1 worker of degree 2 on each" in shown.output
    assert "refused" not in shown.output


@pytest.mark.parametrize(
    ("region", "profile", "account"),
    [
        ("eu-west-1", "djl-0.25", "763104351884"),
        ("eu-west-2", "djl-0.25", None),
        ("eu-north-1", "djl-0.25", None),
        ("eu-north-1", "djl-0.26", "763104351884"),
        ("ap-south-2", "djl-0.25", "772153158452"),
        ("ap-northeast-2", "djl-0.29", None),
    ],
)
def test_a_region_whose_registry_lacks_the_image_is_refused_by_name(
    folder: ModelFolder, region: str, profile: str, account: str | None
) -> None:
    """Inf2 is offered there, and the endpoint would fail after its model was made."""
    needs = Needs(Settings(profile=profile), folder)
    if account:
        assert endpoint_request(Cloud(region), needs, bucket="b").image.startswith(f"{account}.dkr.ecr.{region}.")
        return
    with pytest.raises(SettingsError, match=rf"region='{region}'.*no registry there has DJL 0\.\d+\.0.*eu-west-1"):
        endpoint_request(Cloud(region), needs, bucket="b")
    own = replace(needs, settings=replace(needs.settings, image="my/own:1"))
    assert endpoint_request(Cloud(region), own, bucket="b").image == "my/own:1"


def changed(tmp_path: Path, *, handler: bool = True, **options: object) -> ModelFolder:
    """The notebook's folder with other options."""
    folder = write_manifests.folder_of_the_notebook(tmp_path)
    write_properties(
        folder.properties_path, folder.properties() | {f"option.{name}": value for name, value in options.items()}
    )
    if not handler:
        folder.handler_path.unlink()
    return folder


def test_what_an_invocation_has_no_time_for_is_said(request_: EndpointRequest) -> None:
    assert any("an invocation ends after 60 s" in text for text in request_.warnings())
    environment = the(request_, "create_model")["PrimaryContainer"]["Environment"]
    assert environment["PREDICT_TIMEOUT"] == "60"
    assert environment["SERVING_MANAGEMENT_ADDRESS"] == "http://127.0.0.1:8081"


def test_downloads_of_an_endpoint_lie_together(request_: EndpointRequest) -> None:
    """The image sends them to two places below /tmp, whatever HF_HOME says."""
    environment = the(request_, "create_model")["PrimaryContainer"]["Environment"]
    assert environment["HF_HOME"] == "/tmp/huggingface"
    assert environment["HUGGINGFACE_HUB_CACHE"] == environment["TRANSFORMERS_CACHE"] == "/tmp/huggingface/hub"


def test_an_instance_runs_a_worker_on_every_pair_of_cores_and_scales_on_their_number(request_: EndpointRequest) -> None:
    policy = the(request_, "put_scaling_policy")["TargetTrackingScalingPolicyConfiguration"]
    assert (request_.workers, policy["TargetValue"]) == (12, 12.0)
    target = the(request_, "register_scalable_target")
    assert target["ResourceId"] == f"endpoint/{request_.name}/variant/{variant_of(request_)['VariantName']}"
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 2)
    assert 300 < variant_of(request_)["VolumeSizeInGB"] <= 512


def test_the_clock_is_set_before_the_endpoint_is_made_and_may_end_only_this_one(request_: EndpointRequest) -> None:
    order = [call.operation for call in request_.calls]
    assert order[-1] == "create_endpoint"
    assert order.index("create_schedule") < order.index("create_endpoint")
    target = the(request_, "create_schedule")["Target"]
    assert target["Arn"] == "arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint"
    assert json.loads(target["Input"]) == {"EndpointName": request_.name}
    policies = [json.loads(c.parameters["PolicyDocument"]) for c in request_.calls if c.operation == "put_role_policy"]
    (end,) = policies[1]["Statement"]
    assert end["Action"] == ["sagemaker:DeleteEndpoint"]
    assert end["Resource"].endswith(f":endpoint/{request_.name}")


def test_only_a_schedule_of_this_account_may_take_the_role_that_ends_it(folder: ModelFolder) -> None:
    made = endpoint_request(Cloud(REGION, account="123456789012"), Needs(Settings(), folder), bucket="my-bucket")
    (trust,) = [
        json.loads(call.parameters["AssumeRolePolicyDocument"])["Statement"][0]
        for call in made.calls
        if call.operation == "create_role" and call.parameters["RoleName"].endswith("-deadline")
    ]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_the_endpoint_may_read_its_folder_its_image_and_weights_on_s3(tmp_path: Path) -> None:
    folder = changed(tmp_path, model_id="s3://weights/opt-13b/")
    request = endpoint_request(Cloud(REGION), Needs(Settings(), folder), bucket="my-bucket")
    run, _ = [json.loads(c.parameters["PolicyDocument"]) for c in request.calls if c.operation == "put_role_policy"]
    may = {(action, row["Resource"]) for row in run["Statement"] for action in row["Action"]}
    read = {resource for action, resource in may if action == "s3:GetObject"}
    assert read == {"arn:aws:s3:::my-bucket/inf2lab/rehearsal/*", "arn:aws:s3:::weights/opt-13b/*"}
    everywhere = {action for action, resource in may if resource == "*"}
    assert {action.split(":")[0] for action in everywhere} == {"ecr", "cloudwatch"}  # as CreateModel's page says
    assert not [action for action in everywhere if "Put" in action and action != "cloudwatch:PutMetricData"]
    logs = {resource for action, resource in may if action.startswith("logs:")}
    assert logs == {f"arn:aws:logs:{REGION}:*:log-group:/aws/sagemaker/Endpoints/{request.name}*"}
    lists = [row for row in run["Statement"] if row["Action"] == ["s3:ListBucket"]]
    assert len(lists) == 2
    assert all(row["Condition"]["StringLike"]["s3:prefix"] for row in lists)


def test_more_disk_than_the_service_gives_is_said(tmp_path: Path) -> None:
    folder = changed(tmp_path, dtype="f32")
    request = endpoint_request(Cloud(REGION), Needs(Settings(), folder), bucket="b")
    assert variant_of(request)["VolumeSizeInGB"] == 512
    assert any("512 GB at most" in text for text in request.warnings())


def test_the_price_comes_first_and_says_that_it_is_a_lower_bound(request_: EndpointRequest) -> None:
    (subject, text), *_ = endpoint_rows(Cloud(REGION), request_)
    assert subject == "price"
    assert text.startswith("more than 12.98 to 25.96 USD/h: that is EC2's price")


@pytest.mark.parametrize(
    "choices",
    [{"hours": 0}, {"hours": 1000}, {"instances": (2, 1)}, {"instances": (0, 1)}, {"bucket": "s3://b"}, {"bucket": ""}],
)
def test_what_makes_no_sense_is_refused(folder: ModelFolder, choices: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        endpoint_request(Cloud(REGION), Needs(Settings(), folder), **{"bucket": "b"} | choices)


def test_weights_do_not_travel(folder: ModelFolder) -> None:
    (folder.path / "weights").mkdir()
    (folder.path / "weights" / "x").write_text("x")
    with pytest.raises(FolderError, match="hub"):
        endpoint_request(Cloud(REGION), Needs(Settings(), folder), bucket="b")


def test_nothing_is_sent_without_confirm_nor_in_the_rehearsal(request_: EndpointRequest) -> None:
    assert "nothing was sent" in str(deploy(Cloud(REGION), request_))
    with pytest.raises(SettingsError, match="--lane inf2"):
        deploy(Cloud(REGION), request_, confirm=True)


# --- with an account that moto plays. It refuses ml.inf2.* in an endpoint configuration, so another size stands in.


@dataclass
class Account:
    """An account with a bucket, the way to it, and what was sent to SageMaker."""

    cloud: Cloud
    sent: list[str]

    def client(self, service: str) -> Any:
        return played_aws.own_client(service)

    def anew(self) -> Account:
        """The same account, for a process that comes after one that died."""
        session = played_aws.new_session()
        return Account(Cloud(REGION, session, self.cloud.account, pause=QUIET), [])

    def alone(self) -> Account:
        """The same account by a session of its own, to whose events a test may add."""
        session = noting(played_aws.new_session(), self.sent)
        return Account(Cloud(REGION, session, self.cloud.account, pause=QUIET), self.sent)

    def left(self) -> list[str]:
        sagemaker = self.client("sagemaker")
        found = [f"endpoint {row['EndpointName']}" for row in sagemaker.list_endpoints()["Endpoints"]]
        found += [
            f"configuration {row['EndpointConfigName']}" for row in sagemaker.list_endpoint_configs()["EndpointConfigs"]
        ]
        found += [f"model {row['ModelName']}" for row in sagemaker.list_models()["Models"]]
        found += [row["Key"] for row in self.client("s3").list_objects_v2(Bucket="my-bucket").get("Contents", ())]
        found += [row["RoleName"] for row in self.client("iam").list_roles()["Roles"]]
        groups = self.client("scheduler").list_schedule_groups()["ScheduleGroups"]
        found += [f"schedules {row['Name']}" for row in groups if row["Name"] != "default"]
        targets = self.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
        return found + [row["ResourceId"] for row in targets["ScalableTargets"]]


def noting(session: boto3.Session, sent: list[str]) -> boto3.Session:
    """The session, whose calls are noted, and which asks moto for a size that it has."""

    def note(params: dict[str, Any], **event: Any) -> None:
        sent.append(event["model"].name)

    def play(params: dict[str, Any], **event: Any) -> None:
        for variant in params["ProductionVariants"]:
            assert variant["InstanceType"] == "ml.inf2.8xlarge"
            variant["InstanceType"] = "ml.inf1.xlarge"

    session.events.register("provide-client-params.sagemaker.CreateEndpointConfig", play)
    session.events.register("before-parameter-build.*.*", note)
    return session


@pytest.fixture(scope="module")
def shared() -> tuple[boto3.Session, list[str]]:
    """The session of every test that adds nothing to its events, and what it sent."""
    sent: list[str] = []
    return noting(played_aws.SharedSession(), sent), sent


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, shared: tuple[boto3.Session, list[str]]) -> Iterator[Account]:
    for name, value in played_aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    session, sent = shared
    sent.clear()
    with mock_aws():
        played_aws.put_in([REGION])
        where = {"LocationConstraint": REGION}
        played_aws.own_client("s3").create_bucket(Bucket="my-bucket", CreateBucketConfiguration=where)
        yield Account(Cloud(REGION, session, "123456789012", pause=QUIET), sent)


def deployed(account: Account, folder: ModelFolder) -> tuple[EndpointRequest, aws.Run]:
    request = endpoint_request(
        account.cloud, Needs(Settings(lane="inf2", instance="inf2.8xlarge"), folder), bucket="my-bucket"
    )
    run = deploy(account.cloud, request, confirm=True, report=QUIET).run
    assert run is not None
    return request, run


def swept(account: Account, run: aws.Run) -> aws.SweepReport:
    return aws.sweep(account.cloud, [run], report=QUIET)


def test_an_endpoint_is_made_scaled_and_swept(account: Account, folder: ModelFolder) -> None:
    _, run = deployed(account, folder)
    assert len(account.left()) == 3 + 2 + 2 + 1 + 1  # SageMaker's, files, roles, schedule, scaling
    body = account.client("s3").get_object(Bucket="my-bucket", Key=f"inf2lab/{run.id}/opt13b/serving.properties")[
        "Body"
    ]
    assert body.read() == folder.properties_path.read_bytes()
    report = swept(account, run)
    assert report.clean, str(report)
    assert account.left() == []
    (endpoint,) = (found for found in report.removed if found.kind == "endpoint")
    kinds = {found.kind for found in report.removed}
    assert kinds == {"endpoint", "endpoint configuration", "model", "file on S3", "role", "schedule"}
    group = f"--log-group-name /aws/sagemaker/Endpoints/{endpoint.id} --region {REGION}"
    assert group in str(report)  # it has no tag, and SageMaker gives it no end
    assert "nothing bills" not in str(report)
    again = swept(account, run)
    assert (again.removed, group in str(again), "nothing bills" in str(again)) == ((), True, False)


def test_the_log_of_an_endpoint_that_its_deadline_deleted_is_named(account: Account, folder: ModelFolder) -> None:
    """Its schedule did, before anybody swept."""
    request, run = deployed(account, folder)
    account.client("sagemaker").delete_endpoint(EndpointName=request.name)
    said = str(swept(account, run))
    assert f"--log-group-name /aws/sagemaker/Endpoints/{request.name} --region {REGION}" in said
    assert "nothing bills" not in said


def test_the_log_of_an_endpoint_that_never_came_into_service_is_named(account: Account, folder: ModelFolder) -> None:
    """It is what tells why, and it bills: "of this run nothing bills" was wrong."""
    account = account.alone()

    def fail(parsed: dict[str, Any], **event: Any) -> None:
        parsed |= {"EndpointStatus": "Failed", "FailureReason": "did not pass the ping health check"}

    account.cloud.session.events.register("after-call.sagemaker.DescribeEndpoint", fail)
    request = endpoint_request(
        account.cloud, Needs(Settings(lane="inf2", instance="inf2.8xlarge"), folder), bucket="my-bucket"
    )
    with pytest.raises(aws.LaunchFailed, match="ping health check") as caught:
        deploy(account.cloud, request, confirm=True, report=QUIET)
    assert "is removed: may stay, and AWS bills what it stores: an endpoint's log" in str(caught.value)
    assert f"--log-group-name /aws/sagemaker/Endpoints/{request.name} --region {REGION}" in str(caught.value)
    assert account.left() == []


def test_what_a_deployment_and_its_sweep_send_is_in_the_policy(account: Account, folder: ModelFolder) -> None:
    _, run = deployed(account, folder)
    swept(account, run)
    made = catalog.permissions()
    allowed = {action.split(":")[1] for one in made.statements.values() for action in one.actions}
    renamed = {call.split(":")[1]: action.split(":")[1] for call, action in made.otherwise_named.items()}
    assert len(set(account.sent)) > 30
    assert sorted({renamed.get(name, name) for name in account.sent} - allowed) == []


def test_a_sweep_knows_an_endpoint_of_a_run_that_is_not_on_record(account: Account, folder: ModelFolder) -> None:
    """Its files too: the model says in which bucket they are."""
    _, run = deployed(account, folder)
    run.path.unlink()
    assert swept(account, run).clean
    assert account.left() == []


@pytest.mark.thorough
def test_a_sweep_leaves_other_endpoints_alone(account: Account, folder: ModelFolder) -> None:
    request, run = deployed(account, folder)
    other, other_run = deployed_again(account, folder, run)
    report = swept(account, run)
    assert f"not touched: {other.name} in {REGION} is of run {other_run.id}" in str(report)
    names = account.left()
    assert f"endpoint {other.name}" in names
    assert f"endpoint {request.name}" not in names
    swept(account, other_run)


def deployed_again(account: Account, folder: ModelFolder, first: aws.Run) -> tuple[EndpointRequest, aws.Run]:
    request = endpoint_request(
        account.cloud, Needs(Settings(lane="inf2", instance="inf2.8xlarge"), folder), bucket="my-bucket"
    )
    request = replace(request, run=f"{first.id}-2")
    run = deploy(account.cloud, request, confirm=True, another=True, report=QUIET).run
    assert run is not None
    return request, run


def test_a_second_bill_beside_the_first_has_to_be_asked_for(account: Account, folder: ModelFolder) -> None:
    deployed(account, folder)
    before = account.left()
    with pytest.raises(aws.RunOnRecord, match="--another"):
        deployed(account, folder)
    assert account.left() == before


@pytest.mark.parametrize("case", ["elsewhere", "nowhere"])
def test_a_bucket_that_cannot_be_used_is_refused_before_anything_is_made(
    account: Account, folder: ModelFolder, case: str
) -> None:
    west = {"LocationConstraint": "us-west-2"}
    boto3.client("s3", region_name="us-west-2").create_bucket(Bucket="elsewhere", CreateBucketConfiguration=west)
    request = endpoint_request(
        account.cloud, Needs(Settings(lane="inf2", instance="inf2.8xlarge"), folder), bucket=case
    )
    with pytest.raises((SettingsError, aws.NotThere), match=r"is in us-west-2|404"):
        deploy(account.cloud, request, confirm=True, report=QUIET)
    assert account.left() == []
    assert aws.open_runs() == []


def test_runs_without_a_bucket_are_not_looked_for_at_sagemaker(account: Account) -> None:
    now = Moment.now(UTC)
    run = aws.Run("20260101-000000-aaaa", REGION, "inf2.xlarge", now, now).write()
    swept(account, run)
    assert "ListEndpoints" not in account.sent


CALLS = 13  # of a deployment that change something; the last two scale
# The first, the one that makes the endpoint, and the last are quick.
NUMBERED = [n if n in (1, 11, CALLS) else pytest.param(n, marks=pytest.mark.thorough) for n in range(1, CALLS + 1)]


def stopped(account: Account, folder: ModelFolder, error: type[BaseException]) -> list[str]:
    """Deploy, which ends with `error`; returns what was reported."""
    said: list[str] = []
    request = endpoint_request(
        account.cloud, Needs(Settings(lane="inf2", instance="inf2.8xlarge"), folder), bucket="my-bucket"
    )
    assert len(all_calls(request)) == CALLS
    with pytest.raises(error):
        deploy(account.cloud, request, confirm=True, report=said.append)
    return said


@pytest.mark.parametrize("number", NUMBERED)
def test_an_interrupt_after_any_call_leaves_nothing(account: Account, folder: ModelFolder, number: int) -> None:
    account = account.alone()
    played_aws.stop_after(account.cloud.session, number)
    said = stopped(account, folder, KeyboardInterrupt)
    assert account.left() == []
    assert aws.open_runs() == []
    assert "everything created until then is removed" in said[-1].lower()
    assert "aws logs delete-log-group" in said[-1]


@pytest.mark.parametrize("number", NUMBERED)
def test_after_a_kill_between_any_two_calls_a_sweep_finds_everything(
    account: Account, folder: ModelFolder, number: int
) -> None:
    """Nothing is undone. The record was written before, and the clock was set before the endpoint."""
    account = account.alone()
    played_aws.die_after(account.cloud.session, number)
    stopped(account, folder, SystemExit)
    account = account.anew()
    left = account.left()
    assert left
    if any(name.startswith("endpoint ") for name in left):
        assert any(name.startswith("schedules ") for name in left)
    (run,) = aws.open_runs()
    assert swept(account, run).clean
    assert account.left() == []


def refused(account: Account, operation: str, code: str) -> Account:
    """The account, with clients of its own to which SageMaker refuses an operation."""

    def refuse(model: Any, **event: Any) -> Any:
        return SimpleNamespace(status_code=400), {"Error": {"Code": code, "Message": "no"}}

    account = account.alone()
    account.cloud.session.events.register(f"before-call.sagemaker.{operation}", refuse)
    return account


@pytest.mark.thorough
def test_an_endpoint_that_will_not_go_keeps_what_ends_it(account: Account, folder: ModelFolder) -> None:
    """AWS deletes no endpoint that is being created. Its schedule must outlive the sweep, or it bills for ever."""
    request, run = deployed(account, folder)
    made = sagemaker_backends["123456789012"][REGION].endpoints[request.name]
    made.endpoint_status = "Creating"

    report = swept(refused(account, "DeleteEndpoint", "ValidationException"), run)
    kinds = {found.kind for found in report.remaining}
    assert kinds == {"endpoint", "endpoint configuration", "model", "file on S3", "schedule", "role"}
    (endpoint,) = [found for found in report.remaining if found.kind == "endpoint"]
    assert (endpoint.id, endpoint.state) == (request.name, "Creating")
    assert "sweep again" in report.problems[0]
    assert aws.open_runs() == [run]
    made.endpoint_status = "InService"
    assert swept(account, run).clean
    assert account.left() == []


@pytest.mark.thorough
def test_where_nobody_may_look_for_endpoints_the_schedule_stays(account: Account, folder: ModelFolder) -> None:
    _, run = deployed(account, folder)

    report = swept(refused(account, "ListEndpoints", "AccessDeniedException"), run)
    assert not report.clean
    assert any(name.startswith("schedules ") for name in account.left())
    assert swept(account, run).clean
    assert account.left() == []


@pytest.mark.thorough
def test_an_endpoint_is_found_without_its_configuration(account: Account, folder: ModelFolder) -> None:
    """Somebody deleted it: nobody can see then what the endpoint costs, but the record knows its instance."""
    request, run = deployed(account, folder)
    account.client("sagemaker").delete_endpoint_config(EndpointConfigName=request.name)
    (kind,) = [kind for kind in KINDS if kind.name == ENDPOINT]
    (found,) = kind.find(account.cloud, REGION, frozenset([run.id]))
    assert found.usd_per_hour == pytest.approx(1.97, abs=0.01)
    assert swept(account, run).clean
    assert account.left() == []


def test_every_state_of_an_endpoint_bills_but_two() -> None:
    states = set(enum_of("sagemaker", "EndpointStatus"))
    assert set(BILLS_NOTHING) == {"Deleting", "Failed"} < states
    assert set(UNDER_WAY) < states


@pytest.mark.parametrize(
    ("kind", "body", "answer"),
    [
        ("article", {"seq_length": 48, "text": ["Hello"]}, {"outputs": ["Hello you"]}),
        ("builtin", {"inputs": ["Hello"], "parameters": {"max_new_tokens": 32}}, [{"generated_text": "Hello you"}]),
    ],
)
def test_both_request_schemas_are_asked_and_read(kind: str, body: Any, answer: Any) -> None:
    parameters = write_invocation("inf2lab-x", SHAPES[kind], Ask(("Hello",), 16, 32, "inf2lab-x"))
    assert json.loads(parameters["Body"]) == body
    here, stubber = stubbed()
    data = json.dumps(answer).encode()
    stubber.add_response("invoke_endpoint", {"Body": StreamingBody(io.BytesIO(data), len(data))}, parameters)
    with stubber:
        assert invoke(here, "inf2lab-x", SHAPES[kind], ["Hello"]) == ["Hello you"]


def test_an_answer_of_another_shape_says_so() -> None:
    here, stubber = stubbed()
    data = b'{"generated_text": "Hello"}'
    expected = dict.fromkeys(("EndpointName", "ContentType", "Accept", "Body"), ANY)
    stubber.add_response("invoke_endpoint", {"Body": StreamingBody(io.BytesIO(data), len(data))}, expected)
    with stubber, pytest.raises(EndpointError, match="not the shape 'article'"):
        invoke(here, "inf2lab-x", SHAPES["article"], ["Hello"])


def event(kind: str, name: str, payload: bytes) -> bytes:
    """A message of AWS's event stream, as its specification lays it out."""
    headers = b""
    for key, value in ((":message-type", kind), (f":{kind}-type", name), (":content-type", "application/octet-stream")):
        headers += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    start = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    start += struct.pack(">I", zlib.crc32(start))
    message = start + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch, listen: Listen) -> tuple[Cloud, list[bytes], list[tuple[str, bytes]]]:
    """SageMaker's runtime played on a port, as bytes on the wire: what it answers, and what it was asked."""
    parts: list[bytes] = []
    asked: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            body = b"".join(parts)
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.amazon.eventstream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            return

    server = listen(Handler)
    for name, value in played_aws.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", f"http://127.0.0.1:{server.server_port}")
    return Cloud(REGION, boto3.Session(region_name=REGION)), parts, asked


def test_an_answer_in_pieces_is_asked_for_and_read(runtime: Any, tmp_path: Path) -> None:
    here, parts, asked = runtime
    folder = changed(tmp_path, handler=False, enable_streaming="true")
    shape = SHAPES[Needs(Settings(), folder).stated.shape]
    assert shape.name == "builtin-stream"
    lines = b'{"outputs": ["Hel"]}\n{"outputs": ["lo"]}\n'
    parts += [event("event", "PayloadPart", lines[:9]), event("event", "PayloadPart", lines[9:])]
    assert invoke(here, "inf2lab-x", shape, ["Hi"]) == ["Hello"]
    ((path, body),) = asked
    assert path == "/endpoints/inf2lab-x/invocations-response-stream"
    assert json.loads(body) == {"inputs": ["Hi"], "parameters": {"max_new_tokens": 32}}


def test_a_stream_that_breaks_off_is_an_error_of_the_model(runtime: Any) -> None:
    here, parts, _ = runtime
    broken = json.dumps({"Message": "too slow", "ErrorCode": "ModelInvocationTimeExceeded"}).encode()
    parts += [event("event", "PayloadPart", b'{"outp'), event("exception", "ModelStreamError", broken)]
    with pytest.raises(aws.ModelFailed, match="too slow"):
        invoke(here, "inf2lab-x", SHAPES["builtin-stream"], ["Hi"])


def test_nobody_gives_up_before_the_service_does() -> None:
    """API of InvokeEndpoint: 60 s of processing want a socket time-out of 70 s. Else the same is asked five times."""
    here = Cloud(REGION, boto3.Session("x", "x", region_name=REGION))
    assert here.client("sagemaker-runtime").meta.config.read_timeout >= 70


def stubbed() -> tuple[Cloud, Stubber]:
    """A way to SageMaker's runtime whose answers the test gives."""
    here = Cloud(REGION, boto3.Session("x", "x", region_name=REGION))
    return here, Stubber(here.client("sagemaker-runtime"))


def test_awss_own_price_is_taken_where_it_answers(request_: EndpointRequest) -> None:
    here = Cloud(REGION, boto3.Session("x", "x", region_name=REGION))
    product = {"terms": {"OnDemand": {"a": {"priceDimensions": {"b": {"pricePerUnit": {"USD": "10.5"}}}}}}}
    with Stubber(here.client("pricing", "us-east-1")) as stubber:
        stubber.add_response("get_products", {"PriceList": [json.dumps(product)]})
        assert price_line(here, request_).startswith("10.50 to 21.00 USD/h (AWS, now)")
        stubber.add_client_error("get_products", "AccessDeniedException")
        assert price_line(here, request_).startswith("more than 12.98")


def run(*words: str) -> Any:
    return CliRunner(env={"COLUMNS": "300", "NO_COLOR": "1"}).invoke(app, ["scale", "sagemaker", *words])


def test_the_command_shows_the_price_first_and_sends_nothing(folder: ModelFolder) -> None:
    shown = run(str(folder.path))
    assert shown.exit_code == 0, shown.output
    assert shown.output.index("USD/h") < shown.output.index("sagemaker.create_endpoint")
    assert "bills nothing" in shown.output
    calls = json.loads(run(str(folder.path), "--json").stdout)
    assert [call["operation"] for call in calls if call["service"] == "sagemaker"] == [
        "create_model",
        "create_endpoint_config",
        "create_endpoint",
    ]
    assert run(str(folder.path), "--confirm").exit_code == 2
    assert run(str(folder.path), "--profile", "seed-0.21").exit_code == 2
    assert folder.fingerprint()
