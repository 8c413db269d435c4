"""`inf2lab drill` and `inf2lab explain` as a person types them, Ctrl-C included."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner, Result

from inf2lab.cli import app
from inf2lab.drills import DRILLS
from inf2lab.serving import left_over

LOG = """\
INFO  ModelServer BOTH API bind to: http://127.0.0.1:8080
WARN  PyProcess W-12-opt13b-stderr: KeyError: 'seq_length'
"""


def run(*words: str | Path, text: str | None = None) -> Result:
    """Run the command in this process, with `text` as its standard input."""
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, [str(word) for word in words], input=text)


def test_the_list_names_every_drill() -> None:
    result = run("drill", "--list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == list(DRILLS)


def test_a_drill_shows_symptom_cause_and_fix_and_leaves_nothing(logs: Path) -> None:
    result = run("drill", "entry-point-of-another-release")
    assert result.exit_code == 0, result.output
    for text in ("No module named 'djl_python.transformers-neuronx'", "cause\n", "fix\n", "PASS  as written"):
        assert text in result.stdout
    assert [path for path in logs.rglob("*") if path.is_file()] == []


@pytest.mark.thorough
def test_several_drills_are_a_line_each_and_a_sum() -> None:
    result = run("drill", "predict-timeout", "crash-in-the-handler")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["PASS", "PASS"]
    assert lines[2] == "2 PASS, 0 SKIP, 0 FAIL"


def test_what_could_not_run_is_one_sentence_and_code_2() -> None:
    for words in (["drill"], ["drill", "no-such-drill"], ["explain", "no-such-file"]):
        result = run(*words)
        assert result.exit_code == 2
        assert result.stderr.startswith("inf2lab: ")
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGINT, id="SIGINT"), pytest.param(signal.SIGTERM, id="SIGTERM", marks=pytest.mark.thorough)],
)
def test_an_interrupted_drill_leaves_nothing(number: signal.Signals, logs: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "inf2lab.cli", "drill", "predict-timeout", "load-timeout"],
        env={**os.environ, "INF2LAB_LOGS": str(logs), "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while not (ready := "API bind to" in "".join(p.read_text() for p in logs.glob("*/console.log"))):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert ready
        process.send_signal(number)
        assert process.wait(30) not in (0, None)
    finally:
        process.kill()
        process.wait()
    assert left_over() == []
    assert [path for path in logs.rglob("*") if path.is_file()] == []
    assert list(scratch.iterdir()) == []
    assert not psutil.pid_exists(process.pid)


def test_explain_reads_what_is_piped_in() -> None:
    result = run("explain", text=LOG)
    assert result.exit_code == 1
    assert "input, line 2: The body of another handler" in result.stdout
    assert "inf2lab drill wrong-schema" in result.stdout


def test_a_line_of_a_log_stays_as_it_is() -> None:
    """`model.py:100:` came out with a picture of a hundred."""
    assert "ValueError: model.py:100: [b]bad[/b]" in run("explain", text="ValueError: model.py:100: [b]bad[/b]").stdout


def test_explain_reads_a_file_and_finds_nothing_in_a_clean_one(tmp_path: Path) -> None:
    clean = tmp_path / "serving.log"
    clean.write_text(LOG.splitlines()[0])
    result = run("explain", clean)
    assert (result.exit_code, result.stdout) == (0, f"{clean}: nothing that is known to go wrong in 1 line\n")


def test_explain_as_json_has_every_part() -> None:
    (match,) = json.loads(run("explain", "--json", text=LOG).stdout)
    assert match["name"] == "wrong-schema"
    assert match["line_number"] == 2
    assert set(match) == {
        *("name", "title", "line_number", "line", "times", "cause", "fix", "drill", "level", "component")
    }


@pytest.mark.thorough
def test_explain_without_a_log_reads_the_newest_one(logs: Path) -> None:
    command = [sys.executable, "-m", "inf2lab.cli", "explain"]

    def explain() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    nothing = explain()
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert "no server was started here" in nothing.stderr
    for age, name in ((100, "server-8080"), (0, "server-8081")):
        path = logs / name / "console.log"
        path.parent.mkdir(parents=True)
        path.write_text(LOG if age == 0 else "")
        os.utime(path, (time.time() - age, time.time() - age))
    found = explain()
    assert found.returncode == 1
    assert "server-8081/console.log, line 2: " in found.stdout


def test_a_long_log_is_a_sign_of_life_every_so_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """104 MB took half a minute without a word."""
    monkeypatch.setattr("inf2lab.cli.drills.TOLD", 1 << 20)
    log = tmp_path / "long.log"
    log.write_bytes(b"a line that says nothing\n" * 100_000)
    result = CliRunner().invoke(app, ["explain", str(log)])
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == ["inf2lab: read 1 MiB of the log", "inf2lab: read 2 MiB of the log"]
    assert "100,000 lines" in result.stdout or "100000 lines" in result.stdout
