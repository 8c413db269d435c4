"""A log that cannot be written, or is full: no line is worth an answer, and none is kept for ever."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from rehearsal.server import logs
from rehearsal.server.logs import FILES, ServerLog
from rehearsal.server.workers.channel import Output

full = pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/full")


@full
def test_a_full_disk_under_the_logs_takes_no_answer(start, model, tmp_path):
    code = """
    import os
    def handle(inputs):
        if inputs.is_empty():
            return None
        if inputs.get_as_json() == "die":
            os._exit(3)
        return Output().add("ok")
    """
    model(tmp_path / "s", "m", code, "engine=Python\nminWorkers=1\nmaxWorkers=1\n")
    folder = tmp_path / "logs"
    folder.mkdir()
    for name in FILES.values():
        (folder / name).symlink_to("/dev/full")
    server = start(tmp_path / "s", "--log-dir", str(folder))
    assert [server.predict("m").status for _ in range(30)] == [200] * 30
    assert server.predict("m", "die").status == 503
    assert server.predict("m").status == 200
    assert server.send("GET", "/nothing").status == 404
    assert server.stop() == 143


@full
def test_a_full_disk_under_the_console_takes_no_answer_and_no_exit_code(start, model, tmp_path):
    model(tmp_path / "s", "m", None, "engine=Bogus\n")
    command = [sys.executable, "-m", "rehearsal.server", "-s", str(tmp_path / "s"), "--port", "0"]
    with open("/dev/full", "wb") as nowhere:
        done = subprocess.run(command, stdout=nowhere, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_what_a_full_disk_swallowed_is_told_once_there_is_room(monkeypatch, tmp_path):
    monkeypatch.setattr(logs.sys, "stdout", None)
    log = ServerLog(tmp_path)
    log.info("A", "first")
    room = [40]

    def write(fd, data, real=os.write):
        if room[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = data[: room[0]]
        room[0] -= len(part)
        return real(fd, part)

    monkeypatch.setattr(logs.os, "write", write)
    for line in ("second, which is too long to be written whole", "third", "fourth"):
        log.info("A", line)
    room[0] = 10**6
    log.info("A", "fifth")
    log.info("A", "sixth")
    lines = [line[28:] for line in (tmp_path / "serving.log").read_text().splitlines()]
    told = "Rehearsal - 3 lines are missing here: they could not be written"
    assert [lines[0], *lines[2:]] == ["A - first", told, "A - fifth", "A - sixth"]
    assert lines[1]
    assert "A - second, which is too long".startswith(lines[1])


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        ("Latency.Milliseconds:5.5|#Model:m,Host:x|1700000000", "Latency.Milliseconds:5.5|#Model:m,Host:x|1700000000"),
        (" Tokens.Count:7|#Model:m,bare,a:b:c", "Tokens.Count:7|#Model:m"),
        ("Tokens.Count:7|#bare", "Tokens.Count:7"),
        ("Tokens.Count:7", "Tokens.Count:7"),
        ("Tokens:7", "null"),
        ("Tokens.Count:7|#Model:m|#1700000000", "null"),
        ("", "null"),
    ],
)
def test_a_metric_of_a_handler_is_written_as_it_was_read(printed, kept, tmp_path):
    """As ai.djl.metric.Metric of 0.25 (asked 2026-11-29)."""
    ServerLog(tmp_path).model_metric(printed)
    assert (tmp_path / "model_metric.log").read_text()[20:] == f"{kept}\n"


class Heard:
    pid = 0

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def heard(self, stream: str, line: str) -> None:
        self.lines.append((stream, line))


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        (["a\nb\r\nc"], ["a", "b", "c"]),
        (["10%\r", "20%\r30", "%\n"], ["10%", "20%", "30%"]),
        (["a\r", "\nb\n"], ["a", "b"]),
        (["a\n\nb\r\r\n"], ["a", "", "b", ""]),
        (["a\u2028b\u2029c\x85d\n"], ["a", "b", "c", "d"]),
        (["last\r"], ["last"]),
    ],
)
@pytest.mark.parametrize("size", [None, 1])
def test_a_workers_lines_end_where_javas_do(chunks, lines, size):
    """As the Scanner that reads a worker's output; a progress bar is a line for each step (asked 2026-11-29)."""
    worker = Heard()
    output = Output(worker)
    for data in (chunk.encode() for chunk in chunks):
        for at in range(0, len(data), size or len(data)):
            output.pipe_data_received(2, data[at : at + (size or len(data))])
    output.pipe_connection_lost(2, None)
    assert worker.lines == [("stderr", line) for line in lines]


def test_files_roll_at_their_size_and_five_are_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(logs, "ROLLED_AT", 1000)
    monkeypatch.setattr(logs.sys, "stdout", None)
    (tmp_path / "serving.log.note").write_text("a person's")
    log = ServerLog(tmp_path)
    for number in range(200):
        log.info("A", f"line {number}")
    log.close()
    names = sorted(path.name for path in tmp_path.glob("serving*"))
    assert names == ["serving.log", *(f"serving.log.{n}" for n in range(1, 6)), "serving.log.note"]
    kept = "".join((tmp_path / f"serving.log{end}").read_text() for end in (".2", ".1", ""))
    numbers = [int(line.split()[-1]) for line in kept.splitlines()]
    assert numbers == list(range(numbers[0], 200))
    assert all(path.stat().st_size <= 1000 for path in tmp_path.glob("serving.log*"))


SCRIPT = """
import sys
from pathlib import Path
from rehearsal.server import logs
logs.ROLLED_AT = 500
log = logs.ServerLog(Path(sys.argv[1]))
for number in range(200):
    log.info("A", f"line {number}")
print("a traceback", file=sys.stderr)
"""


@pytest.mark.parametrize(("name", "rolls"), [("console.log", True), ("mine.log", False)])
def test_only_a_console_in_the_folder_of_logs_is_rolled(name, rolls, tmp_path, root):
    path = tmp_path / name
    with path.open("wb") as output:
        command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
        environ = dict(os.environ) | {"PYTHONPATH": str(root / "lib")}
        subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environ, check=True)
    assert path.read_text().splitlines()[-2:] == ["INFO  A line 199", "a traceback"]
    assert path.with_name(f"{name}.5").exists() == rolls
    assert (path.stat().st_size < 600) == rolls


def test_a_closed_console_is_no_reason_to_stop(tmp_path, root):
    command = f"exec {sys.executable} -c 'from rehearsal.server.logs import ServerLog; ServerLog().info(1, 2)' >&-"
    environ = dict(os.environ) | {"PYTHONPATH": str(root / "lib")}
    assert subprocess.run(["sh", "-c", command], env=environ, check=False).returncode == 0
