"""Command lines that nobody meant, in surroundings that nobody wants: one sentence and code 2, never a traceback."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from inf2lab.cli import app
from inf2lab.errors import LabError
from inf2lab.files import check_place, write_file
from tests.benchmarks import odd_commands
from tests.support.odd_commands import DEEP, HUGE, PROPERTIES, Odd, environment_of, faults, invocations

COUNT = 120
OPT = {
    "model_type": "opt",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "ffn_dim": 256,
    "vocab_size": 100,
    "max_position_embeddings": 64,
}
CURVE = {
    "totalRequests": 30,
    "failedRequests": 0,
    "concurrentClients": 1,
    "tps": 10.0,
    "averageLatency": 100.0,
    "p50Latency": 100.0,
    "p90Latency": 100.0,
    "p99Latency": 100.0,
}


def run(*words: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, [str(word) for word in words])


def refused(result: Result, said: str) -> None:
    """Assert that it is one sentence on stderr, which says so, and code 2."""
    assert result.exit_code == 2, (result.exception, result.output)
    assert result.stderr.startswith("inf2lab: ")
    assert result.stderr.count("\n") == 1, result.stderr
    assert said in result.stderr
    assert len(result.stderr) < 2500, "a long value is cut"


def started(
    tmp_path: Path, *words: str, stdout: int | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    code = "from inf2lab.cli import app; app()"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        env=environment_of(Odd(()), tmp_path) | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def test_odd_words_to_every_command_end_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short turn of tests/benchmarks/odd_commands.py, without commands that start or end a server."""
    for name, value in environment_of(Odd(()), tmp_path).items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    made = invocations(1, tmp_path / "files", bad_folders=[], in_process=True)
    wrong = []
    for odd in itertools.islice(made, COUNT):
        result = run(*odd.words)
        ended = result.exception is None or isinstance(result.exception, SystemExit)
        found = faults(odd, result.exit_code, result.stdout, result.stderr)
        if found or not ended:
            wrong.append(f"{odd}: {found} {result.exception!r}")
    assert wrong == []


def test_a_folder_is_gone_whatever_the_path_is(tmp_path: Path) -> None:
    """The shell that removes it looked for its helper on the PATH of the command, and said so in between."""
    ended = odd_commands.run(Odd(("doctor", "--lane", "inf2", ""), (("PATH", ""),), gone=True), tmp_path)
    assert ended.faults == ()
    assert ended.complained.count("\n") == 1, ended.complained


@pytest.mark.parametrize("words", [("plan", "--model"), ("plan",), ("lint",), ("scale", "kubernetes")], ids=" ".join)
def test_a_name_that_no_file_can_have_is_refused(words: tuple[str, ...]) -> None:
    refused(run(*words, "b" * 5000), "bbb")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "--devices", HUGE), "write device numbers"),
        (("plan", "--devices", "0,\u00b2"), "write device numbers"),
        (("scale", "ray", "--manifest", "--nodes", HUGE), "nodes="),
        (("load", "--clients", HUGE), "clients="),
        (("plan", "--rate", "nan"), "rate=nan"),
        (("prove", "--max-usd", "nan"), "must be above 0"),
        (("load", "--url", "http://127.0.0.1:9", "--rate", "nan"), "rate=nan"),
        (("load", "--url", "http://127.0.0.1:9", "--timeout", "nan"), "timeout_s=nan"),
        (("load", "--url", "http://127.0.0.1:9", "--timeout", "0"), "timeout_s=0"),
        (("load", "--url", "http://127.0.0.1:9", "--seconds", "inf"), "seconds=inf"),
        *(
            (("grade", "--seconds", seconds), f"seconds={float(seconds)}")
            for seconds in ("nan", "inf", "0", "-1", "1e30")
        ),
        (("load", "--url", "http://127.0.0.1:9", "--rate", "5", "-n", "9" * 30), "requests="),
        (("load", "--url", "http://127.0.0.1:9", "--rate", "1e300", "--seconds", "1"), "rate=1e+300"),
        (("load", "--url", "http://127.0.0.1:9", "--processes", "1000000"), "processes="),
        (("plan", "--rate", "1e400"), "rate=inf"),
        (("plan", "--rate", "5", "--p99", "9" * 400), "p99="),
        (("plan", "--rate", "5", "--spare", "9" * 400), "spare="),
        (("plan", "--batch", "9" * 400), "batch_size="),
        (("plan", "--input", "9" * 400), "input="),
        (("sweep", "--run", "x", "--region", ""), "check the region's name"),
    ],
    ids=lambda value: value[0][:8] if isinstance(value, tuple) else "",
)
def test_numbers_that_nothing_computes_with_are_refused(words: tuple[str, ...], said: str) -> None:
    refused(run(*words), said)


@pytest.mark.parametrize("degree", [HUGE, "-" + HUGE, "\u0662", "1e3", "2147483648"])
@pytest.mark.parametrize("words", [("plan",), ("scale", "kubernetes"), ("scale", "ray", "--manifest")], ids=" ".join)
def test_a_degree_that_is_no_number_is_refused(words: tuple[str, ...], degree: str, tmp_path: Path) -> None:
    write_file(tmp_path / "m" / "serving.properties", PROPERTIES.format(degree))
    refused(run(*words, tmp_path / "m"), "tensor_parallel_degree=")


@pytest.mark.parametrize(
    "value", [0, -64, "64", 64.5, True, [], {}, 10**400, 2**31], ids=lambda value: repr(value)[:12]
)
@pytest.mark.parametrize("key", [key for key in OPT if key != "model_type"])
def test_a_model_of_impossible_sizes_is_refused_with_key_and_value(key: str, value: object, tmp_path: Path) -> None:
    """hidden_size -64, "64" and 64.5 were taken without a word, and 0 heads were a division by zero."""
    write_file(tmp_path / "config.json", json.dumps(OPT | {key: value}))
    refused(run("plan", "--model", tmp_path), f"`{key}` is {ascii(value)[:40]}")


@pytest.mark.parametrize(
    "text",
    ["", DEEP, "[]", "1", "null", '{"model_type": []}', '{"model_type": null}', json.dumps(OPT).replace("64", "1e400")],
    ids=lambda text: text[:20] or "empty",
)
def test_what_is_no_configuration_is_refused(text: str, tmp_path: Path) -> None:
    write_file(tmp_path / "config.json", text)
    refused(run("plan", "--model", tmp_path), "config.json")


@pytest.mark.parametrize(
    "text",
    [
        *("", DEEP, "[]", "{}", "1", '"x"', "[1]", "[null]", json.dumps([CURVE | {"inf2lab": []}])),
        *(json.dumps([CURVE | {"tps": value}]) for value in (0, -1, None, "10", [], float("nan"), float("inf"), 1e300)),
        *(json.dumps([CURVE | {"averageLatency": value}]) for value in (0, -1, float("nan"), 1e300)),
        json.dumps([CURVE | {"failedRequests": "none"}]),
        json.dumps([CURVE | {"concurrentClients": "2"}]),
        json.dumps([CURVE | {"inf2lab": {"gathers": 10**9}}]),
    ],
    ids=lambda text: text[:60] or "empty",
)
def test_what_is_no_sweep_is_refused(text: str, tmp_path: Path) -> None:
    refused(run("plan", "--rate", "5", "--curve", write_file(tmp_path / "curve.json", text)), "curve=")


def test_a_manifest_of_text_refuses_a_file_that_is_none(tmp_path: Path) -> None:
    write_file(tmp_path / "m" / "serving.properties", PROPERTIES.format(2))
    write_file(tmp_path / "m" / "tokenizer.model", bytes(range(256)))
    refused(run("scale", "ray", "--manifest", tmp_path / "m"), "tokenizer.model: is no UTF-8 text")


def test_a_closed_input_and_an_endless_one_are_no_logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refused(run("explain", "/dev/zero"), "has no end")
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-c", "from inf2lab.cli import app; app()", "explain"],
        env=environment_of(Odd(()), tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


@pytest.mark.parametrize("content", [b"", b"{}", b"[", bytes(range(256)), DEEP.encode(), None], ids=repr)
def test_a_tokenizer_that_cannot_be_read_is_refused_before_anything_is_sent(
    content: bytes | None, tmp_path: Path
) -> None:
    """A folder without one took 15 s and a traceback."""
    place = tmp_path / "tokenizer.json"
    place.mkdir() if content is None else place.write_bytes(content)
    refused(run("load", "--url", "http://127.0.0.1:9", "--tokenizer", place), "tokenizer")


@pytest.mark.parametrize("words", [("status",), ("stop",), ("logs",), ("sweep",)], ids=" ".join)
@pytest.mark.parametrize("place", ["file/below", "file", "/proc/nowhere"])
def test_logs_that_cannot_be_kept_name_the_variable(
    words: tuple[str, ...], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INF2LAB_LOGS", str(tmp_path / place))
    refused(run(*words), "INF2LAB_LOGS")


@pytest.mark.parametrize("words", [("fetch", "smollm2-135m"), ("forget", "smollm2-135m"), ("doctor",)], ids=" ".join)
def test_a_cache_that_cannot_be_written_names_the_variable(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INF2LAB_CACHE", str(tmp_path / "file" / "below"))
    refused(run(*words), "INF2LAB_CACHE")


@pytest.mark.parametrize("words", [("doctor",), ("scale", "kubernetes")], ids=" ".join)
@pytest.mark.parametrize("place", ["missing", "file", "file/below", "n" * 5000])
def test_a_clone_that_is_not_there_names_the_variable(
    words: tuple[str, ...], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INF2LAB_ROOT", str(tmp_path / place))
    refused(run(*words), "INF2LAB_ROOT")


def test_a_working_folder_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    refused(run("scale", "kubernetes"), "the current folder is gone")


@pytest.mark.parametrize(
    "words",
    [("plan",), ("--help",), *(pytest.param(w, marks=pytest.mark.thorough) for w in (("drill", "--list"), ("prove",)))],
    ids=" ".join,
)
def test_an_output_that_is_full_is_one_sentence(words: tuple[str, ...], tmp_path: Path) -> None:
    """The interpreter's own complaint came after everything else, with code 120."""
    with Path("/dev/full").open("wb") as full:
        done = started(tmp_path, *words, stdout=full.fileno(), TERM="")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "No space left on device" in done.stderr


def test_letters_that_the_terminal_lacks_are_written_as_escapes(tmp_path: Path) -> None:
    write_file(tmp_path / "Name \u00e9" / "serving.properties", PROPERTIES.format(1))
    done = started(tmp_path, "lint", str(tmp_path / "Name \u00e9"), PYTHONIOENCODING="ascii", COLUMNS="0")
    assert done.returncode in (0, 1), done.stderr
    assert "\\xe9" in done.stdout


def test_figures_that_cannot_be_written_are_known_before_the_measurement(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    for option, place in (
        ("--json", tmp_path / "folder.json"),
        ("--report", Path("/proc/x.html")),
        ("--csv", "/dev/full/x"),
    ):
        refused(run("load", "--url", "http://127.0.0.1:9", option, place), "no file can be written there")


def test_a_full_disk_leaves_the_older_figures_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = write_file(tmp_path / "a.json", "older")
    write_file(Path("/dev/null"), "a device is written to, and stays one")
    assert Path("/dev/null").is_char_device()

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inf2lab.files.os.fsync", full)
    with pytest.raises(OSError, match=r"No space.*a\.json"):
        write_file(older, "newer")
    assert (older.read_text(), len(list(tmp_path.iterdir()))) == ("older", 1)


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    target = write_file(tmp_path / "target", "older")
    (tmp_path / "link").symlink_to(target)
    write_file(tmp_path / "link", "newer")
    assert ((tmp_path / "link").is_symlink(), target.read_text()) == (True, "newer")


def test_a_place_for_a_file_may_be_new_there_or_a_device(tmp_path: Path) -> None:
    for place in (tmp_path / "new" / "a", write_file(tmp_path / "b", ""), Path("/dev/null")):
        assert check_place(place) == place
    with pytest.raises(LabError, match="name another place"):
        check_place(tmp_path)


@pytest.mark.parametrize(
    "error", [MemoryError(), RecursionError("deep"), ZeroDivisionError("by zero"), ValueError("x\ny")]
)
def test_what_nobody_has_foreseen_is_one_sentence_too(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("inf2lab.planning.plan_for", fail)
    refused(run("plan"), type(error).__name__)


def test_a_fault_of_the_code_itself_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TypeError("ours")

    monkeypatch.setattr("inf2lab.planning.plan_for", fail)
    assert isinstance(run("plan").exception, TypeError)
