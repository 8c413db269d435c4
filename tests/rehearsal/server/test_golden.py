"""A fast part of the replay of DJLServing's recorded exchanges; `python tools/replay_golden.py` does all of it."""

from __future__ import annotations

import pytest

from replay_golden import replay
from tests.support.golden.compare import compare, mask
from tests.support.golden.http import Answer
from tests.support.golden.launch import GOLDEN

FAST = ("main", "cors-maxsize", "dev-devnc", "logs")
RECORD = {
    "request": {"method": "GET", "path": "/models/m"},
    "response": {
        "status": 200,
        "reason": "OK",
        "headers": [["content-length", "7"]],
        "body": '"id": 7',
        "connection_after": "left open",
    },
}
ANSWER = Answer(200, "OK", (("content-length", "7"),), b'"id": 9', after="left open")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", FAST)
def test_recorded_exchanges(scenario):
    outcomes = replay(GOLDEN, only=(scenario,))
    assert outcomes
    assert [(o.name, o.differences) for o in outcomes if o.differences] == []


def test_the_comparison_sees_differences():
    assert compare(RECORD, ANSWER, "/m") == []
    for changed in (
        {"status": 201},
        {"reason": "Okay"},
        {"headers": (("Content-Length", "7"),)},
        {"body": b'"id": x'},
        {"after": "reset"},
    ):
        assert compare(RECORD, Answer(**{**_fields(ANSWER), **changed}), "/m"), changed


def test_masks_hide_only_what_changes():
    assert mask('"id": 7, "startTime": "now", "pid":12') == '"id": <id>, "startTime": "<time>", "pid":<pid>'
    assert mask("batchSize: 7") == "batchSize: 7"


def _fields(answer):
    return {name: getattr(answer, name) for name in answer.__dataclass_fields__}
