"""A model folder that loads at once and only waits: seven replicas of it fit on a laptop's two cores."""

from __future__ import annotations

from pathlib import Path

from inf2lab import paths
from inf2lab.folder import ModelFolder, write_properties

NAME = "light"
HANDLER = '''\
"""Answers after `wait_s`, or streams `tokens` words with `wait_s` before each."""

import time

from djl_python import Input, Output


def _words(count, wait_s):
    for number in range(count):
        time.sleep(wait_s)
        yield f"{number} "


def handle(inputs: Input):
    if inputs.is_empty():
        return None
    asked = inputs.get_as_json()
    if "tokens" in asked:
        words = _words(asked["tokens"], asked["wait_s"])
        return Output().add_stream_content(words, output_formatter=lambda word: word)
    time.sleep(asked.get("wait_s", 0))
    return Output().add_as_json({"outputs": asked["text"]})
'''


def light_folder(degree: int = 8, at: Path | None = None) -> ModelFolder:
    """Write and return the folder, at logs/ray/light unless told otherwise; `degree` is what a replica holds."""
    folder = ModelFolder(at or paths.logs() / "ray" / NAME)
    folder.path.mkdir(parents=True, exist_ok=True)
    write_properties(folder.properties_path, {"engine": "Python", "option.tensor_parallel_degree": degree})
    folder.handler_path.write_text(HANDLER)
    return folder
