"""From a sweep of a real rehearsal server to replicas: its places and its time are found, whatever way it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from inf2lab import Server, Settings, measure
from inf2lab.cli import app
from inf2lab.planning import measured_pace, read_curve
from inf2lab.serving import stop_everything

if TYPE_CHECKING:
    from conftest import WriteFolder

HANDLER = """\
import time
from djl_python import Input, Output


def handle(inputs: Input):
    if inputs.is_empty():
        return None
    requests = len(inputs.get_batches())
    time.sleep(0.2)
    if requests == 1:
        return Output().add_as_json({"outputs": ["done"]})
    answers = Output()
    for number in range(requests):
        answers.add_as_json({"outputs": ["done"]}, key="data", batch_index=number)
    return answers
"""
WAYS = {
    "one after the other": ({}, 1, False),
    "three workers": ({"minWorkers": 3, "maxWorkers": 3}, 3, False),
    "four gathered": ({"batch_size": 4, "max_batch_delay": 100}, 4, True),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[dict[str, Any], int, bool]:
    return WAYS[request.param]


@pytest.fixture
def curve(way: tuple[dict[str, Any], int, bool], free_port: int, write_folder: WriteFolder, tmp_path: Path) -> Path:
    folder = write_folder("waits", {"engine": "Python", **way[0]}, handler=HANDLER)
    server = Server.start(Settings(port=free_port), folder.path, report=lambda line: None)
    try:
        results = measure.sweep(measure.Target.of(server), measure.Load(requests=3), (1, 8))
    finally:
        stop_everything(patience_s=5)
    file = tmp_path / "curve.json"
    file.write_text(json.dumps([result.as_dict() for result in results]))
    return file


def test_the_pace_is_that_of_the_server(curve: Path, way: tuple[dict[str, Any], int, bool]) -> None:
    _, servers, gathers = way
    found = measured_pace(read_curve(curve))
    assert (found.servers, found.gathers) == (servers, gathers)
    assert found.requests_per_s == pytest.approx(servers / 0.2, rel=0.25)  # slept, and a busy machine's own time
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(
        app, ["plan", "--rate", "40", "--p99", "5s", "--curve", str(curve), "--json"]
    )
    assert shown.exit_code == 0, shown.output
    scale = json.loads(shown.stdout)["scale"]
    assert scale["replicas"] > 40 / (servers / 0.2)
    assert scale["prediction"]["use"] <= 0.8
