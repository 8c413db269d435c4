"""Asking an endpoint that is in service, in the request schema of its folder's handler."""

import json
from collections.abc import Sequence
from typing import Any

from inf2lab.aws.connection import Cloud
from inf2lab.errors import EndpointError
from inf2lab.shapes import Ask, Shape, read_answer


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
    asked = write_invocation(endpoint, shape, Ask(tuple(prompts), prompt_tokens, output_tokens, endpoint))
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


def write_invocation(endpoint: str, shape: Shape, ask: Ask) -> dict[str, Any]:
    """Return the parameters of invoke_endpoint for a request of that shape."""
    body = json.dumps(shape.body(ask)).encode()
    kind = "application/json"
    return {"EndpointName": endpoint, "ContentType": kind, "Accept": kind, "Body": body}
