"""The same load as a command line of NVIDIA's aiperf, for those who want its numbers; it is not installed here.

Options: aiperf 0.13's command line reference, and its guide to template endpoints.
"""

import json
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
    prompt_tokens = max(max(post.prompt_tokens or (0,)) for post in target.requests(load.seed))
    options = ["--model", target.model]
    if endpoint := _ENDPOINTS.get(target.kind.removesuffix("-stream")):
        parts = urlsplit(target.url)
        options += ["--url", f"{parts.scheme}://{parts.netloc}", "--endpoint-type", endpoint]
    elif answer := _ANSWERS.get(target.kind):
        ask = Ask((_PROMPTS,), prompt_tokens + 1 if prompt_tokens else 0, target.output_tokens, target.model)
        template = json.dumps(target.shape.body(ask)).replace(f'["{_PROMPTS}"]', f"{{{{ {_PROMPTS}|tojson }}}}")
        options += ["--url", target.url, "--endpoint-type", "template"]
        options += ["--extra-inputs", f"payload_template:{template}"]
        options += ["--extra-inputs", f"response_field:{answer}", "--batch-size-text", str(target.rows)]
    else:
        raise MeasureError(f"aiperf has no endpoint of kind {target.kind}; name the kind of the endpoint's answers")
    options += ["--streaming"] if target.shape.streams else []
    if target.tokens:
        path = target.tokens.path
        options += ["--tokenizer", str(path if path.is_dir() else path.parent)]
    options += [word for name, value in target.headers.items() for word in ("--header", f"{name}:{value}")]
    arrivals = "poisson" if load.arrivals == "poisson" else "constant"
    by_the_clock = ["--request-rate", f"{load.rate:g}", "--arrival-pattern", arrivals] if load.rate else []
    options += by_the_clock or ["--concurrency", str(load.clients)]
    seconds = ["--benchmark-duration", f"{load.seconds:g}"] if load.seconds else []
    options += seconds or ["--request-count", str(load.requests)]
    options += ["--warmup-request-count", str(load.warm_up)] if load.warm_up else []
    options += ["--synthetic-input-tokens-mean", str(prompt_tokens)] if prompt_tokens else []
    options += ["--output-tokens-mean", str(target.output_tokens), "--random-seed", str(load.seed)]
    return ["aiperf", "profile", *options]
