"""The successor's container on a real engine: what `inf2lab migrate` wrote is served, asked, loaded, found and ended.

The image's program is played; the line, the mounts, the bridge, the waiting and the ending are real.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inf2lab import Server, Settings, measure, migrate
from inf2lab.errors import LoadFailed
from inf2lab.serving import all_servers, docker, left_over, stop_everything
from inf2lab.serving.state import state_path
from tests.support.played_vllm import PROGRAM, program

if TYPE_CHECKING:
    from conftest import MakeSettings

Make = Callable[[], Settings]
pytestmark = pytest.mark.thorough


@pytest.fixture
def chosen(settings: MakeSettings, tmp_path: Path) -> Make:
    """Settings whose image has a program of vLLM's name and words."""
    program(tmp_path / "vllm", PROGRAM)
    return lambda: settings(also=f"-v {tmp_path}/vllm:/usr/local/bin/vllm:ro")


@pytest.fixture
def out(clone: Path) -> Path:
    """A folder of the built-in handler, migrated and written."""
    old = clone / "models" / "llama"
    old.mkdir()
    text = "engine=Python\noption.model_id=meta-llama/Llama-2-7b-hf\noption.tensor_parallel_degree=4\n"
    (old / "serving.properties").write_text(f"{text}option.dtype=bf16\noption.n_positions=512\n")
    migrate(old, to="vllm-nxdi").write(clone / "moved")
    return clone / "moved"


def test_it_lives_from_the_command_to_its_end(chosen: Make, out: Path) -> None:
    settings = chosen()
    said: list[str] = []
    server = Server.start(settings, out, report=said.append)
    assert said[0] == server.typed()
    assert said[-1].endswith(f"ready at {server.url}")
    found = Server.running(Settings(lane="inf2", port=settings.port))
    body = {"inputs": ["one two"], "parameters": {"max_new_tokens": 3, "do_sample": False}}
    (row,) = found.endpoint.send(body).json()
    asked = json.loads(row["generated_text"].removeprefix("one two "))
    assert (asked["model"], asked["max_tokens"], asked["temperature"]) == ("llama", 3, 0)
    result = measure.run(measure.Target.of(found, output_tokens=4), measure.Load(clients=2, requests=6))
    assert (len(result.good), result.errors) == (6, {})
    assert (out / "cache").is_dir(), "what the folder says is mounted from beside it"
    assert found.stop(patience_s=1)
    assert "Application startup complete." in "\n".join(found.logs(100)), "the log outlives the container"
    assert (left_over(), all_servers()) == ([], [])


def test_one_whose_state_is_lost_is_swept_by_its_label(chosen: Make, out: Path) -> None:
    settings = chosen()
    Server.start(settings, out, report=lambda line: None)
    state_path(settings.port).unlink()
    assert (len(left_over()), stop_everything(patience_s=1)) == (1, 1)
    assert docker.find("inf2lab-llama-vllm-nxdi") is None


def test_why_it_did_not_start_is_said_with_the_log(chosen: Make, out: Path) -> None:
    written = json.loads((out / "server.json").read_text())
    (out / "server.json").write_text(json.dumps(written | {"arguments": [*written["arguments"], "broken"]}))
    with pytest.raises(LoadFailed, match=r"llama did not load: ValueError: Model architectures \['Nope'\] are not"):
        Server.start(chosen(), out, report=lambda line: None)
    assert stop_everything(patience_s=1) == 0
