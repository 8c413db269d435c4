"""Sending an endpoint request, asking the endpoint, and saying what it costs; it ends with `inf2lab sweep`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from inf2lab import catalog
from inf2lab.aws import Call, Cloud, CloudError, LaunchFailed, Run, send_one, sweep
from inf2lab.aws.endpoint_calls import EndpointRequest
from inf2lab.aws.instance import stamp
from inf2lab.aws.launcher import refuse_a_second_bill
from inf2lab.aws.prices import _prices
from inf2lab.errors import EndpointError, SettingsError
from inf2lab.shapes import Ask, Shape, read_answer

Report = Callable[[str], None]
STEP_S = 30


@dataclass(frozen=True)
class Deployed:
    """What became of a request; without a run nothing was sent and nothing bills."""

    said: str
    run: Run | None = None

    def __str__(self) -> str:
        return self.said


def rows(cloud: Cloud, request: EndpointRequest) -> Iterator[tuple[str, str]]:
    """Yield (subject, found): the price first, then what will be made."""
    replica = request.replica
    yield "price", price_line(cloud, request)
    yield "ends", f"{stamp(request.deadline)}, after {request.hours} h: a schedule deletes the endpoint"
    yield "folder", f"{', '.join(sorted(replica.folder.contents()))} -> {request.folder_uri}"
    yield "image", request.image
    few, many = request.instances
    workers = f"{request.workers} workers of degree {replica.degree} on each"
    yield (
        "instances",
        f"{few} to {many} x {request.instance_type}, {workers}; {request.volume_gib} GB of disk",
    )
    yield "quota", f"of SageMaker, apart from EC2's: {many} x {request.instance_type} for endpoint usage"
    yield (
        "time-outs",
        f"{request.startup_s} s to start; {catalog.sagemaker_facts().invocation_s} s an invocation",
    )
    for text in request.warnings():
        yield "note", text


def price_line(cloud: Cloud, request: EndpointRequest) -> str:
    """Return the price an hour: AWS's own where it answers, else EC2's of the same size as a lower bound."""
    few, many = request.instances
    asked = _asked(cloud, request)
    if asked is not None:
        high, hours = many * asked, request.hours
        return f"{few * asked:.2f} to {high:.2f} USD/h (AWS, now); {hours} h: up to {high * hours:.2f} USD"
    bounds, basis = request.usd_per_hour, catalog.price_basis()
    if bounds is None:
        return "not known"
    low, high = bounds
    return (
        f"more than {low:.2f} to {high:.2f} USD/h: that is EC2's price ({basis.first} to {basis.last}), and SageMaker "
        f"charges more for the same size; {request.hours} h: more than {low * request.hours:.2f} USD"
    )


def deploy(
    cloud: Cloud,
    request: EndpointRequest,
    *,
    confirm: bool = False,
    another: bool = False,
    report: Report = print,
) -> Deployed:
    """Send the request if `confirm`, and wait until the endpoint is in service; else send nothing.

    Raises CloudError; what was created until then is removed first. SageMaker has no dry run: without `confirm` every
    call was only checked against the service's model. `another` allows a second run at once.
    """
    count = len(request.calls) + len(request.scaling)
    if not confirm:
        return Deployed(f"{count} calls checked against the services' models; nothing was sent, nothing bills")
    if not cloud.live:
        raise SettingsError("confirm", True, f"{cloud.why}: nothing is asked; use --lane inf2 to spend money")
    refuse_a_second_bill(another)
    _check_bucket(cloud, request)
    run = _record(cloud, request)
    report(f"run {run.id} in {run.region}: until {run.deadline}")
    try:
        known: dict[str, str] = {}
        for call in request.calls:
            known = _sent(cloud, call, known, report)
        _wait(cloud, request, report)
        for call in request.scaling:
            known = _sent(cloud, call, known, report)
    except BaseException as error:  # an interrupt too: what was created must not go on billing
        left = _undo(cloud, run, report)
        if isinstance(error, CloudError):
            raise LaunchFailed(error.call, error.code, error.message, error.remedy, left) from error
        report(f"  {left}")
        raise
    return Deployed(f"{request.name} is in service until {run.deadline}; `inf2lab sweep` ends it", run)


def invoke(
    cloud: Cloud,
    endpoint: str,
    shape: Shape,
    prompts: Sequence[str],
    *,
    prompt_tokens: int = 16,
    output_tokens: int = 32,
) -> list[str]:
    """Return one text a prompt from an endpoint; raises CloudError, or EndpointError for an answer of another shape."""
    asked = invocation(endpoint, shape, Ask(tuple(prompts), prompt_tokens, output_tokens, endpoint))
    if shape.streams:  # minutes instead of `invocation_s`, as long as pieces come
        operation = "invoke_endpoint_with_response_stream"
        parts = cloud.parts("sagemaker-runtime", operation, "Body", **asked)
        body = b"".join(part["PayloadPart"]["Bytes"] for part in parts)
    else:
        body = cloud.call("sagemaker-runtime", "invoke_endpoint", **asked)["Body"].read()
    text = body.decode(errors="replace")
    texts = read_answer(shape, body, text.splitlines())
    if texts is None:
        raise EndpointError(200, f"but not the shape {shape.name!r}", text[:200])
    return texts


def invocation(endpoint: str, shape: Shape, ask: Ask) -> dict[str, Any]:
    """Return the parameters of invoke_endpoint for a request of that shape."""
    body = json.dumps(shape.body(ask)).encode()
    kind = "application/json"
    return {"EndpointName": endpoint, "ContentType": kind, "Accept": kind, "Body": body}


def _sent(cloud: Cloud, call: Call, known: dict[str, str], report: Report) -> dict[str, str]:
    known = send_one(cloud, call, known)
    report(f"  {call.service} {call.operation}: done")
    return known


def _check_bucket(cloud: Cloud, request: EndpointRequest) -> None:
    """Raise if the bucket is not there or in another region, which SageMaker would say after a quarter of an hour."""
    there = cloud.call("s3", "head_bucket", Bucket=request.bucket).get("BucketRegion", request.region)
    if there != request.region:
        raise SettingsError("bucket", request.bucket, f"is in {there}: name one in {request.region}")


def _record(cloud: Cloud, request: EndpointRequest) -> Run:
    """Write the run down before anything is created: a sweep goes by it."""
    moments = stamp(cloud.now()), stamp(request.deadline)
    return Run(request.run, request.region, request.instance_type, *moments, bucket=request.bucket).write()


def _wait(cloud: Cloud, request: EndpointRequest, report: Report) -> None:
    """Wait until the endpoint is in service, as long as it may take to get an instance and to start."""
    told = ""
    for _ in range(0, request.startup_s + 1800, STEP_S):
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
        cloud.pause(STEP_S)
    raise CloudError("sagemaker create_endpoint", told, "it did not come into service", "see /aws/sagemaker")


def _undo(cloud: Cloud, run: Run, report: Report) -> str:
    report("  stopped half-way: removing what was created")
    try:
        swept = sweep(cloud, [run], patience_s=300, report=report)
    except CloudError as error:
        return f"It could not be undone ({error.code}): run `inf2lab sweep` until nothing is left"
    if swept.clean:
        return "Everything created until then is removed: nothing bills"
    return f"{len(swept.remaining)} things are left: run `inf2lab sweep` until nothing is left"


def _asked(cloud: Cloud, request: EndpointRequest) -> float | None:
    """Return AWS's one price of the instance for hosting, or None."""
    if not cloud.live:
        return None
    wanted = {"instanceName": request.instance_type, "regionCode": request.region, "component": "Hosting"}
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()]
    region = catalog.cloud_facts().pricing_region
    try:
        answer = cloud.call("pricing", "get_products", region=region, ServiceCode="AmazonSageMaker", Filters=filters)
    except CloudError:
        return None
    found = set(_prices(json.loads(text) for text in answer["PriceList"]))
    return found.pop() if len(found) == 1 else None
