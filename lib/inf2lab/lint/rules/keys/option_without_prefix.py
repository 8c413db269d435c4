"""A key that the handler or the server reads with `option.` stands there without."""

from inf2lab import catalog
from inf2lab.folder import PLAIN_KEYS_REACH_PYTHON
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "option-without-prefix", Severity.WARNING
WHY = (
    "What configures the model begins with `option.`. 0.21.0 hands on nothing else; later releases copy plain keys to "
    "the handler, but the server itself still looks for the prefix."
)
CURE = "Write `option.` in front of the key."
BAD = "engine=Python\nmodel_id=facebook/opt-13b\nn_positions=2048\n"
GOOD = "engine=Python\noption.model_id=facebook/opt-13b\noption.n_positions=2048\n"
EXPECT = [
    "serving.properties:2 `model_id` without `option.` is not seen by the server",
    "serving.properties:3 `n_positions` without `option.` reaches the handler only by a copy",
]
MORE = [
    Example(
        bad="option.entryPoint=djl_python.transformer-neuronx\nn_positions=2048\n",
        good="option.entryPoint=djl_python.transformer-neuronx\noption.n_positions=2048\n",
        expect=("serving.properties:2 `n_positions` without `option.` is not handed on by 0.21.0",),
        profile="seed-0.21",
    )
]


def check(folder: Folder) -> Hits:
    table = catalog.options()
    for entry in folder.properties.effective():
        option = None if entry.is_option or entry.key in table.server_keys else table.options.get(entry.key)
        if option is None or folder.properties.last(f"option.{entry.written}"):
            continue
        severity: Severity | None
        if folder.release < PLAIN_KEYS_REACH_PYTHON:
            severity, what = Severity.ERROR, f"is not handed on by {folder.profile.djl}"
        elif option.reader != "handler":
            severity, what = None if folder.own else Severity.ERROR, "is not seen by the server"
        else:
            severity, what = None, "reaches the handler only by a copy"
        message = f"`{entry.written}` without `option.` {what}"
        yield Hit(entry, message, severity=severity, edit=entry.with_key(f"option.{entry.written}"))
