"""A server is told to load a model by the name of its folder alone."""

import re
from collections.abc import Iterable, Iterator

from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "model-by-bare-name", Severity.ERROR
WHY = (
    "`load_models` and `-m` take NAME=URL or a path, with commas or blanks between. A bare name is a path from where "
    "the server was started, not a folder of the model store, and only ALL and NONE, alone, mean something else."
)
CURE = "Write NAME=file:///opt/ml/model/NAME/, or ALL."
BAD = {
    "serving.properties": OPT_1_3B,
    "run.sh": (
        "docker run -p 127.0.0.1:8080:8080 --device /dev/neuron0 -e SERVING_LOAD_MODELS=opt13b \\\n"
        "  -v $PWD:/opt/ml/model deepjavalibrary/djl-serving:0.25.0-pytorch-inf2\n"
    ),
}
GOOD = BAD | {"run.sh": BAD["run.sh"].replace("=opt13b", "=opt13b=file:///opt/ml/model/")}
EXPECT = ["run.sh:1 `opt13b` is read as a path: the start ends in `Invalid model url: opt13b`"]
MORE = [
    Example(
        bad=BAD | {"run.sh": BAD["run.sh"].replace("=opt13b", "=ALL,opt13b")},
        good=BAD | {"run.sh": BAD["run.sh"].replace("=opt13b", "=all")},
        expect=(
            "run.sh:1 `ALL` is read as a path: the start ends in `Invalid model url: ALL`",
            "run.sh:1 `opt13b` is read as a path: the start ends in `Invalid model url: opt13b`",
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
