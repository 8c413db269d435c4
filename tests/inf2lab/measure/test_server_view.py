"""The server's metrics logs: lines as DJL writes them, and those of a rehearsal under load."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from inf2lab import ModelFolder, Server, Settings, measure
from inf2lab.errors import MeasureError
from inf2lab.measure import Load, Mark, Target
from inf2lab.measure.server_view import Metric, read_metric, view_of
from inf2lab.serving import ModelServer, stop_everything
from inf2lab.serving.state import read_state, state_path

# Printed by DJL 0.25's own class (ai.djl:api:0.25.0, ai.djl.metric.Metric) behind the stamp of the server's log.
LINES = [
    "2026-11-23 05:11:04 djl-serving.Count:1|#Version:0.25.0",
    "2026-11-23 05:11:04 QueueTime.Microseconds:123|#Host:vm",
    "2026-11-23 05:11:05 ModelLatency.Microseconds:4567|#Model:opt13b",
    "2026-11-23 05:11:05 Response_2XX.Count:1|#Host:vm",
    "2026-11-23 05:11:05 QueueTime.Microseconds:2000|#Model:opt13b",
    "2026-11-23 05:11:06 RequestLatency.Microseconds:7000|#Model:opt13b",
    "2026-11-23 05:11:06 RESPONSE_4_XX.Count:1|#Host:vm",
    "2026-11-23 05:11:06 something else",
]


def test_a_line_of_djls_class_is_read() -> None:
    assert read_metric("x.Milliseconds:1.5|#Host:h,Model:m") == Metric("x", 1.5)
    assert read_metric("Response_2XX.Count:1") == Metric("Response_2XX", 1)
    assert read_metric(LINES[-1]) is None


def test_the_models_time_is_what_is_not_waiting() -> None:
    view = view_of(LINES)
    assert view.queue.ordered == pytest.approx((0.123, 2.0))
    assert view.model.ordered == pytest.approx((4.444, 5.0))
    assert view.responses == {"2XX": 1, "4XX": 1}


def test_only_what_comes_after_the_mark_is_read(tmp_path: Path) -> None:
    log = tmp_path / "server_metric.log"
    log.write_text("\n".join(LINES[:4]) + "\n")
    mark = Mark.here(tmp_path)
    with log.open("a") as file:
        file.write("\n".join(LINES[4:]) + "\n")
    assert mark.view().queue.ordered == (2.0,)
    log.write_text(LINES[1] + "\n")  # rotated: a new file
    assert mark.view().queue.ordered == pytest.approx((0.123,))


def test_a_server_without_such_a_log_is_said(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="/opt/djl/logs"):
        Mark.here(tmp_path).view()


SLOW = """\
import time
from djl_python import Input, Output


def handle(inputs: Input):
    if inputs.is_empty():
        return None
    time.sleep(0.05)
    return Output().add_as_json({"outputs": [text + " done" for text in inputs.get_as_json()["text"]]})
"""


@pytest.fixture
def slow(free_port: int, write_folder: object) -> Iterator[ModelServer]:
    folder = write_folder("slow", {"engine": "Python", "option.batch_size": 2}, handler=SLOW)  # type: ignore[operator]
    yield Server.start(Settings(port=free_port), folder.path, report=lambda line: None)
    stop_everything(patience_s=5)


def test_a_rehearsal_notes_waiting_and_working(slow: ModelServer) -> None:
    target = Target.of(slow)
    assert (target.kind, target.rows, target.lane, target.model) == ("article", 2, "rehearsal", "slow")
    assert target.metrics is not None
    mark = Mark.here(target.metrics)
    alone = measure.run(target, Load(requests=4, warm_up=0))
    assert alone.errors == {}
    view = mark.view()
    assert (view.queue.count, view.model.count, view.responses) == (4, 4, {"2XX": 4})
    assert 50 <= view.model.at(0) <= view.model.at(1) <= alone.latency.at(1)
    mark = Mark.here(target.metrics)
    crowd = measure.run(target, Load(clients=8, requests=16, warm_up=0))
    view = mark.view()
    assert view.queue.at(1) >= 50  # with one worker the last of eight waits for seven
    assert crowd.latency.at(1) >= view.queue.at(1)


def test_a_frozen_server_answers_late_and_goes_on(slow: ModelServer) -> None:
    target = Target.of(slow)
    with measure.freezing(slow, after_s=0, for_s=60):
        process = psutil.Process(read_state(state_path(slow.settings.port)).pid)
        while process.status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)
        assert measure.run(target, Load(requests=1, warm_up=0, timeout_s=0.2)).errors == {"timeout": 1}
    assert measure.run(target, Load(requests=2)).errors == {}
    with measure.freezing(slow, after_s=60, for_s=60):
        pass  # ends with the block, frozen or not
    assert slow.status().state == "ready"


STREAM = """\
import time
from djl_python import Input, Output


def words():
    for word in ("The", " volume", " is", " deleted"):
        time.sleep(0.05)
        yield word


def handle(inputs: Input):
    return None if inputs.is_empty() else Output().add_stream_content(words())
"""


def test_a_rehearsal_that_streams_has_first_and_next_tokens(free_port: int, write_folder: object) -> None:
    folder = write_folder("stream", {"engine": "Python"}, handler=STREAM)  # type: ignore[operator]
    server = Server.start(Settings(port=free_port), folder.path, report=lambda line: None)
    try:
        target = dataclasses.replace(Target.of(server), kind="builtin-stream")
        result = measure.run(target, Load(requests=3))
    finally:
        stop_everything(patience_s=5)
    assert result.errors == {}
    assert (result.first_token.count, result.between_tokens.count) == (3, 9)
    assert 50 <= result.first_token.at(0) <= result.latency.at(0)
    assert all(row.first_s + sum(row.gaps_s) >= 0.2 for row in result.rows)


@pytest.mark.parametrize(
    ("options", "handler", "kind"),
    [
        ({}, "pass\n", "article"),
        ({}, None, "builtin"),
        ({"option.enable_streaming": "true"}, None, "builtin-stream"),
        ({"option.enable_streaming": "false"}, None, "builtin"),
    ],
)
def test_the_kind_follows_from_the_folder(
    free_port: int, write_folder: object, options: dict[str, str], handler: str | None, kind: str
) -> None:
    folder = write_folder("kinds", {"engine": "Python", **options}, handler=handler)  # type: ignore[operator]
    assert Target.of(Server.of(Settings(port=free_port), folder.path)).kind == kind


@pytest.mark.parametrize(("options", "gathers"), [({}, 1), ({"batch_size": "4"}, 4), ({"option.batch_size": "4"}, 1)])
def test_a_server_that_gathers_requests_is_known(
    free_port: int, write_folder: object, options: dict[str, str], gathers: int
) -> None:
    folder = write_folder("gathers", {"engine": "Python", **options}, handler="pass\n")  # type: ignore[operator]
    assert Target.of(Server.of(Settings(port=free_port), folder.path)).gathers == gathers


@pytest.mark.parametrize(("stated", "degree"), [("2", 2), ("max", 24)])
def test_the_plan_is_that_of_the_folder(free_port: int, write_folder: object, stated: str, degree: int) -> None:
    options = {"option.model_id": "facebook/opt-30b", "option.tensor_parallel_degree": stated, "option.batch_size": 4}
    folder = write_folder("big", options)  # type: ignore[operator]
    request = measure.plan_of(Server.of(Settings(port=free_port), folder.path)).request
    assert (request.model.name, request.tensor_parallel_degree) == ("facebook/opt-30b", degree)
    assert request.batch_size == 4
    assert request.n_positions == 128  # the built-in handler's default, as the file is silent


def test_only_a_rehearsal_can_be_frozen(free_port: int) -> None:
    server = Server.of(Settings(port=free_port, lane="inf2"))
    with pytest.raises(MeasureError, match="docker pause"), measure.freezing(server, after_s=0, for_s=1):
        pass


def test_batches_are_served_one_after_the_other(free_port: int, write_folder: object) -> None:
    folder: ModelFolder = write_folder(  # type: ignore[operator]
        "slow", {"engine": "Python", "option.batch_size": 2}, handler=SLOW
    )
    before = folder.fingerprint()
    told: list[str] = []
    results = measure.sweep_batches(Settings(port=free_port), folder, [1, 3], Load(requests=2), report=told.append)
    assert [result.target.rows for result in results] == [1, 3]
    assert [result.errors for result in results] == [{}, {}]
    assert [line.split(":")[0] for line in told] == ["batch 1", "batch 3"]
    assert folder.fingerprint() == before
    assert stop_everything() == 0
