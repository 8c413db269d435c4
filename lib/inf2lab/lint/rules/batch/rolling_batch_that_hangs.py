"""The server runs a rolling batch and the handler answers as if there were none: nobody is ever answered."""

import ast

from inf2lab.lint.examples import HANDLER, OPT_1_3B
from inf2lab.lint.handler import Handler
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "rolling-batch-that-hangs", Severity.ERROR
WHY = (
    "From 0.23.0 to 0.26.0 the server looks only whether `rolling_batch` is there, so `disable` and nothing at all are "
    "on too, with or without `option.`; from 0.27.0 on `disable` alone, in this spelling, is off. It then reads each "
    "answer as a step of the batch. One that is none ends its loop without a word: this request and all after it wait "
    "until chunked_read_timeout drops the connection."
)
CURE = "Delete the line; from 0.27.0 on `option.rolling_batch=disable` is as good."
BAD = OPT_1_3B + "option.rolling_batch=disable\n"
GOOD = OPT_1_3B
EXPECT = [
    "serving.properties:3 `option.rolling_batch=disable`: the server of 0.25.0 takes any value for on, and the handler "
    "answers as if it were off: every request hangs"
]
_OWN = {"model.py": HANDLER}
MORE = [
    Example(
        bad={"serving.properties": "engine=Python\nrolling_batch=auto\n", **_OWN},
        good={"serving.properties": "engine=Python\n", **_OWN},
        expect=(
            "serving.properties:2 `rolling_batch=auto`: the server of 0.23.0 takes any value for on, and model.py "
            "answers as if it were off: every request hangs",
        ),
        profile="djl-0.23",
    ),
    Example(
        bad={"serving.properties": "engine=Python\noption.rolling_batch=false\n", **_OWN},
        good={"serving.properties": "engine=Python\noption.rolling_batch=disable\n", **_OWN},
        expect=(
            "serving.properties:2 `option.rolling_batch=false`: the server of 0.29.0 takes any value but `disable` for "
            "on, and model.py answers as if it were off: every request hangs",
        ),
        profile="djl-0.29",
    ),
]


def check(folder: Folder) -> Hits:
    entry = folder.option("rolling_batch")
    if entry is None or not folder.server_rolls or _answers_in_steps(folder):
        return
    on = "any value but `disable`" if folder.looks_for_disable else "any value"
    who = folder.own_file or "the handler"
    message = f"the server of {folder.profile.djl} takes {on} for on, and {who} answers as if it were off"
    written = f"`{entry.written}={short(entry.value)}`"
    yield Hit(entry, f"{written}: {message}: every request hangs", edit=entry.removed())


def _answers_in_steps(folder: Folder) -> bool:
    """Whether the handler may speak the protocol of a rolling batch: DJL's own as it says, another if it could."""
    if folder.built_in:
        return folder.rolling
    return folder.own is None or _may_speak(folder.own, folder)


def _may_speak(own: Handler, folder: Folder) -> bool:
    """A step says `last` of each request; whoever takes it from another module may do so there."""
    modules = {taken.module.split(".")[0]: taken.module for taken in own.taken}
    if any(f"{name}.py" in folder.files for name in modules):
        return True
    if any("rolling_batch" in taken.module or "rolling_batch" in (taken.name or "") for taken in own.taken):
        return True
    words = (node for node in own.nodes if isinstance(node, ast.Constant | ast.keyword))
    return any("last" in str(node.value if isinstance(node, ast.Constant) else node.arg) for node in words)
