"""Exercise 03: a serving.properties from six sentences, read as the server reads it."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from inf2lab import lint
from inf2lab.folder import parse_properties
from inf2lab.grading.points import Given, Point
from inf2lab.settings import Settings

SETTINGS = Settings(profile="djl-0.25", instance="inf2.8xlarge")
_AGAIN = "read the six sentences again, then the key: the handler reads only keys that begin with `option.`"
# Each key: what it must be, and the claim and hint of it.
WANTED = {
    "engine": ("Python", "the server knows the engine", "notebook 03, the first line"),
    "option.entryPoint": (
        SETTINGS.stack.entry_point,
        "the built-in handler is named as 0.25 spells it",
        "the key has a capital letter; the name had three spellings",
    ),
    "option.model_id": ("facebook/opt-6.7b", "the model is the customer's", _AGAIN),
    "option.tensor_parallel_degree": ("2", "one copy takes both cores", _AGAIN),
    "option.batch_size": ("4", "a request may bring four prompts", _AGAIN),
    "option.n_positions": ("1024", "the longest text has room, and no more", _AGAIN),
    "option.dtype": (
        SETTINGS.stack.handler_dtype("f16"),
        "the number format is the built-in handler's word",
        "the handler and the library below it have different words for 16 bits",
    ),
    "option.model_loading_timeout": ("3600", "it may load for one hour", "in seconds"),
}


def errors_of(text: str, settings: Settings) -> list[str]:
    """Return what the linter finds in a folder of this one file that would stop the load."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "serving.properties").write_text(text, encoding="utf-8")
        return [str(finding) for finding in lint(Path(folder), settings).findings if finding.severity == "error"]


def judge(given: Given) -> Iterator[Point]:
    """Ask for each of the six sentences, and then for the linter's silence."""

    def read() -> dict[str, str]:
        return parse_properties(str(given["text"])).values()

    def says(key: str, value: str) -> bool:
        return read().get(key) == value

    for key, (value, claim, hint) in WANTED.items():
        yield Point(claim, partial(says, key, value), hint)
    yield Point(
        "the server collects no requests of several clients",
        lambda: "batch_size" not in read(),
        "`batch_size` and `option.batch_size` are two settings",
    )
    yield Point(
        "the linter finds no error", lambda: not errors_of(str(given["text"]), SETTINGS), "`inf2lab lint FOLDER`"
    )
