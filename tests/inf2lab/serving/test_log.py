"""inf2lab.serving's log reading, on lines in the shape that DJLServing 0.25 was recorded with."""

from __future__ import annotations

import queue
import shutil
import time
from pathlib import Path
from threading import Event, Thread

import pytest

from inf2lab.serving import log as reading

START = """\
INFO  ModelServer Starting djl-serving: 0.25.0 ...
INFO  ModelServer
Model server home: /opt/djl
Environment variables:
	HF_HOME: /opt/cache/stand-ins
	OMP_NUM_THREADS: 1
INFO  FolderScanPluginManager scanning for plugins...
INFO  ModelServer Found model opt13b=file:/opt/ml/model/opt13b/
INFO  ModelServer Initializing model: opt13b=file:/opt/ml/model/opt13b/
INFO  ModelInfo Apply per model settings:
	job_queue_size: 1000
	option.tensor_parallel_degree: 2
INFO  WorkerPool loading model opt13b (PENDING) on nc(0) ...
INFO  Connection Set NEURON_RT_VISIBLE_CORES=0-1
INFO  PyProcess Start process: 19000 - retry: 0
INFO  PyProcess W-7650-opt13b-stdout: 7650 - djl_python_engine started with args: ['--sock-type', 'unix']
INFO  PyProcess W-7650-opt13b-stdout: Python engine started.
"""
READY = """\
WARN  PyProcess W-7650-opt13b-stderr: PRINT to stderr
INFO  PyProcess Model [opt13b] initialized.
INFO  ModelServer Initialize BOTH server with: EpollServerSocketChannel.
INFO  ModelServer BOTH API bind to: http://127.0.0.1:18625
"""
# What the worker of 0.25.0 prints when a handler raises: its own logging call is malformed.
HANDLER_RAISED = """\
INFO  PyProcess W-13468-badload-stdout: Python engine started.
WARN  PyProcess W-13468-badload-stderr: --- Logging error ---
WARN  PyProcess W-13468-badload-stderr: Traceback (most recent call last):
WARN  PyProcess W-13468-badload-stderr:   File "/opt/ml/model/badload/model.py", line 4, in handle
WARN  PyProcess W-13468-badload-stderr:     raise RuntimeError("cannot load weights")
WARN  PyProcess W-13468-badload-stderr: RuntimeError: cannot load weights
WARN  PyProcess W-13468-badload-stderr:\x20
WARN  PyProcess W-13468-badload-stderr: During handling of the above exception, another exception occurred:
WARN  PyProcess W-13468-badload-stderr:\x20
WARN  PyProcess W-13468-badload-stderr: Traceback (most recent call last):
WARN  PyProcess W-13468-badload-stderr:     msg = msg % self.args
WARN  PyProcess W-13468-badload-stderr:           ~~~~^~~~~~~~~~~
WARN  PyProcess W-13468-badload-stderr: TypeError: not all arguments converted during string formatting
WARN  PyProcess W-13468-badload-stderr: Call stack:
WARN  PyProcess W-13468-badload-stderr: Message: 'Failed invoke service.invoke_handler()'
WARN  PyProcess W-13468-badload-stderr: Arguments: (RuntimeError('cannot load weights'),)
INFO  PyProcess Stop process: -1:13468, failure=true
INFO  PyProcess Failure count: 0
"""
JAVA_END = """\
ERROR ModelServer Failed register workflow
java.util.concurrent.CompletionException: ai.djl.engine.EngineException: Failed to initialize model: prediction failure
Caused by: ai.djl.engine.EngineException: Failed to initialize model: prediction failure
	... 1 more
INFO  ModelServer Stopping model server.
INFO  ModelServer BOTH listener stopped.
INFO  ModelServer Model server stopped.
"""
IMPORT_FAILED = """\
INFO  PyProcess W-15723-tnx-stdout: Python engine process died
INFO  PyProcess W-15723-tnx-stdout: Traceback (most recent call last):
INFO  PyProcess W-15723-tnx-stdout:     from transformers import AutoModelForCausalLM, AutoConfig, AutoTokenizer
INFO  PyProcess W-15723-tnx-stdout: ModuleNotFoundError: No module named 'transformers'
INFO  PyProcess W-15723-tnx-stdout: 15723 - Python process finished
WARN  PyProcess Process not started, waiting for process end ...
WARN  Connection Connection channel is null.
ERROR ModelServer Failed register workflow
java.util.concurrent.CompletionException: ai.djl.engine.EngineException: Failed to loaded model.
Caused by: ai.djl.engine.EngineException: Failed to loaded model.
	... 1 more
Caused by: java.lang.IllegalThreadStateException: Python stream closed unexpectedly, exit code: 1
	... 1 more
INFO  ModelServer Stopping model server.
"""
PORT_TAKEN = """\
INFO  PyProcess Model [echo] initialized.
INFO  ModelServer Model server stopped.
ERROR ModelServer Unexpected error
java.io.IOException: Failed to bind to address: http://127.0.0.1:18385
Caused by: io.netty.channel.unix.Errors$NativeIoException: bind(..) failed: Address already in use
"""
NO_DEVICE = """\
ERROR ModelServer Failed register workflow
java.util.concurrent.CompletionException: java.lang.IllegalStateException: No GPU device detected.
Caused by: java.lang.IllegalStateException: No GPU device detected.
	... 1 more
INFO  ModelServer Model server stopped.
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the test writes its log."""
    return tmp_path / "console.log"


def milestones(path: Path) -> list[str]:
    """The steps that the log shows now."""
    with reading.Steps(path) as steps:
        return steps.look()


def test_milestones_come_once_each_and_in_order(log: Path) -> None:
    log.write_text(START)
    loading = milestones(log)
    assert loading == ["model folder found", "worker process started", "the worker has imported the handler"]
    log.write_text(START + READY + READY)
    assert milestones(log) == [*loading, "model loaded", "port open"]


def test_a_growing_log_only_adds_milestones(log: Path) -> None:
    lines = (START + READY).splitlines(keepends=True)
    before: list[str] = []
    for end in range(len(lines) + 1):
        log.write_text("".join(lines[:end]))
        now = milestones(log)
        assert now[: len(before)] == before
        before = now
    assert len(before) == 5


def test_the_stand_ins_line_is_a_step_and_their_folder_in_the_environment_is_none(log: Path) -> None:
    said = "rehearsal: the words come from stand-in weights (OPT: hidden 256); the rules are facebook/opt-13b's"
    log.write_text(START)
    assert len(milestones(log)) == 3
    log.write_text(f"{START}INFO  PyProcess W-7650-opt13b-stdout: {said}\n")
    assert milestones(log)[3:] == ["stand-in weights speak, by the named model's rules"]


def test_a_log_that_is_not_there_has_no_steps_and_no_last_line(log: Path) -> None:
    assert milestones(log) == []
    assert reading.last_line(log) == ""
    assert reading.cause_of_failure(log) == "it left no log"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("INFO  PyProcess W-1-opt13b-stdout: loading layer 3", "loading layer 3"),
        ('WARN  PyProcess W-1-opt_13b-stderr:   File "x", line 1', '  File "x", line 1'),
        ("INFO  PyProcess Model [opt13b] initialized.", "PyProcess Model [opt13b] initialized."),
        ("ERROR ModelServer Failed register workflow", "ModelServer Failed register workflow"),
        ("2026-11-23 05:11:04 INFO  ModelServer BOTH API bind to: x", "ModelServer BOTH API bind to: x"),
        ("\x1b[32mINFO \x1b[m ModelServer Stopping", "ModelServer Stopping"),
        ("RuntimeError: cannot load weights", "RuntimeError: cannot load weights"),
        ("java.io.IOException: Failed to bind to", "java.io.IOException: Failed to bind to"),
        ("\tjob_queue_size: 1000", "\tjob_queue_size: 1000"),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ("", ""),
    ],
)
def test_a_line_loses_its_prefix_and_nothing_else(line: str, text: str) -> None:
    assert reading.plain(line) == text


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (START + HANDLER_RAISED + JAVA_END, "RuntimeError: cannot load weights"),
        (START + HANDLER_RAISED, "RuntimeError: cannot load weights"),
        (START + IMPORT_FAILED, "ModuleNotFoundError: No module named 'transformers'"),
        (START + PORT_TAKEN, "io.netty.channel.unix.Errors$NativeIoException: bind(..) failed: Address already in use"),
        (NO_DEVICE, "java.lang.IllegalStateException: No GPU device detected."),
        ("KeyError: 'fp16'\n", "KeyError: 'fp16'"),
        ("transformers_neuronx.Error: x\nStopIteration\n", "StopIteration"),
        (START, "Python engine started."),
        ("", ""),
        (
            START + HANDLER_RAISED + READY + "INFO  ModelServer BOTH API bind to: x\n" + JAVA_END,
            "RuntimeError: cannot load weights",
        ),
    ],
    ids=[
        "handler",
        "killed while it says so",
        "import",
        "port",
        "device",
        "key",
        "bare",
        "killed",
        "empty",
        "port opened all the same",
    ],
)
def test_the_cause_is_what_the_handler_or_the_server_ended_with(log: Path, text: str, cause: str) -> None:
    log.write_text(text)
    assert reading.cause_of_failure(log) == cause


def test_the_error_of_a_request_is_not_why_a_server_ended(log: Path) -> None:
    log.write_text(START + READY + HANDLER_RAISED)
    cause = reading.cause_of_failure(log)
    assert cause == "it was ready, then its process ended; last log line: 'PyProcess Failure count: 0'"


def test_the_rehearsals_own_end_names_the_handlers_exception(log: Path) -> None:
    own = "ERROR Rehearsal badload did not load: Failed to initialize model: prediction failure\n"
    trace = "Traceback (most recent call last):\n  File \"model.py\", line 4, in handle\nKeyError: 'fp16'\n"
    log.write_text(START + JAVA_END + own + trace)
    assert reading.cause_of_failure(log) == "KeyError: 'fp16'"


def test_the_last_line_is_the_last_that_says_something(log: Path) -> None:
    log.write_text("INFO  PyProcess Model [x] initialized.\n\n   \n")
    assert reading.last_line(log) == "PyProcess Model [x] initialized."


def test_bytes_that_are_no_text_do_not_stop_the_reading(log: Path) -> None:
    log.write_bytes(b"\xff\xfe rubbish\n" + START.encode())
    assert len(milestones(log)) == 3


def following(path: Path, *, lines: int = 10, patience_s: float = 0.3) -> tuple[queue.Queue[str | None], Event]:
    """What `follow` yields, from a thread (None at its end), and the event that is set when the server stops."""
    found: queue.Queue[str | None] = queue.Queue()
    stopped = Event()

    def read() -> None:
        for line in reading.follow(path, lines, lambda: not stopped.is_set(), patience_s=patience_s, poll_s=0.01):
            found.put(line)
        found.put(None)

    Thread(target=read, daemon=True).start()
    return found, stopped


def taken(found: queue.Queue[str | None], number: int) -> list[str | None]:
    """The next so many lines."""
    return [found.get(timeout=60) for _ in range(number)]


def test_following_begins_with_the_last_lines_and_ends_after_the_server(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text("one\ntwo\nthree\n")
    found, stopped = following(log, lines=2)
    assert taken(found, 2) == ["two", "three"]
    with log.open("ab") as file:
        for part in (b"fo", b"ur\n", b"\xc3\xa4 \xff\nfi"):
            file.write(part)
            file.flush()
    assert taken(found, 2) == ["four", "\u00e4 \ufffd"]
    stopped.set()
    assert taken(found, 2) == ["fi", None]


def test_following_waits_for_a_log_that_is_not_there_yet(tmp_path: Path) -> None:
    log = tmp_path / "server" / "console.log"
    found, stopped = following(log)
    log.parent.mkdir()
    log.write_text("begun\n")
    assert taken(found, 1) == ["begun"]
    stopped.set()
    assert taken(found, 1) == [None]


@pytest.mark.parametrize("how", ["rotated", "cut off", "deleted with its folder"])
def test_following_reads_a_new_log_from_its_start(tmp_path: Path, how: str) -> None:
    log = tmp_path / "server" / "console.log"
    log.parent.mkdir()
    log.write_text("old one\nold two\n")
    found, stopped = following(log)
    assert taken(found, 2) == ["old one", "old two"]
    if how == "rotated":
        with log.open("a") as file:
            file.write("old three\n")
        log.rename(log.with_suffix(".1"))
    elif how == "deleted with its folder":
        shutil.rmtree(log.parent)
        log.parent.mkdir()
    log.write_text("new\n")
    expected = ["old three", "new"] if how == "rotated" else ["new"]
    assert taken(found, len(expected)) == expected
    stopped.set()
    assert taken(found, 1) == [None]


def test_following_lives_through_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text("first\n")
    found, stopped = following(log, patience_s=60)
    assert taken(found, 1) == ["first"]
    stopped.set()
    log.unlink()
    time.sleep(0.1)
    log.write_text("second\n")
    stopped.clear()
    assert taken(found, 1) == ["second"]
    stopped.set()


def test_the_compiler_and_its_cache_are_steps_too(log: Path) -> None:
    wrapper = "INFO  PyProcess W-9-m-stdout: 2023-10-24 05:53:27.000203: 7 INFO ||NEURON_CC_WRAPPER||: "
    said = ("Call compiler with cmd: x", "Call compiler with cmd: y", "Using a cached neff at z")
    lines = [*(wrapper + words for words in said), "INFO  PyProcess Model [m] initialized."]
    log.write_text("\n".join(lines))
    assert milestones(log) == [
        "compiling for the chip: minutes, longer than everything else",
        "a compiled program is in the cache",
        "model loaded",
    ]


def test_the_runtime_s_refusal_is_no_loaded_model(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_text("RuntimeError: The PyTorch Neuron Runtime could not be initialized.\n")
    assert milestones(path) == []
    path.write_text("INFO  PyModel opt13b initialized.\n")
    assert milestones(path) == ["model loaded"]


def test_steps_are_read_on_and_never_twice(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    with reading.Steps(path) as steps:
        assert steps.look() == []
        path.write_text("INFO  PyProcess Start process: 19000 - retry: 0\n")
        assert steps.look() == ["worker process started"]
        with path.open("r+") as file:  # what was read is not looked at again: a worker may print for hours
            file.write("x" * 20)
        with path.open("a") as file:
            file.write("INFO  PyProcess Model [m] initialized.\n")
        path.rename(tmp_path / "console.log.1")
        path.write_text("INFO  ModelServer BOTH API bind to: http://127.0.0.1:1")
        assert steps.look() == ["worker process started", "model loaded", "port open"]


def test_lines_that_were_rolled_away_are_still_read(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    for name, text in (("console.log.2", "INFO  ModelServer BOTH API bind to: x\n"), ("console.log.1", "b\n")):
        (tmp_path / name).write_text(text)
    path.write_text("ValueError: of a request\nthe last\n")
    assert reading.read_lines(path)[1:] == ["b", "ValueError: of a request", "the last"]
    assert "was ready" in reading.cause_of_failure(path)
    assert reading.read_until(path, "last", start=10**6) == path.read_text()


def test_the_last_line_of_a_long_log_is_found_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_text("x" * 10**6 + "\nlast\n\n")
    assert reading.last_line(path) == "last"
