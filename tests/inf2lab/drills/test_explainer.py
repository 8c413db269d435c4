"""inf2lab.drills.explainer: what is known of a log, in which order; and who raised what no row knows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inf2lab import catalog, drills
from inf2lab.drills.rules import by_name

RULES = list(by_name().values())
TAIL = """\
WARN  PyProcess W-1-m-stderr: Message: 'Failed invoke service.invoke_handler()'
ERROR ModelServer Failed register workflow
java.util.concurrent.CompletionException: ai.djl.serving.wlm.util.WlmException: Failed to start worker thread
\tat ai.djl.serving.workflow.Workflow.lambda$prepare$0(Workflow.java:92) ~[serving-0.25.0.jar:?]
Caused by: ai.djl.engine.EngineException: Failed to initialize model: prediction failure
"""
LIBRARY = """\
Traceback (most recent call last):
  File "/opt/ml/model/model.py", line 31, in load
    model = Thing.load()
  File "/usr/local/lib/python3.8/dist-packages/transformers_neuronx/base.py", line 88, in to_neuron
    self.setup()
ValueError: something that nobody has seen
"""


def names(text: str) -> list[str]:
    """The matches of a text, by name."""
    return [match.name for match in drills.explain(text)]


def test_every_alternative_of_a_pattern_has_a_word_by_which_it_is_found() -> None:
    """Without one a line would be passed over, however well the pattern fits."""
    for rule in RULES:
        assert rule.keys, rule.name
        for words in rule.keys:
            assert words, (rule.name, rule.pattern)
            assert words[0].strip(b"0123456789"), (rule.name, rule.pattern)


def test_a_rows_line_is_explained_by_the_row_alone() -> None:
    for row in (row for row in catalog.troubles().values() if row.line):
        covering = [drill.name for drill in drills.DRILLS.values() if row.id in drill.covers]
        found = names(row.line)
        assert len(found) == 1, (row.id, found)
        assert found[0] in (row.id, *covering), row.id


def test_a_cause_comes_before_what_follows_from_it_and_a_wrapper_is_not_told() -> None:
    text = (
        "AssertionError: Try to load with neff bytes as None, might due to compilation failure\n"
        "2024-08-13T08:26:13Z [F137] neuronx-cc was forcibly killed - insufficient system memory\n" + TAIL
    )
    assert names(text) == ["compiler-killed", "neff-bytes-none"]


def test_of_an_exception_that_no_row_knows_the_library_and_the_caller_are_named() -> None:
    (match,) = drills.explain(LIBRARY + TAIL)
    assert (match.name, match.level, match.line_number) == ("unknown-exception", "unknown", 6)
    assert match.line == "ValueError: something that nobody has seen"
    assert "transformers_neuronx" in match.cause
    assert "model.py, line 31" in match.fix
    assert "did not load" in match.title


@pytest.mark.parametrize(
    ("frames", "who"),
    [
        ('  File "/opt/ml/model/model.py", line 3, in handle\n', "your handler (model.py, line 3)"),
        ('  File "/tmp/.djl.ai/python/0.25.0/djl_python/service_loader.py", line 9, in x\n', "DJLServing's own Python"),
        ('  File "/usr/lib/python3.8/json/decoder.py", line 337, in decode\n', "no traceback here"),
        ("", "no traceback here"),
    ],
)
def test_the_last_frames_path_tells_whose_code_raised(frames: str, who: str) -> None:
    (match,) = drills.explain(f"Traceback (most recent call last):\n{frames}StrangeError: one of a kind\n")
    assert who in match.cause


def test_the_runtime_and_java_are_named_where_python_says_nothing() -> None:
    (match,) = drills.explain(
        "2024-Jan-01 00:00:00.000001  1:1  ERROR   NRT:nrt_frobnicate    Never seen before\n" + TAIL
    )
    assert "Neuron runtime" in match.cause
    (match,) = drills.explain("ERROR ModelServer Failed register workflow\nCaused by: java.lang.BogusException: x\n")
    assert "Java" in match.cause


@pytest.mark.parametrize(
    "name", ["requests.exceptions.HTTPError", "subprocess.CalledProcessError", "strange.StrangeError"]
)
def test_a_python_exception_with_its_module_is_no_java(name: str) -> None:
    (match,) = drills.explain(f"W-1-m-stderr: {name}: new\n{TAIL}")
    assert f"the library {name.partition('.')[0]}" in match.cause


@pytest.mark.parametrize(
    ("line", "who"),
    [
        ("Error from server (BadRequest): something new", "kubectl"),
        ("docker: Error response from daemon: something new", "the Docker engine"),
        ("An error occurred (Strange) when calling the InvokeEndpoint operation: new", "AWS"),
        ("terminate called after throwing an instance of 'Strange'", "native code"),
        ("panic: something new", "the program that printed it"),
    ],
)
def test_who_failed_is_told_of_programs_too_that_are_no_python(line: str, who: str) -> None:
    (match,) = drills.explain(f"one line\n{line}\n")
    assert (match.level, match.line_number) == ("unknown", 2)
    assert who in match.cause


def test_a_notebooks_traceback_is_read() -> None:
    text = "File ~/env/lib/python3.10/site-packages/strange/deep.py:105, in Thing.go(self)\n\nStrangeError: new\n"
    (match,) = drills.explain(text)
    assert "the library strange (strange/deep.py, line 105)" in match.cause


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("W-1-m-stderr: Arguments: (RuntimeError('no weights'),)\n" + TAIL, "Arguments: (RuntimeError('no weights'),)"),
        ("ERROR ModelServer Failed register workflow\nCaused by: java.lang.BogusError: x\n", "java.lang.BogusError: x"),
    ],
)
def test_the_last_words_are_shown_where_no_row_knows_them(text: str, line: str) -> None:
    (match,) = drills.explain(text)
    assert match.level == "unknown"
    assert match.line.endswith(line)


def test_a_harmless_line_is_named_and_hides_no_cause() -> None:
    harmless = "CCOM WARN OFI plugin initNet() failed is EFA enabled?\n"
    assert names(harmless) == ["efa-absent"]
    assert names(harmless + "KeyError: (256, 4)\n") == ["batch-not-compiled", "efa-absent"]


def test_two_workers_that_follow_each_other_on_a_core_are_no_two_workers_on_one() -> None:
    given = "INFO  Connection Set NEURON_RT_VISIBLE_CORES=0-1\n"
    taken = "ERROR NRT:nrt_allocate_neuron_cores NeuronCore(s) not available - Requested:nc0-nc1 Available:0\n"
    assert names(given + given + taken) == ["two-workers-one-core"]
    assert names(given + "INFO  PyProcess Stop process: 0:80, failure=true\n" + given + taken) == ["cores-taken"]
    assert names(given + given.replace("0-1", "2-3") + taken) == ["cores-taken"]


def test_a_long_line_is_shown_around_what_was_found_in_it() -> None:
    command = "RuntimeError: Failed compilation with ['neuronx-cc', " + "'--flag', " * 200 + "]: "
    (match,) = drills.explain(command + "Too many instructions after unroll for function sg0000 !")
    assert len(match.line) < 420
    assert "Too many instructions" in match.line


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "no trouble here\n", "INFO  ModelServer BOTH API bind to: http://127.0.0.1:8080\n", "\0" * 5000],
)
def test_nothing_is_made_of_nothing(text: str) -> None:
    assert drills.explain(text) == []


def test_a_page_gets_lines_broken_between_words_and_a_terminal_a_command_whole() -> None:
    fix = "First look. " * 9 + "`sudo apt-get install aws-neuronx-dkms=2.27.*` it is"
    match = replace(drills.explain(TAIL)[0], fix=fix)
    assert max(map(len, str(match).splitlines())) <= 100
    assert " ".join(str(match).split()) == " ".join(match.unfolded().split())
    assert f"  fix:   {fix}" in match.unfolded().splitlines()
