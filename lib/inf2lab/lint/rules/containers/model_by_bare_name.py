"""A server is told to load a model by the name of its folder alone."""

import re
from collections.abc import Iterable, Iterator

from inf2lab.lint.examples import served
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "model-by-bare-name", Severity.ERROR
WHY = (
    "`load_models` and `-m` take NAME=URL or a path, with commas or blanks between. A bare name is a path from where "
    "the server was started, not a folder of the model store, and only ALL and NONE, alone, mean something else."
)
CURE = "Write NAME=file:///opt/ml/model/NAME/, or ALL."
_TOLD = "-e SERVING_LOAD_MODELS={} -v $PWD:/opt/ml/model"
BAD = served(more=_TOLD.format("opt13b"))
GOOD = served(more=_TOLD.format("opt13b=file:///opt/ml/model/"))
EXPECT = ["run.sh:2 `opt13b` is read as a path: the start ends in `Invalid model url: opt13b`"]
MORE = [
    Example(
        bad=served(more=_TOLD.format("ALL,opt13b")),
        good=served(more=_TOLD.format("all")),
        expect=(
            "run.sh:2 `ALL` is read as a path: the start ends in `Invalid model url: ALL`",
            "run.sh:2 `opt13b` is read as a path: the start ends in `Invalid model url: opt13b`",
        ),
    )
]


def check(folder: Folder) -> Hits:
    entry = folder.server.last("load_models")
    if entry:
        yield from (Hit(entry, _message(name)) for name in _bare(entry.value))
    for run in (one for one in folder.containers if "djl" in one.image):
        told = {"SERVING_LOAD_MODELS": run.env.get("SERVING_LOAD_MODELS", ""), "-m": ",".join(_named(run.arguments))}
        for where, text in told.items():
            for name in _bare(text):
                yield Hit(run.command.at(where), _message(name))


def _message(name: str) -> str:
    return f"`{short(name)}` is read as a path: the start ends in `Invalid model url: {short(name)}`"


def _bare(text: str) -> list[str]:
    alone = text.upper() in ("ALL", "NONE")
    return [] if alone else [name for name in re.split("[, ]+", text) if re.fullmatch(r"[\w.-]+", name)]


def _named(words: Iterable[str]) -> Iterator[str]:
    """The words after -m or --models, up to the next flag."""
    counts = False
    for word in words:
        if word.startswith("-"):
            counts = word in ("-m", "--models")
        elif counts:
            yield word
