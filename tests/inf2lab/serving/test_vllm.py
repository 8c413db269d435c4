"""The successor's rehearsal: a migrated folder is served, found, asked and stopped like any other.

A program of vLLM's shape plays it, with the real bridge before it; `make test-migrate` does the same with the real one.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import multiprocessing
import os
import platform
import runpy
import socket
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from inf2lab import Server, Settings
from inf2lab.errors import FolderError, LoadFailed, ServerError
from inf2lab.folder import Migrated
from inf2lab.serving import VllmServer, left_over, stop_everything
from inf2lab.serving.inside_files import INSIDE
from inf2lab.serving.vllm import on_cpu
from tests.support.played_vllm import MIGRATED, PROGRAM, program


@pytest.fixture
def environment(clone: Path) -> Path:
    """A clone with an environment of vLLM's shape."""
    program(clone / ".venv-migrate" / "bin" / "vllm", PROGRAM)
    program(clone / ".venv-migrate" / "bin" / "python", "#!{python}\n")
    (clone / ".venv-migrate" / ".set-up-1").touch()
    return clone


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder as `inf2lab migrate --out` writes it."""
    folder = tmp_path / "moved"
    folder.mkdir()
    (folder / "server.json").write_text(MIGRATED.text)
    return folder


@pytest.fixture
def settings(free_port: int) -> Iterator[Settings]:
    yield Settings(port=free_port)
    stop_everything()


def test_it_is_served_found_asked_and_stopped_like_any_other(environment: Path, out: Path, settings: Settings) -> None:
    said: list[str] = []
    server = Server.start(settings, out, report=said.append)
    assert isinstance(server, VllmServer)
    assert said[-1].endswith(f"ready at http://127.0.0.1:{settings.port}")
    again = Server.running(settings)
    assert (again.name, again.shape, again.status().state) == ("opt13b", "article", "ready")

    # The old client goes on: the article's request, through the bridge, sampled as the old handler did.
    (text,) = again.endpoint.generate(["one two"], seq_length=5)
    prompt, _, asked = text.partition(" {")
    expected = {
        "max_tokens": 3,
        "min_tokens": 3,
        "model": "opt13b",
        "prompt": ["one two"],
        "temperature": 1,
        "top_k": 50,
    }
    assert (prompt, json.loads("{" + asked)) == ("one two", expected)

    process = again.process()
    assert process is not None
    family = [process, *process.children(recursive=True)]
    assert len(family) == 2
    assert again.stop()
    assert not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert (left_over(), again.stop()) == ([], False)


def test_nothing_of_it_leaves_the_machine(environment: Path, out: Path, settings: Settings) -> None:
    server = Server.of(settings, out)
    words, variables = server.command(), server.environment()
    assert words[words.index("--host") + 1] == variables["VLLM_HOST_IP"] == "127.0.0.1"
    for name in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        assert variables[name] == "1", name


def test_a_processor_gets_the_chip_s_words_less_those_that_it_does_not_take() -> None:
    words = ["m", "--tensor-parallel-size", "8", "--num-gpu-blocks-override=2", "--dtype", "float16", "--port", "8080"]
    assert on_cpu(words) == ["m", "--dtype", "float16", "--enforce-eager"]


def test_why_it_did_not_start_is_said_with_the_log(environment: Path, out: Path, settings: Settings) -> None:
    broken = json.loads(MIGRATED.text) | {"words": ["broken"]}
    (out / "server.json").write_text(json.dumps(broken))
    with pytest.raises(LoadFailed, match=r"opt13b did not load: ValueError: Model architectures \['Nope'\] are not"):
        Server.start(settings, out, report=lambda line: None)


@pytest.mark.parametrize("interrupted", [False, True])
def test_without_vllm_s_environment_it_says_what_makes_it(
    clone: Path, out: Path, settings: Settings, interrupted: bool
) -> None:
    if interrupted:  # `make migrate-env`, before the last package
        program(clone / ".venv-migrate" / "bin" / "python", "#!{python}\n")
    with pytest.raises(ServerError, match=r"vLLM has .*not here, or not finished: `make migrate-env` makes"):
        Server.start(settings, out)


def test_a_target_that_vllm_serve_does_not_start_is_refused(environment: Path, out: Path, settings: Settings) -> None:
    (out / "server.json").write_text(json.dumps(json.loads(MIGRATED.text) | {"words": [], "target": "lmi-vllm"}))
    with pytest.raises(ServerError, match=r"lmi-vllm is not started by `vllm serve`: what stands for it here is"):
        Server.start(settings, out)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", "null", '"text"', "[" * 100_000),
        json.dumps({**json.loads(MIGRATED.text), "words": "vllm"}),
        json.dumps({**json.loads(MIGRATED.text), "words": [1]}),
        json.dumps({**json.loads(MIGRATED.text), "loading_s": -1}),
        json.dumps({**json.loads(MIGRATED.text), "loading_s": "600"}),
        json.dumps({**json.loads(MIGRATED.text), "sampling": None}),
        json.dumps({**json.loads(MIGRATED.text), "mounts": "./cache:/cache"}),
        json.dumps({**json.loads(MIGRATED.text), "devices": -1}),
        json.dumps({key: value for key, value in json.loads(MIGRATED.text).items() if key != "name"}),
    ],
)
def test_a_damaged_folder_is_refused_in_a_sentence(out: Path, text: str) -> None:
    (out / "server.json").write_text(text)
    with pytest.raises(FolderError, match=r"server.json.*is not what `inf2lab migrate --out` writes"):
        Migrated.read(out)


def test_what_stands_in_the_file_is_what_is_read(out: Path) -> None:
    assert Migrated.read(out) == MIGRATED
    assert Migrated.is_in(out)
    assert not Migrated.is_in(out.parent)


def test_a_lost_one_is_found_and_ended(environment: Path, out: Path, settings: Settings) -> None:
    server: Any = Server.start(settings, out, report=lambda line: None)
    process = server.process()
    os.kill(process.pid, 9)  # the front; its engine stays
    process.wait(10)
    assert left_over() != []
    stop_everything()
    assert left_over() == []


@pytest.fixture
def inside() -> Iterator[dict[str, Any]]:
    """What vLLM's Python reads first."""
    before = list(sys.meta_path)
    try:
        yield runpy.run_path(str(INSIDE / "sitecustomize.py"))
    finally:
        sys.meta_path[:] = before


def test_the_meeting_point_of_its_processes_is_on_loopback(inside: dict[str, Any]) -> None:
    """What vLLM's Python reads first gives PyTorch's store a socket of its own."""
    made = inside["on_loopback"](dict)
    given = made(host_name="127.0.0.1", port=0, is_master=True, world_size=1)
    with socket.socket(fileno=given.pop("master_listen_fd")) as listener:
        assert listener.getsockname() == ("127.0.0.1", given["port"])
    assert made(host_name="h", port=1, is_master=False) == {"host_name": "h", "port": 1, "is_master": False}


def test_a_module_is_changed_once_it_is_loaded(inside: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    inside["STEPS"]["this"] = lambda module: setattr(module, "s", module.s[:3])
    with contextlib.redirect_stdout(io.StringIO()):
        assert importlib.import_module("this").s == "Gur"


FORK = """
import os, socket, stat, sys
sys.path.insert(0, sys.argv[1])
import sitecustomize
port, other = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
child = os.fork()
if child == 0:
    sitecustomize.leave_the_port()
    os._exit([stat.S_ISSOCK(os.fstat(one.fileno()).st_mode) for one in (port, other)] != [False, True])
sys.exit(os.waitpid(child, 0)[1])
"""


def test_the_engine_is_a_fork_that_leaves_the_port_to_the_front() -> None:
    """Else a port whose front was killed would take requests that nobody answers, for as long as the engine lives."""
    subprocess.run([sys.executable, "-S", "-c", FORK, str(INSIDE)], check=True)


@pytest.mark.parametrize(("machine", "method"), [("x86_64", "fork"), ("aarch64", "spawn")])
def test_the_engine_is_started_anew_only_where_it_loads_other_libraries(
    inside: dict[str, Any], monkeypatch: pytest.MonkeyPatch, machine: str, method: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(os, "register_at_fork", lambda *, after_in_child: None)
    utils = types.SimpleNamespace(get_mp_context=lambda: multiprocessing.get_context("spawn"))
    inside["fork_the_engine"](utils)
    assert utils.get_mp_context().get_start_method() == method


def test_a_model_is_looked_at_without_another_process(inside: dict[str, Any]) -> None:
    registry = types.SimpleNamespace()
    inside["look_at_the_model_here"](registry)
    assert registry._run_in_subprocess(os.getpid) == os.getpid()
