"""inf2lab.drills: every failure is really caused, looks as it is written, is explained from its log, leaves nothing."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from inf2lab import Server, Settings, drills
from inf2lab.drills import DRILLS, Drill, Result, Scene, Sighting
from inf2lab.drills.act import Site
from inf2lab.drills.drill import Unavailable
from inf2lab.drills.folders import OBEDIENT
from inf2lab.drills.recorded import describe_seen
from inf2lab.drills.runner import compare
from inf2lab.errors import SettingsError
from inf2lab.folder.article import write_article
from inf2lab.serving import left_over
from tests.support.golden.launch import GOLDEN

ENGINE = {"engine": "Python"}
# Drills of one scene stand together, so that they share a server here as in `inf2lab drill --all`.
SCENES = list(dict.fromkeys(drill.scene for drill in DRILLS.values()))
# Each loads a model of its own, the last two with an interpreter of their own; the others hold what is claimed.
COSTLY = {
    "heads-not-divisible",
    "dtype-of-the-built-in-handler",
    "unknown-engine",
    "missing-model",
    "tokenizer-missing",
    "read-only-model-folder",
    "disk-full",
    "predict-timeout",
}
_results: dict[str, Result] = {}


def result_of(name: str) -> Result:
    """Run all drills of the scene of a drill, once, and return this one's result."""
    if name not in _results:
        scene = DRILLS[name].scene
        for result in drills.run(drill for drill in DRILLS.values() if drill.scene is scene):
            _results[result.drill.name] = result
    return _results[name]


def leftovers(site: Site) -> list[str]:
    """Return what is left of a site: processes, files, a listener. Empty once it is taken down."""
    there = [str(path) for path in (site.beside.parent, site.server.log_folder) if path.exists()]
    with socket.socket() as probe:
        listens = probe.connect_ex(("127.0.0.1", site.settings.port)) == 0
    return [*left_over(), *there, *(["a listener"] if listens else [])]


@pytest.fixture(
    params=[pytest.param(name, marks=[pytest.mark.thorough] if name in COSTLY else []) for name in DRILLS], ids=str
)
def result(request: pytest.FixtureRequest) -> Result:
    """A drill that was run."""
    found = result_of(request.param)
    if found.unavailable:
        pytest.skip(found.unavailable)
    return found


def test_it_happens_as_it_is_written(result: Result) -> None:
    assert result.missing == (), f"{result.sighting.answer}\n{result.sighting.log}"
    assert result.verdict == "PASS"
    assert result.line


def test_it_looks_as_it_was_recorded(result: Result) -> None:
    """What docs/troubleshooting.md shows is what happens."""
    assert describe_seen(result) == drills.seen()[result.drill.name], (
        "run tools/pages/write_troubleshooting.py --record"
    )


def test_its_log_is_explained_by_it_alone(result: Result) -> None:
    """Where the log says nothing, what the terminal shows is explained."""
    sighting = result.sighting
    for text in (sighting.log if result.drill.log else sighting.answer, sighting.log + sighting.answer):
        assert [match.name for match in drills.explain(text)] == [result.drill.name]


def test_nothing_is_left(logs: Path) -> None:
    """Of a site on which a server ran: no process, no file, no listener."""
    with Site(Scene(ENGINE, OBEDIENT)) as site:
        site.start()
        assert len(leftovers(site)) >= 4
    assert leftovers(site) == []
    assert [path for path in logs.rglob("*") if path.is_file()] == []


def test_nothing_is_left_of_an_interrupted_drill(logs: Path) -> None:
    site = Site(Scene(ENGINE, OBEDIENT))

    def interrupted() -> None:
        with site:
            site.start(wait=False)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert leftovers(site) == []


def test_nothing_is_left_if_a_process_has_no_state_file_yet() -> None:
    with Site(Scene(ENGINE, OBEDIENT)) as site:
        site.start()
        for path in site.server.log_path.parents[1].glob("state/*.json"):
            path.unlink()
        assert left_over() != []
    assert left_over() == []


def test_another_server_of_the_clone_is_left_alone(echo, free_port: int) -> None:
    other = Server.start(Settings(port=free_port), echo.path, report=lambda _: None)
    try:
        (result,) = drills.run([DRILLS["port-taken"]])
        assert result.ok
        assert other.endpoint.ping().ok
    finally:
        other.stop()


def test_drills_that_share_a_scene_stand_together() -> None:
    scenes = [drill.scene for drill in DRILLS.values()]
    assert [scene for i, scene in enumerate(scenes) if i and scene is not scenes[i - 1]] == SCENES[1:]


def test_there_are_all_that_the_tutorial_promises() -> None:
    assert len(DRILLS) >= 20
    for name, drill in DRILLS.items():
        assert name == drill.name
        for text in (drill.title, drill.how, drill.cause, drill.fix, drill.chip):
            assert len(text) > 10, name


def test_something_else_than_is_written_is_no_pass() -> None:
    drill = DRILLS["wrong-schema"]
    result = compare(drill, Sighting("HTTP/1.1 200 OK", ""))
    assert (result.verdict, result.missing) == ("FAIL", (drill.answer, drill.log))
    assert result.line == ""


def test_a_machine_that_cannot_cause_it_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for name in ("disk-full", "read-only-model-folder"):
        (result,) = drills.run([DRILLS[name]])
        assert (result.verdict, result.unavailable) == (
            "SKIP",
            "needs Linux with `unshare`, to mount a disk for one process",
        )


@pytest.mark.thorough
def test_mounts_end_with_the_worker() -> None:
    before = Path("/proc/self/mounts").read_text() if sys.platform == "linux" else ""
    if result_of("disk-full").unavailable:
        pytest.skip(result_of("disk-full").unavailable)
    assert "inf2lab-" not in before
    assert "inf2lab-" not in Path("/proc/self/mounts").read_text()


def test_an_unknown_drill_is_refused_with_a_near_name() -> None:
    with pytest.raises(SettingsError, match=r"did you mean (?:.* or )?queue-full"):
        drills.find("queue-ful")


def _asked(server, bodies: list[object]) -> Iterator[int]:
    for body in bodies:
        yield server.endpoint.send(body).status


@pytest.mark.thorough
def test_a_clean_log_is_explained_by_nothing(tmp_path: Path, free_port: int) -> None:
    folder = write_article("model.py", tmp_path)
    server = Server.start(Settings(profile="seed-0.21", port=free_port), folder, report=lambda _: None)
    try:
        prompts = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]
        statuses = list(_asked(server, [{"seq_length": 20, "text": prompts}] * 3))
        server.endpoint.ping()
        server.endpoint.describe()
    finally:
        server.stop()
    assert statuses == [200] * 3
    text = server.log_path.read_text()
    assert "initialized." in text
    assert drills.explain(text) == []
    assert drills.newest_log() == server.log_path


def test_a_log_of_the_chip_is_explained_by_the_catalog() -> None:
    text = "INFO  a\nERROR TDRV NeuronCore(s) not available - Requested:nc2 Available:0\nINFO  b\n"
    (match,) = drills.explain(text)
    assert (match.name, match.line_number, match.times, match.drill) == ("cores-taken", 2, 1, False)
    assert "neuron-ls -a" in match.fix


def test_a_console_in_colours_is_read() -> None:
    text = "\x1b[33mWARN \x1b[m \x1b[92mPyProcess\x1b[m W-7-m-stderr: StopIteration\x1b[m\n"
    assert [match.name for match in drills.explain(text)] == ["n-positions-too-small"]


def test_logs_of_the_real_server_are_explained() -> None:
    """Recorded from DJLServing 0.25 itself: failures are named, and a log without one gives nothing."""
    known = {
        "badload": "unknown-exception",
        "importfail": "module-missing",
        "nomodelpy-entrypoint": "entry-file-missing",
        "dev-tp2-noomp": "number-expected",
        "portinuse": "two-servers-at-once",
        "loadtimeout": "load-timeout",
        "unkengine": "unknown-engine",
        "nomodelpy-noentry": "missing-handler",
    }
    seen = set()
    for line in (GOLDEN / "exchanges.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if not (log := record.get("log")):
            continue
        text = log if isinstance(log, str) else "\n".join(log)
        names = [match.name for match in drills.explain(text)]
        if record["scenario"] in known:
            assert names == [known[record["scenario"]]], record["scenario"]
            seen.add(record["scenario"])
        elif "Failed register workflow" in text:
            assert len(names) == 1, (record["scenario"], names)
        elif "Exception" not in text:
            assert names == [], record["scenario"]
    assert seen == set(known)


def test_two_failures_come_in_the_order_of_their_lines() -> None:
    first, second = result_of("wrong-schema").sighting.log, result_of("unequal-prompts").sighting.log
    names = [match.name for match in drills.explain(first + second + first)]
    assert names == ["wrong-schema", "unequal-prompts"]
    assert next(iter(drills.explain(first + second + first))).times == 2


@pytest.mark.thorough
def test_a_failing_act_takes_the_stage_down() -> None:
    seen: list[Site] = []

    def act(site: Site) -> Sighting:
        site.start()
        seen.append(site)
        raise ZeroDivisionError

    drill = _drill(act)
    with pytest.raises(ZeroDivisionError):
        list(drills.run([drill]))
    assert leftovers(seen[0]) == []


def test_a_scene_that_cannot_be_set_up_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(Scene({**ENGINE}, OBEDIENT, shell="true"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(Unavailable), site:
        pass
    assert leftovers(site) == []
    assert psutil.pid_exists(psutil.Process().pid)


def _drill(act: Callable[[Site], Sighting]) -> Drill:
    text = "nothing that matters here"
    return Drill("own", text, text, "x", text, text, text, Scene(ENGINE, OBEDIENT), act)
