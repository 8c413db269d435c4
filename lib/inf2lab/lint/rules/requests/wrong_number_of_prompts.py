"""The request brings another number of prompts than the model has rows."""

from inf2lab.lint.examples import OLD_OPT_1_3B, OPT_1_3B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity
from inf2lab.words import plural

NAME, SEVERITY = "wrong-number-of-prompts", Severity.ERROR
WHY = (
    "The model is compiled for a fixed number of rows. Up to 0.23.0 a request must fill them exactly; "
    "from 0.24.0 on fewer are filled up and more are refused."
)
CURE = "Send as many prompts as the model has rows: `option.batch_size`, or the server's own where that is not set."
BAD = {
    "serving.properties": OPT_1_3B + "option.batch_size=2\noption.n_positions=128\n",
    "request.json": '{"inputs": ["one", "two", "three"]}',
}
GOOD = BAD | {"request.json": '{"inputs": ["one", "two"]}'}
EXPECT = ["request.json:1 3 prompts for 2 rows"]
_OLD = {"serving.properties": OLD_OPT_1_3B + "option.batch_size=2\n"}
MORE = [
    Example(
        bad=_OLD | {"request.json": '{"inputs": "one"}'},
        good=_OLD | {"request.json": '{"inputs": ["one", "two"]}'},
        expect=("request.json:1 1 prompt for 2 rows",),
        profile="seed-0.21",
    )
]


def check(folder: Folder) -> Hits:
    shape, rows = folder.profile.request, folder.rows
    if folder.own and not folder.own.reads("batch_size"):
        return  # the code alone knows its rows
    for request in folder.all_requests:
        if not isinstance(request.body, dict) or rows is None or folder.rolling:
            continue
        key = shape.prompts if folder.built_in else "text" if folder.own else None
        prompts = request.body.get(key) if key else None
        if not isinstance(prompts, list | str):
            continue
        count = len(prompts) if isinstance(prompts, list) else 1
        exact = shape.exact_batch or not folder.built_in
        if count > rows or (exact and count != rows):
            yield Hit(request, f"{plural(count, 'prompt')} for {plural(rows, 'row')}")
