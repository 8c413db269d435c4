"""A value that has to be a number is none."""

from inf2lab import catalog
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "not-a-number", Severity.ERROR
WHY = "The server and the handler turn these values into integers while they load; another text ends the load."
CURE = "Write a whole number."
BAD = "option.model_id=facebook/opt-13b\noption.batch_size=two\n"
GOOD = "option.model_id=facebook/opt-13b\noption.batch_size=2\n"
EXPECT = ["serving.properties:2 `option.batch_size` is `two`, not a whole number"]
MORE = [
    Example(
        bad="option.entryPoint=djl_python.transformer-neuronx\noption.tensor_parallel_degree=max\n",
        good="option.entryPoint=djl_python.transformer-neuronx\noption.tensor_parallel_degree=2\n",
        expect=("serving.properties:2 `option.tensor_parallel_degree` is `max`, not a whole number",),
        profile="seed-0.21",
    ),
    Example(
        bad="option.model_id=facebook/opt-13b\noption.predict_timeout=1m\n",
        good="option.model_id=facebook/opt-13b\noption.predict_timeout=60\n",
        expect=(
            "serving.properties:2 `option.predict_timeout` is `1m`, not a whole number: the server takes its default",
        ),
    ),
]
_MAX_SINCE = (0, 24)  # `max` for the degree
WARNED_OF = {"model_loading_timeout", "predict_timeout"}  # PyModel.java catches the exception (0.21.0 to 0.29.0)


def check(folder: Folder) -> Hits:
    table = catalog.options()
    for entry in folder.properties.effective():
        option = table.options.get(entry.name) if entry.key not in table.server_keys else None
        known = option or table.server_keys.get(entry.key)
        kind = known.kind if known else None
        value = entry.value.strip()
        if kind not in ("int", "degree") or not value or entry.number is not None:
            continue
        if kind == "degree" and value == "max" and folder.release >= _MAX_SINCE:
            continue
        own = folder.own
        if option and option.reader == "handler" and not folder.built_in and not (own and own.makes_number(entry.name)):
            continue
        message = f"`{entry.written}` is `{short(value)}`, not a whole number"
        if option and entry.name in WARNED_OF:
            yield Hit(entry, f"{message}: the server takes its default", severity=Severity.WARNING)
        else:
            yield Hit(entry, message)
