"""The successor's container: its `docker run` line word by word, and the whole of it on a played instance.

What Docker makes of the line is in tests/docker.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from inf2lab import Server, Settings, measure, migrate
from inf2lab.cli import app
from inf2lab.doctor import examine
from inf2lab.errors import EndpointError, FolderError, LoadFailed, ServerError
from inf2lab.serving import all_servers, left_over, stop_everything
from inf2lab.serving.successor import SuccessorServer
from tests.support.played_instance import NEW_DRIVER, PlayedInstance
from tests.support.played_vllm import MIGRATED

IMAGE = "registry.example/neuron/vllm:0.16.0"


@pytest.fixture
def out(clone: Path) -> Path:
    """A folder as `inf2lab migrate --out` writes it, with its weights."""
    folder = clone / "moved"
    (folder / "weights").mkdir(parents=True)
    (clone / "requirements.txt").touch()
    (folder / "server.json").write_text(MIGRATED.text)
    return folder


def written(out: Path, **changes: Any) -> Path:
    (out / "server.json").write_text(json.dumps(json.loads(MIGRATED.text) | changes))
    return out


def server(out: Path, **settings: Any) -> SuccessorServer:
    made = Server.of(Settings(lane="inf2", instance="inf2.8xlarge", **settings), out)
    assert isinstance(made, SuccessorServer)
    return made


def after(words: list[str], option: str) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words) if word == option]


def test_the_line_is_the_folder_s_own_with_the_lab_s_name_and_label_and_the_bridge(out: Path, logs: Path) -> None:
    words = server(out).command()
    assert words[:8] == ["docker", "run", "--detach", "--init", "--name", "inf2lab-opt13b-vllm-nxdi", "--restart", "no"]
    assert after(words, "--device") == ["/dev/neuron0"]
    assert after(words, "-p") == ["127.0.0.1:8080:8080"]
    assert after(words, "--cap-add") == ["SYS_ADMIN"]
    assert after(words, "--label") == [f"inf2lab.owner={logs}"]
    assert after(words, "-v") == [f"{out}/cache:/cache", f"{out}/weights:/model:ro", f"{out}/bridge:/bridge:ro"]
    said = dict(word.partition("=")[::2] for word in after(words, "-e"))
    assert said["PYTHONPATH"] == "/bridge"
    assert json.loads(said["BRIDGE_SAMPLING"]) == MIGRATED.sampling
    assert said["HF_TOKEN"] == "", "a secret by its name only"
    own = words.index("neuron/vllm:0.16.0")
    assert words[own + 1 :] == [*MIGRATED.arguments, "--middleware", "bridge.Bridge"]


def test_on_the_host_s_network_it_listens_on_loopback_at_the_port_that_was_asked_for(out: Path) -> None:
    words = server(out, network="host", port=9000).command()
    assert after(words, "--network") == ["host"]
    assert after(words, "-p") == []
    assert words[-4:] == ["--host", "127.0.0.1", "--port", "9000"], "what is said last holds"


def test_an_image_and_further_words_may_be_asked_for(out: Path) -> None:
    words = server(out, image=IMAGE, docker_options="--shm-size 8g").command()
    assert words[words.index(IMAGE) - 2 : words.index(IMAGE)] == ["--shm-size", "8g"]


def test_what_is_written_is_what_is_served(tmp_path: Path, clone: Path) -> None:
    """The container's words are those of command.sh, but for its name, its label and the bridge."""
    folder = tmp_path / "llama"
    folder.mkdir()
    text = "engine=Python\noption.model_id=meta-llama/Llama-2-7b-hf\noption.tensor_parallel_degree=2\n"
    (folder / "serving.properties").write_text(text)
    for to in ("vllm-nxdi", "optimum"):
        made = migrate(folder, to=to)
        made.write(tmp_path / to)
        words = server(tmp_path / to).command()
        script = made.command.replace(" \\\n ", "").split()
        for option in ("--cap-add", "-e"):
            ours = [word for word in after(words, option) if not word.startswith(("PYTHONPATH=", "BRIDGE_"))]
            assert ours == after(script, option), to
        assert words[words.index(made.state.image_name) + 1 :][: len(made.launch.arguments)] == list(
            made.launch.arguments
        )
        assert (tmp_path / to / "bridge" / "bridge.py").is_file()


def test_a_target_without_the_chip_is_left_to_its_own_script(out: Path) -> None:
    with pytest.raises(ServerError, match=r"lmi-vllm runs on no Neuron device: on its own machine `sh command.sh` in"):
        server(written(out, target="lmi-vllm", devices=0)).check()


def test_weights_that_are_not_there_are_named_before_docker_would_make_an_empty_folder(out: Path) -> None:
    (out / "weights").rmdir()
    with pytest.raises(ServerError, match=r"weights is not here: put the model's files there"):
        server(out).check()


def test_it_is_one_copy(out: Path) -> None:
    with pytest.raises(ServerError, match="one copy a server: start another one with --port and --first-device"):
        server(out, copies=2).check()


def test_too_few_devices_are_said_before_anything_starts(out: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("INF2LAB_DEVICES", str(tmp_path))
    with pytest.raises(ServerError, match=r"neuron0: vllm-nxdi needs 1 Neuron devices, 0 are here"):
        server(out).check()


# --- on a played instance, whose Docker refuses what a real one refuses


@pytest.fixture
def machine(tmp_path: Path) -> PlayedInstance:
    """An inf2.8xlarge that has the image."""
    return PlayedInstance.make(tmp_path / "machine", instance_type="inf2.8xlarge", pulled=[IMAGE])


@pytest.fixture
def there(machine: PlayedInstance, out: Path, monkeypatch: pytest.MonkeyPatch, free_port: int) -> Iterator[Settings]:
    """The settings of a start on it."""
    with machine.on_it(monkeypatch, free_port):
        yield Settings(lane="inf2", instance="inf2.8xlarge", port=free_port, image=IMAGE)
        stop_everything(patience_s=1)


def test_it_is_started_waited_for_found_asked_loaded_and_stopped_like_any_other(there: Settings, out: Path) -> None:
    said: list[str] = []
    started = Server.start(there, out, report=said.append)
    assert said[0] == started.typed()
    steps = [line.partition("s  ")[2] for line in said[1:]]
    assert steps[0] == "the engine loads the model"
    assert steps[-2:] == ["port open", f"ready at {started.url}"]
    again = Server.running(Settings(lane="inf2", port=there.port))
    assert (again.name, again.shape, again.status().state) == ("opt13b", "article", "ready")
    assert "Application startup complete." in again.logs()[-1]
    with pytest.raises(EndpointError, match="vllm-nxdi has no management: ask http"):
        again.describe()
    assert again.endpoint.generate(["Hello"], seq_length=9) == ["Hello and so on"]
    target = measure.Target.of(again, output_tokens=4)
    assert (target.kind, target.rows, target.model, target.lane) == ("article", 1, "opt13b", "inf2")
    result = measure.run(target, measure.Load(clients=1, requests=4))
    assert (len(result.good), result.errors) == (4, {})
    assert measure.plan_of(again) is None
    assert again.stop(patience_s=1)
    assert (again.stop(patience_s=1), left_over(), all_servers()) == (False, [], [])


@pytest.mark.thorough
def test_the_command_line_serves_loads_and_stops_it(there: Settings, out: Path) -> None:
    run = CliRunner(env={"COLUMNS": "400", "NO_COLOR": "1", "INF2LAB_LANE": "inf2", "INF2LAB_PORT": str(there.port)})
    for words, expected in (
        (("serve", str(out), "--image", IMAGE), "ready at"),
        (("status",), "ready (nc0 READY)"),
        (("call", "Hello"), "[1] Hello and so on"),
        (("load", "-n", "2"), "lane inf2"),
        (("stop",), "1 stopped, 0 left"),
    ):
        done = run.invoke(app, list(words))
        assert done.exit_code == 0, (words, done.output)
        assert expected in done.output, words


def test_a_runtime_that_refuses_the_driver_is_told(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    machine = PlayedInstance.make(
        tmp_path / "other", instance_type="inf2.8xlarge", pulled=[IMAGE], driver=NEW_DRIVER, load_failure_code=1
    )
    with machine.on_it(monkeypatch, free_port):
        settings = Settings(lane="inf2", instance="inf2.8xlarge", port=free_port, image=IMAGE)
        with pytest.raises(LoadFailed, match=r"Runtime could not be initialized"):
            Server.start(settings, out, report=lambda line: None)
        stop_everything(patience_s=1)


def test_an_image_without_its_registry_s_address_is_not_looked_for_elsewhere(
    there: Settings, out: Path, machine: PlayedInstance
) -> None:
    machine.write(machine.read() | {"pulled": []})
    with pytest.raises(ServerError, match=r"neuron/vllm:0.16.0 is not here.*name it with --image ADDRESS/neuron"):
        Server.start(Settings(lane="inf2", instance="inf2.8xlarge", port=there.port), out, report=lambda line: None)


def test_the_doctor_looks_for_what_a_migrated_folder_needs(there: Settings, out: Path) -> None:
    found = {one.subject: (str(one.level), one.found) for one in examine(there, out)}
    assert found["successor"] == ("ok", "opt13b: vllm-nxdi")
    assert found["image"] == ("ok", IMAGE)
    assert found["Neuron driver"] == ("note", f"not compared: {IMAGE} does not say which SDK it has")
    (out / "weights").rmdir()
    found = {one.subject: (str(one.level), one.found) for one in examine(there, out)}
    assert found["successor"][0] == "missing"
    with pytest.raises(FolderError, match=r"server.json: cannot be read"):
        examine(there, out.parent)


def test_the_doctor_says_where_vllm_is_missing_in_the_rehearsal(out: Path) -> None:
    found = {one.subject: one.found for one in examine(Settings(), out)}
    assert "make migrate-env" in found["successor"]


def test_the_drills_say_why_they_leave_a_migrated_folder_alone(out: Path) -> None:
    done = CliRunner().invoke(app, ["drill", str(out)])
    assert done.exit_code == 2
    assert "was migrated: drills break DJLServing's worker and folder, and its server has neither" in done.stderr
