"""`batch_size` without `option.` makes the server merge requests; it is not the compiled batch."""

from inf2lab.lint.examples import OLD_OPT_1_3B, OPT_1_3B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short
from inf2lab.words import plural

NAME, SEVERITY = "batch-size-of-the-server", Severity.WARNING
WHY = (
    "The server's batch_size collects requests of several clients into one call. Up to 0.23.0 the Neuron handlers "
    "cannot take such a call apart, and in 0.22.1 the plain key even overwrites `option.batch_size` in the handler. "
    "From 0.24.0 on they can; without `option.batch_size` the model is compiled for as many rows, as DJL's own tests "
    "have it, and only a smaller `option.batch_size` beside it is a fault."
)
CURE = "Write `option.batch_size` for the rows of the model, and at most as much for the server's batch_size."
BAD = OPT_1_3B + "option.batch_size=2\nbatch_size=4\n"
GOOD = OPT_1_3B + "batch_size=4\n"
EXPECT = ["serving.properties:4 the server merges up to 4 requests, and the model is compiled for 2 rows"]
MORE = [
    Example(
        bad=OPT_1_3B + "option.batch_size=2\nmax_dynamic_batch_size=4\n",
        good=OPT_1_3B + "max_dynamic_batch_size=4\n",
        expect=("serving.properties:4 the server merges up to 4 requests, and the model is compiled for 2 rows",),
        profile="djl-0.29",
    ),
    Example(
        bad=OLD_OPT_1_3B + "batch_size=4\n",
        good=OLD_OPT_1_3B + "option.batch_size=4\n",
        expect=(
            ("serving.properties:3 the server merges up to 4 requests, which the handler of 0.21.0 cannot take apart"),
        ),
        profile="seed-0.21",
    ),
    Example(
        bad=(
            "option.entryPoint=djl_python.transformers-neuronx\noption.model_id=facebook/opt-1.3b\n"
            "option.batch_size=2\nbatch_size=4\n"
        ),
        good=(
            "option.entryPoint=djl_python.transformers-neuronx\noption.model_id=facebook/opt-1.3b\n"
            "option.batch_size=2\n"
        ),
        expect=("serving.properties:4 in 0.22.1 `batch_size` replaces `option.batch_size=2` in the handler",),
        profile="djl-0.22",
    ),
]
_TAKES_APART = (0, 24)  # the first release whose Neuron handler reads batched requests


def check(folder: Folder) -> Hits:
    entry, option = folder.gathers, folder.properties.last("option.batch_size")
    if entry is None or entry.number is None or entry.number < 2:
        return
    if folder.own and (folder.own.functions.keys() & {"get_batches"} or any(folder.own.calls_of("get_batches"))):
        return
    merged, release = f"the server merges up to {entry.number} requests", folder.profile.djl
    if folder.release[:2] == (0, 22) and option and option.number != entry.number and folder.built_in:
        was = f"`option.batch_size={short(option.value)}`"
        yield Hit(entry, f"in {release} `batch_size` replaces {was} in the handler")
    elif folder.built_in and folder.release < _TAKES_APART:
        severity = Severity.ERROR if folder.release < (0, 22) else None
        yield Hit(entry, f"{merged}, which the handler of {release} cannot take apart", severity=severity)
    elif (rows := folder.rows) is not None and rows < entry.number:
        yield Hit(entry, f"{merged}, and the model is compiled for {plural(rows, 'row')}")
