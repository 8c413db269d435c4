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
    )
]
_MAX_SINCE = (0, 24)  # `max` for the degree


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
        if option and option.reader == "handler" and not folder.built_in:
            continue
        yield Hit(entry, f"`{entry.written}` is `{short(value)}`, not a whole number")
