"""A model folder that loads at once and only waits, and its users: seven replicas of it fit on a laptop's two cores."""

import math
from pathlib import Path
from typing import Any

from inf2lab import paths
from inf2lab.errors import MeasureError
from inf2lab.folder import ModelFolder, write_properties
from inf2lab.measure import Load, Row, Target, Traffic, rows_of, run
from inf2lab.shapes import Ask, Shape

NAME = "light"
HANDLER = Path(__file__).with_name("light_model.py.txt")


def light_folder(degree: int = 8, at: Path | None = None) -> ModelFolder:
    """Write and return the folder, at logs/ray/light unless told otherwise; `degree` is what a replica holds."""
    folder = ModelFolder(at or paths.logs() / "ray" / NAME)
    folder.path.mkdir(parents=True, exist_ok=True)
    write_properties(folder.properties_path, {"engine": "Python", "option.tensor_parallel_degree": degree})
    folder.handler_path.write_bytes(HANDLER.read_bytes())
    return folder


def light_target(url: str, *, model: str = NAME, wait_s: float = 0.0, tokens: int = 0) -> Target:
    """Return the folder at a server: a text after `wait_s`, or a stream of `tokens` words, `wait_s` before each.

    A stream that is cut short counts as a failure, although its status is 200.
    """

    def body(ask: Ask) -> dict[str, Any]:
        return {"wait_s": wait_s} | ({"tokens": tokens} if tokens else {"text": ["hello"]})

    def whole(line: str) -> str:
        if len(line.split()) != tokens:
            raise ValueError(f"{len(line.split())} of {tokens} words")
        return line

    shape = Shape("light", "waits, and says what it was told", body, lambda answer: answer["outputs"])
    if tokens:
        shape = Shape("light", "words one by one", body, None, whole)
    return Target(url=f"{url}/predictions/{model}", kind="raw", own_shape=shape)


def users(target: Target, count: int, *, once: bool = False) -> Traffic:
    """Return users that ask again and again until the block ends; `once`: each asks one time only."""
    load = Load(clients=count, requests=count if once else None, seconds=None if once else math.inf, warm_up=0)
    return Traffic(target, load)


def rows_so_far(traffic: Traffic) -> list[Row]:
    """Return what users have asked until now, with its answers."""
    return list(rows_of(traffic.target, traffic.posts, list(traffic.samples)))


def p50_ms(target: Target, requests: int, *, warm_up: int = 20) -> float:
    """Return the median of requests that one user sends, one after the other, in ms; raises MeasureError."""
    found = run(target, Load(requests=requests, warm_up=warm_up))
    if found.errors:
        raise MeasureError(f"{sum(found.errors.values())} of {requests} requests to {target.url} failed")
    return found.latency.at(0.5) or 0.0
