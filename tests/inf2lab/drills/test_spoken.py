"""inf2lab.drills.spoken: what stands before a line is seen through, and a log of any size is read in blocks."""

from __future__ import annotations

import io
import json
import random

import pytest

from inf2lab import drills
from inf2lab.drills import spoken
from inf2lab.drills.explainer import ENOUGH, Reader, explain_log
from inf2lab.drills.spoken import BLOCK, SAME, Log, bare

WORDS = "StopIteration"
LINE = (
    "[INFO ] PyProcess - W-80-model-stdout: 2023-Dec-04 23:55:34.{0:04} 492260:492606 request {0} answered in 345 ms\n"
)


@pytest.mark.parametrize(
    "prefix",
    [
        "WARN  PyProcess W-12-opt13b-stderr: ",
        "[WARN ] PyProcess - W-80-model-stderr: ",
        "\x1b[33mWARN \x1b[m \x1b[92mPyProcess\x1b[m W-7-m-stderr: ",
        "djl-1  | WARN  PyProcess W-12-opt13b-stderr: ",
        "[pod/opt13b-0/djl] WARN  PyProcess W-12-opt13b-stderr: ",
        "2024-05-01T10:00:00.123Z WARN  PyProcess W-12-opt13b-stderr: ",
        "2024-05-01T10:00:00.123456789Z stderr F WARN  PyProcess W-12-opt13b-stderr: ",
        "2024-05-01T10:00:00+00:00 AllTraffic/i-0abc123 [WARN ] PyProcess - W-80-model-stderr: ",
        "May  1 10:00:00 ip-10-0-0-1 docker[4242]: WARN  PyProcess W-12-opt13b-stderr: ",
        "INFO  PyProcess W-9-m-stdout: [1,0]<stderr>:ERROR::",
        "(RayWorker pid=77, ip=10.0.0.2) ",
        "2024-05-01 10:00:00,123 [WARN ] W-9000-bert_1.0-stderr MODEL_LOG - ",
        "ERROR 12-14 00:55:08 engine.py:366] ",
    ],
)
def test_what_stands_in_front_of_a_line_is_seen_through(prefix: str) -> None:
    assert [match.name for match in drills.explain(f"{prefix}{WORDS}\n")] == ["n-positions-too-small"]


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(
            {"log": f"WARN  PyProcess W-1-m-stderr: {WORDS}\n", "stream": "stderr", "time": "2024-05-01T10:00:00Z"}
        ),
        json.dumps(
            {"timestamp": 1714557600000, "message": f"W-1-m-stderr: {WORDS}", "logStreamName": "AllTraffic/i-0"}
        ),
        json.dumps(
            {"level": "ERROR", "message": f'Traceback (most recent call last):\n  File "x.py", line 1\n{WORDS}'}
        ),
        json.dumps({"events": [{"message": f"W-1-m-stderr: {WORDS}", "ingestionTime": 1}]}, indent=2),
    ],
)
def test_a_log_kept_as_json_is_read(line: str) -> None:
    assert [match.name for match in drills.explain(f"{line}\n")] == ["n-positions-too-small"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lines_end_as_on_windows_too(encoding: str) -> None:
    """PowerShell's `>` writes UTF-16 with CRLF."""
    found = explain_log(io.BytesIO(f"one\r\nW-1-m-stderr: {WORDS}\r\n".encode(encoding)))
    assert [(match.name, match.line_number) for match in found.matches] == [("n-positions-too-small", 2)]
    assert found.lines == 2


def test_a_traceback_keeps_its_indent() -> None:
    assert bare('W-1-m-stderr:   File "/a.py", line 3, in x') == '  File "/a.py", line 3, in x'


def log(size: int, *, at: int = 0, words: bytes = b"") -> io.BytesIO:
    """A healthy log of about `size` bytes, with a line of its own after the line number `at`."""
    lines, have = [], 0
    while have < size:
        lines.append(LINE.format(len(lines)).encode())
        have += len(lines[-1])
    lines[at:at] = [words + b"\n"] if words else []
    return io.BytesIO(b"".join(lines))


@pytest.mark.parametrize("at", [0, 7, 5000, 15000])
def test_a_line_is_found_wherever_it_stands_and_its_number_is_right(at: int) -> None:
    found = explain_log(log(8 * BLOCK, at=at, words=b"W-1-m-stderr: KeyError: (256, 4)"))
    assert [(match.name, match.line_number, match.times) for match in found.matches] == [
        ("batch-not-compiled", at + 1, 1)
    ]


def test_a_line_across_two_blocks_is_read_as_one() -> None:
    for shift in range(-30, 3):
        text = b"x" * (BLOCK + shift) + b"\nKeyError: (256, 4)\nend\n"
        assert [match.line_number for match in explain_log(io.BytesIO(text)).matches] == [2]


def test_of_a_large_log_a_few_blocks_are_held_and_hardly_a_line_is_looked_at() -> None:
    """Counts, not time: the work must not grow with the lines of a healthy log, nor the memory with its size."""
    reader = Reader()
    read = Log(log(16 * BLOCK), reader.words)
    for hit in read.hits():
        reader.read(hit)
    assert read.lines > 30_000
    assert read.held <= 2 * BLOCK
    assert read.found < read.lines / 1000
    assert reader.searches < 100


def test_of_the_same_failure_again_and_again_a_few_lines_a_block_are_read_and_all_are_counted() -> None:
    reader = Reader()
    text = b"WARN  PyProcess W-12-m-stderr: KeyError: (256, 4)\n" * 40_000
    read = Log(io.BytesIO(text), reader.words)
    for hit in read.hits():
        reader.read(hit)
    assert reader.searches <= 10 * SAME * (len(text) // BLOCK + 1)
    assert reader.found["batch-not-compiled"].times >= ENOUGH


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    read = Log(io.BytesIO(b"x" * (20 * BLOCK)), {b"sought"})
    assert list(read.hits()) == []
    assert read.held <= 5 * BLOCK


def test_random_bytes_are_no_failure_and_no_error() -> None:
    chance = random.Random(7)
    for _ in range(20):
        explain_log(io.BytesIO(chance.randbytes(20_000)))
    assert spoken.readings(b"\xff\xfe\x1b[") != []
