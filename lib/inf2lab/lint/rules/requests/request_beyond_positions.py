"""A request asks for more tokens than the model is compiled for."""

from inf2lab.lint.examples import HANDLER_OF_POSITIONS, OPT_1_3B
from inf2lab.lint.requests import asked_length
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "request-beyond-positions", Severity.ERROR
WHY = (
    "n_positions bounds prompt and answer together. Past it there is no program to run in: a bare StopIteration, which "
    "reaches the client as an error with an empty message."
)
CURE = "Ask for less, or raise `option.n_positions`."
BAD = {
    "serving.properties": OPT_1_3B + "option.n_positions=256\n",
    "request.json": '{"inputs": ["Hello"], "parameters": {"max_new_tokens": 2048}}',
}
GOOD = BAD | {"request.json": '{"inputs": ["Hello"], "parameters": {"max_new_tokens": 128}}'}
EXPECT = ["request.json:1 2048 tokens are asked for; the model is compiled for 256"]
_OWN = {"model.py": HANDLER_OF_POSITIONS, "request.json": '{"seq_length": 2048, "text": ["Hello"]}'}
MORE = [
    Example(
        bad=_OWN | {"serving.properties": "option.n_positions=256\n"},
        good=_OWN | {"serving.properties": "option.n_positions=2048\n"},
        expect=("request.json:1 2048 tokens are asked for; the model is compiled for 256",),
    )
]


def check(folder: Folder) -> Hits:
    positions = folder.n_positions
    if folder.own and not folder.own.reads("n_positions"):
        positions = None  # the library's own default holds
    for request in folder.all_requests:
        length = asked_length(folder, request)
        if length is not None and positions is not None and length > positions:
            yield Hit(request, f"{length} tokens are asked for; the model is compiled for {positions}")
