"""A count of rows, cores, positions or seconds is less than 1."""

from inf2lab import catalog
from inf2lab.folder import Entry
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity
from inf2lab.lint.rules.values.not_a_number import WARNED_OF

NAME, SEVERITY = "number-below-one", Severity.ERROR
WHY = "Nothing can be compiled for no rows or no positions, and no request can be answered in no time."
CURE = "Write 1 or more."
BAD = "option.model_id=facebook/opt-13b\noption.n_positions=0\n"
GOOD = "option.model_id=facebook/opt-13b\noption.n_positions=128\n"
EXPECT = ["serving.properties:2 `option.n_positions` is 0: it must be 1 or more"]
MORE = [
    Example(
        bad="minWorkers=-1\noption.model_id=facebook/opt-13b\n",
        good="minWorkers=1\noption.model_id=facebook/opt-13b\n",
        expect=("serving.properties:1 `minWorkers` is -1: the load ends in `fromIndex = -1`",),
    )
]
_COUNTS = {
    "batch_size",
    "tensor_parallel_degree",
    "n_positions",
    "max_rolling_batch_size",
    "model_loading_timeout",
    "predict_timeout",
    "job_queue_size",
}


def check(folder: Folder) -> Hits:
    for entry in folder.properties.effective():
        if entry.name not in _COUNTS or (entry.name in WARNED_OF and entry.number == 0):
            continue  # a time-out of 0 is none that is set
        if entry.number is not None and entry.number < 1 and _is_read(entry, folder):
            yield Hit(entry, f"`{entry.written}` is {entry.number}: it must be 1 or more")
    least = folder.limit("minWorkers")
    if least and folder.workers_a_group[0] < 0:
        yield Hit(least, f"`{least.written}` is {least.number}: the load ends in `fromIndex = {least.number}`")


def _is_read(entry: Entry, folder: Folder) -> bool:
    """Whether somebody reads it: the server, or the handler that serves."""
    option = catalog.options().options.get(entry.name) if entry.key not in catalog.options().server_keys else None
    if option is None or option.reader != "handler" or folder.own is None:
        return True
    return folder.own.reads(entry.name)
