"""`inf2lab load`: against any endpoint, against a server of the lab, its files and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from inf2lab import ModelFolder, Server, Settings
from inf2lab.cli import app
from inf2lab.serving import stop_everything

from .conftest import Reply, Serve, outputs


def run(*words: str | Path | int) -> Result:
    """Run the command in this process."""
    return CliRunner(env={"COLUMNS": "160", "NO_COLOR": "1"}).invoke(app, ["load", *map(str, words)])


def test_any_endpoint_is_measured(serve: Serve, tmp_path: Path) -> None:
    server = serve(lambda number, body: Reply(body=outputs("x")))
    files = [tmp_path / name for name in ("a.json", "a.csv", "a.html")]
    result = run(
        *("--url", f"{server.url}/x", "-n", 8, "--clients", 2),
        *("--json", files[0], "--csv", files[1], "--report", files[2]),
    )
    assert result.exit_code == 0, result.output
    assert "2 clients" in result.stdout
    assert "lane other" in result.stdout
    assert json.loads(files[0].read_text())["totalRequests"] == 8
    assert len(files[1].read_text().splitlines()) == 9
    assert files[2].with_suffix(".png").exists()


def test_a_sweep_writes_a_file_each(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    path = tmp_path / "sweep.json"
    result = run(
        "--url", server.url, "--kind", "raw", "-n", 3, "--clients", "1,2", "--json", path, "--csv", tmp_path / "s.csv"
    )
    assert result.exit_code == 0, result.output
    assert [one["concurrentClients"] for one in json.loads(path.read_text())] == [1, 2]
    assert len((tmp_path / "s-2.csv").read_text().splitlines()) == 1 + 2 * 3
    assert "inf2lab plan --rate 5 --curve" in result.output


def test_a_request_that_failed_is_code_1(serve: Serve) -> None:
    server = serve(lambda number, body: Reply(status=503 if number == 2 else 200))
    result = run("--url", server.url, "--kind", "raw", "-n", 4)
    assert result.exit_code == 1
    assert "1 x 503" in result.stdout


def test_an_open_loop_by_rate(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "o.json"
    result = run("--url", serve().url, "--kind", "raw", "--rate", 50, "-t", 0.5, "--arrivals", "even", "--json", path)
    assert result.exit_code == 0, result.output
    found = json.loads(path.read_text())
    assert (found["totalRequests"], found["inf2lab"]["loop"]) == (25, "open")


@pytest.mark.parametrize(
    "words",
    [
        ["--port", "1"],
        ["--url", "nowhere"],
        ["--url", "http://127.0.0.1:9/", "-n", "1"],
        ["--url", "http://127.0.0.1:9/", "-n", "1", "-t", "1"],
        ["--url", "http://127.0.0.1:9/", "--clients", "two"],
        ["--url", "http://127.0.0.1:9/", "--clients", "0"],
        ["--url", "http://127.0.0.1:9/", "--kind", "grpc"],
        ["--url", "http://127.0.0.1:9/", "--prompt-tokens", "10"],
        ["--url", "http://127.0.0.1:9/", "--prompts", "/nowhere/prompts.txt"],
    ],
    ids=" ".join,
)
def test_what_could_not_run_is_one_sentence_on_stderr_and_code_2(words: list[str]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith("inf2lab: ")
    assert result.stderr.count("\n") == 1


def test_aiperfs_command_is_printed_and_nothing_sent(serve: Serve) -> None:
    server = serve()
    result = run("--url", server.url, "-n", 3, "--aiperf")
    assert result.exit_code == 0
    assert result.stdout.startswith("aiperf profile ")
    assert server.bodies == []


@pytest.mark.thorough
def test_the_labs_own_server_is_known_by_its_folder(free_port: int, echo: ModelFolder, tmp_path: Path) -> None:
    Server.start(Settings(port=free_port), echo.path, report=lambda line: None)
    try:
        result = run("--port", free_port, "-n", 3, "--report", tmp_path / "r.html")
    finally:
        stop_everything(patience_s=5)
    assert result.exit_code == 0, result.output
    assert "lane rehearsal" in result.stdout
    assert "the server: waiting p50" in result.stdout
    page = (tmp_path / "r.html").read_text()
    assert "What the server noted" in page
    assert "THE CHIP: planned and published" in page
