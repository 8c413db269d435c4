"""The folders that drills serve: the article's handler or the built-in one, or a small one that needs no model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from inf2lab.folder.article import ARTICLE

ENGINE: Mapping[str, object] = MappingProxyType({"engine": "Python"})
# What the article writes beside its model.py, and for the built-in handler, in the words of 0.25.
OWN = {**ENGINE, "option.tensor_parallel_degree": 2, "option.batch_size": 2, "option.dtype": "f16"}
BUILT_IN = {
    **ENGINE,
    "option.entryPoint": "djl_python.transformers_neuronx",
    "option.model_id": "facebook/opt-13b",
    "option.tensor_parallel_degree": 2,
    "option.batch_size": 2,
    "option.n_positions": 128,
    "option.dtype": "fp16",
}
ARTICLES = ARTICLE["model.py"]["model.py"]

# Answers at once, or sleeps, waits for a file to go away, or dies, as the request asks.
OBEDIENT = """\
import os
import signal
import time

from djl_python import Input, Output

SLOW_START_S = 0


def wait_while_there_is(path):
    while os.path.exists(path):
        time.sleep(0.02)


def handle(inputs: Input):
    if inputs.is_empty():
        time.sleep(SLOW_START_S)
        wait_while_there_is(os.path.join(os.environ["TMPDIR"], "hold"))
        return None
    request = inputs.get_as_json()
    time.sleep(request.get("sleep_s", 0))
    wait_while_there_is(request.get("while_there_is", ""))
    if request.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    return Output().add_as_json({"outputs": request["text"]})
"""


def change(handler: str, old: str, new: str) -> str:
    """Return a handler with one text replaced; raises ValueError if it has no such text, once."""
    if handler.count(old) != 1:
        raise ValueError(f"{old!r} is {handler.count(old)} times in the handler: it must be there once")
    return handler.replace(old, new)
