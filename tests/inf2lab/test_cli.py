"""The inf2lab command: its help, its exit codes, and one sentence on stderr for whatever a person can mend."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from typer.testing import CliRunner, Result

from inf2lab.cli import app
from inf2lab.serving import Server, stop_everything
from inf2lab.serving.processes import MARK, owner
from inf2lab.serving.state import ServerState

if TYPE_CHECKING:
    from conftest import Listen, StartProcess, WriteFolder

    from inf2lab import ModelFolder

COMMANDS = [
    "doctor",
    "plan",
    "lint",
    "serve",
    "status",
    "logs",
    "stop",
    "call",
    "load",
    "fetch",
    "forget",
    "drill",
    "explain",
    "launch",
    "extend",
    "sweep",
    "prove",
    "migrate",
    "grade",
]


def run(*words: str | Path | int) -> Result:
    """Run the command in this process."""
    return CliRunner(env={"COLUMNS": "300", "NO_COLOR": "1"}).invoke(app, [str(word) for word in words])


@pytest.fixture
def served(free_port: int, echo: ModelFolder) -> Iterator[int]:
    """The port of a server that `inf2lab serve` started."""
    result = run("serve", echo.path, "--port", free_port)
    assert result.exit_code == 0, result.output
    yield free_port
    stop_everything(patience_s=5)


def recorded(port: int, folder: Path) -> ServerState:
    """What a state file says of a server that is gone."""
    return ServerState(
        pid=2**22 + 1,  # above what Linux hands out
        created=0,
        port=port,
        lane="rehearsal",
        profile="djl-0.25",
        instance="inf2.48xlarge",
        folder=str(folder),
        scratch=str(folder.parent / "scratch"),
        started="",
    )


def test_the_commands_are_these() -> None:
    registered = [command for group in app.registered_groups for command in group.typer_instance.registered_commands]
    assert [command.name or command.callback.__name__ for command in registered] == COMMANDS


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=lambda words: "".join(words))
def test_every_help_says_what_the_command_does(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output
    assert result.stderr == ""


def test_no_command_is_answered_with_the_help() -> None:
    result = run()
    assert result.exit_code == 2
    assert all(name in result.output for name in COMMANDS)


@pytest.mark.parametrize(
    "words",
    [
        ["serve", "models/nowhere"],
        ["serve", "models/nowhere", "--lane", "aws"],
        ["serve", "models/nowhere", "--profile", "djl-0.35"],
        ["serve", "models/nowhere", "--instance", "p4d.24xlarge"],
        ["serve", "models/nowhere", "--port", "0"],
        ["doctor", "--lane", "aws"],
        ["logs", "--port", "0"],
        ["call", "Hello", "--port", "9"],
    ],
    ids=" ".join,
)
def test_what_could_not_run_is_one_sentence_on_stderr_and_code_2(words: list[str]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("inf2lab: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["serve"], ["call"], ["nonsense"], ["serve", "x", "--port", "http"]])
def test_a_wrong_command_line_is_code_2(words: list[str]) -> None:
    assert run(*words).exit_code == 2


def test_a_missing_folder_says_who_writes_it(tmp_path: Path) -> None:
    assert "notebooks 03 and 04" in run("serve", tmp_path / "opt13b").stderr


def test_the_environment_sets_what_no_option_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INF2LAB_LANE", "aws")
    assert "lane='aws'" in run("doctor").stderr
    monkeypatch.setenv("INF2LAB_PORT", "70000")
    assert "port=70000" in run("doctor", "--lane", "inf2").stderr
    assert "port=0" in run("doctor", "--lane", "inf2", "--port", "0").stderr


def test_doctor_prints_a_line_a_finding_and_code_1_if_something_is_missing(
    clone: Path, cache: Path, free_port: int
) -> None:
    (clone / "requirements.txt").write_text(f"psutil=={psutil.__version__}\n")
    result = run("doctor", "--port", free_port)
    assert result.exit_code == 1
    assert "git checkout models" in result.stdout
    (clone / "models" / "tiny-opt").mkdir()
    (clone / "models" / "tiny-opt" / "model.safetensors").write_bytes(b"weights")
    result = run("doctor", "--port", free_port)
    assert result.exit_code == 0, result.output
    for subject in ("Python", "packages", "memory", "disk", f"port {free_port}", "DJL's worker"):
        assert subject in result.stdout


def test_nothing_was_started_is_no_failure() -> None:
    result = run("status")
    assert (result.exit_code, result.stdout) == (0, "no server was started here\n")
    result = run("stop")
    assert (result.exit_code, result.stdout) == (0, "0 stopped, 0 left\n")


def test_a_log_that_is_not_there_is_code_1(free_port: int) -> None:
    result = run("logs", "--port", free_port)
    assert result.exit_code == 1
    assert f"no log for port {free_port}" in result.stderr


def test_serve_status_call_logs_stop(served: int) -> None:
    result = run("status")
    assert result.exit_code == 0
    assert f"echo at http://127.0.0.1:{served}: ready (nc0 READY)" in result.stdout
    assert "console.log" in result.stdout
    for named in (["--model", "echo"], []):  # left out: what runs there
        result = run("call", "Hello,", "Welcome", *named, "--port", served)
        assert (result.exit_code, result.stdout) == (0, "[1] Hello,\n[2] Welcome\n")
    result = run("call", "[bold]ü", "--model", "echo", "--port", served, "--json")
    assert json.loads(result.stdout) == ["[bold]ü"]
    result = run("logs", "--port", served, "-n", 3)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 3)
    result = run("stop")
    assert result.exit_code == 0
    assert result.stdout.endswith("stopped, 0 left\n")
    assert run("status").stdout == "no server was started here\n"


@pytest.mark.thorough
def test_logs_can_be_followed_until_the_server_is_stopped(served: int, logs: Path) -> None:
    command = [sys.executable, "-m", "inf2lab.cli", "logs", "-f", "-n", "50", "--port", str(served)]
    environ = os.environ | {"INF2LAB_LOGS": str(logs), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("API bind to" in line for line in process.stdout)
        assert run("stop").exit_code == 0
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")


def test_ctrl_c_ends_the_following(served: int, logs: Path) -> None:
    command = [sys.executable, "-m", "inf2lab.cli", "logs", "-f", "-n", "50", "--port", str(served)]
    environ = os.environ | {"INF2LAB_LOGS": str(logs)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("API bind to" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")


@pytest.mark.thorough
def test_serve_shows_the_steps_and_the_address(free_port: int, echo: ModelFolder) -> None:
    result = run("serve", echo.path, "--port", free_port)
    stop_everything(patience_s=5)
    assert "model loaded" in result.stdout
    assert f"ready at http://127.0.0.1:{free_port}" in result.stdout


def test_who_interrupts_the_waiting_is_told_what_goes_on(echo: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "start", interrupted)
    result = run("serve", echo.path)
    assert (result.exit_code, "`inf2lab stop` ends it" in result.stdout) == (130, True)


def test_a_load_that_fails_is_code_2_and_status_code_1(free_port: int, write_folder: WriteFolder) -> None:
    folder = write_folder("bad", {"engine": "Python"}, handler="raise KeyError('fp16')\n")
    result = run("serve", folder.path, "--port", free_port)
    assert result.exit_code == 2
    assert "bad did not load: KeyError: 'fp16'" in result.stderr
    result = run("status")
    assert result.exit_code == 1
    assert f"bad at http://127.0.0.1:{free_port}: failed" in result.stdout
    assert "KeyError: 'fp16'" in result.stdout
    assert run("stop").exit_code == 0
    assert run("status").exit_code == 0


def test_a_port_in_use_is_code_2(free_port: int, echo: ModelFolder) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        result = run("serve", echo.path, "--port", free_port)
    assert result.exit_code == 2
    assert f"port {free_port} is taken by" in result.stderr


def test_the_chips_lane_without_the_chip_is_one_sentence(
    write_folder: WriteFolder, free_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INF2LAB_DEVICES", str(tmp_path))
    folder = write_folder("m", {"option.tensor_parallel_degree": 8})
    result = run("serve", folder.path, "--lane", "inf2", "--port", free_port)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "neuron0: degree 8 needs 4 Neuron devices, 0 are here" in result.stderr
    assert "use lane='rehearsal'" in result.stderr


def test_a_status_line_is_not_broken_by_a_narrow_terminal_nor_read_as_markup(
    logs: Path, free_port: int, tmp_path: Path
) -> None:
    recorded(free_port, tmp_path / "opt13b").write()
    console = logs / f"server-{free_port}" / "console.log"
    console.parent.mkdir(parents=True)
    detail = "ValueError: [red]prompts of 7 and 9 tokens: " + "long " * 40
    console.write_text(detail)
    result = CliRunner(env={"COLUMNS": "40"}).invoke(app, ["status"])
    assert result.exit_code == 1
    assert f"  {detail.strip()}\n" in result.stdout


def test_stop_ends_what_has_lost_its_state(start_process: StartProcess, tmp_path: Path) -> None:
    process = start_process(environment={MARK: owner()})
    result = run("stop")
    assert (result.exit_code, result.stdout) == (0, "1 stopped, 0 left\n")
    assert not process.is_running()


class _BuiltIn(BaseHTTPRequestHandler):
    """Answers as the built-in handler does: a list, and not the article's object; its text is what was asked."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps([{"generated_text": f"{self.path} {body}"}]).encode())

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def built_in(listen: Listen) -> int:
    """The port of something that answers as the built-in handler does."""
    return listen(_BuiltIn).server_port


def test_a_call_to_an_unknown_built_in_handler_is_one_sentence(built_in: int) -> None:
    result = run("call", "Hello", "--port", built_in)
    assert result.exit_code == 2
    assert "no `outputs`" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_call_asks_what_was_started_on_the_port_in_its_own_words(built_in: int, write_folder: WriteFolder) -> None:
    folder = write_folder("no_code", {"engine": "Python", "option.entryPoint": "djl_python.transformers_neuronx"})
    recorded(built_in, folder.path).write()
    result = run("call", "Hello", "--port", built_in, "--seq-length", 9)
    assert result.exit_code == 0, result.output
    asked = '/predictions/no_code {"inputs": ["Hello"], "parameters": {"max_new_tokens": 9}}'
    assert result.stdout == f"[1] {asked}\n"


def test_the_module_runs_as_a_program(logs: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "inf2lab.cli", "status"],
        env=os.environ | {"INF2LAB_LOGS": str(logs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "no server was started here\n", "")
