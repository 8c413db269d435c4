"""The same load as a command line of NVIDIA's aiperf, for those who want its numbers; it is not installed here.

Options: aiperf 0.13's command line reference, and its guide to template endpoints.
"""

from __future__ import annotations

import json
import shlex
from urllib.parse import urlsplit

from inf2lab.errors import MeasureError
from inf2lab.measure.load import Load
from inf2lab.measure.target import Target
from inf2lab.shapes import Ask

# aiperf fills in `texts`, the prompts of one request, and looks the answer up with JMESPath.
_PROMPTS = "texts"
_ANSWERS = {"article": "outputs", "builtin": "[].generated_text", "builtin-stream": "outputs"}
_ENDPOINTS = {"openai": "completions", "openai-chat": "chat"}


def aiperf_command(target: Target, load: Load) -> list[str]:
    """Return aiperf's command line for a load, one word an item; raises MeasureError for `raw`, which it has not."""
    prompt_tokens = _longest_prompt(target, load)
    command = ["aiperf", "profile", "--model", target.model]
    kind = target.kind.removesuffix("-stream")
    if kind in _ENDPOINTS:
        parts = urlsplit(target.url)
        command += ["--url", f"{parts.scheme}://{parts.netloc}", "--endpoint-type", _ENDPOINTS[kind]]
    else:
        if target.kind not in _ANSWERS:
            raise MeasureError(f"aiperf has no endpoint of kind {target.kind}; name the kind of the endpoint's answers")
        ask = Ask((_PROMPTS,), prompt_tokens + 1 if prompt_tokens else 0, target.output_tokens, target.model)
        template = json.dumps(target.shape.body(ask)).replace(f'["{_PROMPTS}"]', f"{{{{ {_PROMPTS}|tojson }}}}")
        command += ["--url", target.url, "--endpoint-type", "template"]
        command += ["--extra-inputs", f"payload_template:{template}"]
        command += ["--extra-inputs", f"response_field:{_ANSWERS[target.kind]}", "--batch-size-text", str(target.rows)]
    if target.shape.streams:
        command.append("--streaming")
    if target.tokens:
        folder = target.tokens.path if target.tokens.path.is_dir() else target.tokens.path.parent
        command += ["--tokenizer", str(folder)]
    for name, value in target.headers.items():
        command += ["--header", f"{name}:{value}"]
    if load.rate is not None:
        mode = "poisson" if load.arrivals == "poisson" else "constant"
        command += ["--request-rate", f"{load.rate:g}", "--arrival-pattern", mode]
    else:
        command += ["--concurrency", str(load.clients)]
    if load.requests is not None:
        command += ["--request-count", str(load.requests)]
    else:
        command += ["--benchmark-duration", f"{load.seconds:g}"]
    command += ["--warmup-request-count", str(load.warm_up)] if load.warm_up else []
    command += ["--synthetic-input-tokens-mean", str(prompt_tokens)] if prompt_tokens else []
    return [*command, "--output-tokens-mean", str(target.output_tokens), "--random-seed", str(load.seed)]


def as_typed(command: list[str]) -> str:
    """Return a command as a person would type it."""
    return shlex.join(command)


def _longest_prompt(target: Target, load: Load) -> int:
    """Tokens of the longest prompt that the load would send; 0 where nobody counts."""
    requests = target.requests(load.seed)
    return max(max(request.prompt_tokens or (0,)) for request in requests)
