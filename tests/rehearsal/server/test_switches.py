"""Where the default differs from the original: one table drives the code, the README and the tests."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

import write_switches
from rehearsal.server import cli
from rehearsal.server.config import ServerConfig
from rehearsal.server.switches import Switch

HERE = Path(__file__).parent
ONE = "engine=Python\nminWorkers=1\nmaxWorkers=1\n"
BROKEN = """
import os
def texts():
    os._exit(1)
    yield
def handle(inputs):
    return None if inputs.is_empty() else Output().add_stream_content(texts())
"""
SERVER = HERE.parents[2] / "lib" / "rehearsal" / "server"


def text_of(paths: Iterable[Path]) -> str:
    return "\n".join(path.read_text() for path in paths)


def test_the_readme_shows_the_switches():
    readme = write_switches.README.read_text()
    assert readme == write_switches.readme(readme), "run tools/pages/write_switches.py"


@pytest.mark.parametrize("switch", Switch, ids=lambda switch: switch.name)
def test_the_server_asks_for_each_switch_and_a_test_names_it(switch):
    code = text_of(path for path in SERVER.rglob("*.py") if path.name != "switches.py")
    tests = text_of(HERE.glob("test_*.py"))
    asked, shown = re.search(rf"\bSwitch\.{switch.name}\b", code), re.search(rf"\b{switch.name}\b", tests)
    assert asked, "nothing in the server depends on it"
    assert shown, "no test says that it shows it"


@pytest.mark.parametrize(("argv", "on"), [([], ()), (["--strict", "off"], ()), (["--strict", "on"], Switch)])
def test_strict_means_all_switches_and_nothing_else(monkeypatch, argv, on):
    configs: list[ServerConfig] = []
    monkeypatch.setattr(cli, "serve", lambda config: configs.append(config) or 0)
    assert cli.main(argv) == 0
    assert configs[0].original == frozenset(on)
    assert "strict" not in vars(configs[0]), "nobody can ask for the mode as a whole"


@pytest.mark.parametrize(("mode", "starts"), [("off", b"HTTP/1.1 503 "), ("on", b"")])
def test_a_stream_that_ends_before_its_first_piece(start, model, tmp_path, mode, starts):
    """BROKEN_STREAM_DROPS, off and on."""
    model(tmp_path / "s", "broken", BROKEN, ONE)
    server = start(tmp_path / "s", "--strict", mode)
    with server.open() as client:
        client.sendall(b"POST /predictions/broken HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1")
        assert client.recv(13) == starts
