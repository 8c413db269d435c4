"""OPT's sampling never draws the end of text, so a length is an order, not a limit."""

from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.requests import asked_length
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "request-that-fills-the-cache", Severity.WARNING
WHY = (
    "For every family but Llama the library masks the end-of-text token: each answer has exactly the length asked for. "
    "Asking for all positions means waiting for all of them, each time."
)
CURE = "Ask for the length you want to read."
BAD = {
    "serving.properties": OPT_1_3B + "option.n_positions=2048\n",
    "request.json": '{"inputs": ["Hello"], "parameters": {"max_new_tokens": 2048}}',
}
GOOD = BAD | {"request.json": '{"inputs": ["Hello"], "parameters": {"max_new_tokens": 64}}'}
EXPECT = ["request.json:1 every answer will have exactly 2048 tokens, prompt included"]
_LONG = 1024  # below this nobody waits long enough to mind


def check(folder: Folder) -> Hits:
    dims = folder.dims
    if dims is None or "eos_token_override" in folder.rules.sample_arguments.get(dims.architecture, ()):
        return
    for request in folder.all_requests:
        length = asked_length(folder, request)
        if length is not None and _LONG <= length <= dims.max_positions:
            yield Hit(request, f"every answer will have exactly {length} tokens, prompt included")
