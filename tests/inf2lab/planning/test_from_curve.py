"""From a sweep of a real rehearsal server to replicas: its places and its time are found, whatever way it answers."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from inf2lab import Server, Settings, measure
from inf2lab.cli import app
from inf2lab.measure import client
from inf2lab.planning import read_curve
from inf2lab.planning.queue import measured_pace
from inf2lab.serving import stop_everything

if TYPE_CHECKING:
    from conftest import WriteFolder

ROUND_S = 0.2
HANDLER = """\
import os
import time
from djl_python import Input, Output


def handle(inputs: Input):
    if inputs.is_empty():
        return None
    running = os.path.join({place!r}, f"{{os.getpid()}}-{{time.monotonic_ns()}}")
    open(running, "w").close()
    while os.path.exists(running):
        time.sleep(0.005)
    requests = len(inputs.get_batches())
    if requests == 1:
        return Output().add_as_json({{"outputs": ["done"]}})
    answers = Output()
    for number in range(requests):
        answers.add_as_json({{"outputs": ["done"]}}, key="data", batch_index=number)
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


class Rounds:
    """The time of a server: a fifth of a second for each round, in which all calls of the handler end that run.

    So the figures are those of the server's own places, however fast the machine is.
    """

    def __init__(self, place: Path) -> None:
        self.place, self.now, self.calls, self.at_once = place, 0.0, 0, 1
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._play)

    def __enter__(self) -> Rounds:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _play(self) -> None:
        while not self._ended.wait(0.005):
            running = list(self.place.iterdir())
            if len(running) == self.at_once:
                self.now += ROUND_S
                self.calls += 1
                for call in running:
                    call.unlink()


@pytest.fixture
def curve(
    way: tuple[dict[str, Any], int, bool],
    free_port: int,
    write_folder: WriteFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    options, places, gathers = way
    place = tmp_path / "running"
    place.mkdir()
    folder = write_folder("waits", {"engine": "Python", **options}, handler=HANDLER.format(place=str(place)))
    server = Server.start(Settings(port=free_port), folder.path, report=lambda line: None)
    results = []
    try:
        with Rounds(place) as rounds:
            monkeypatch.setattr(client, "clock", lambda: rounds.now)
            for clients in (1, 6):
                rounds.at_once = 1 if gathers else min(clients, places)
                load = measure.Load(clients=clients, requests=4 * clients, warm_up=0)
                results.append(measure.run(measure.Target.of(server), load))
    finally:
        stop_everything(patience_s=5)
    if gathers:
        assert rounds.calls < 4 + 24  # some requests were answered together
    else:
        assert rounds.calls == 4 + 24 / places
    file = tmp_path / "curve.json"
    file.write_text(json.dumps([result.as_dict() for result in results]))
    return file


def test_the_pace_is_that_of_the_server(curve: Path, way: tuple[dict[str, Any], int, bool]) -> None:
    _, servers, gathers = way
    points = read_curve(curve)
    found = measured_pace(points)
    assert (found.servers, found.gathers) == (servers, gathers)
    assert found.requests_per_s == pytest.approx(points[-1]["tps"] if gathers else servers / ROUND_S, rel=1e-2)
    assert 1 / ROUND_S < found.requests_per_s + 0.01 < servers / ROUND_S + 0.1
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(
        app, ["plan", "--rate", "40", "--p99", "5s", "--curve", str(curve), "--json"]
    )
    assert shown.exit_code == 0, shown.output
    scale = json.loads(shown.stdout)["scale"]
    assert scale["replicas"] > 40 / (servers / ROUND_S)
    assert scale["prediction"]["use"] <= 0.8
