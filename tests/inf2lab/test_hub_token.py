"""The hub's token: passed on by its name or from a secret, and its value in no file, command line, call or log."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

import write_manifests
from inf2lab import ModelFolder, Server, Settings, aws, write_properties
from inf2lab.aws import Cloud
from inf2lab.cli import app
from inf2lab.errors import FolderError, SettingsError
from inf2lab.folder import Needs
from inf2lab.scale import as_text, ray_service
from inf2lab.scale.kubernetes import render, summary
from inf2lab.serving import docker

SECRET = "hf_ThisValueIsWrittenNowhere"
GATED = "meta-llama/Meta-Llama-3-8B"


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)


@pytest.fixture
def folder(clone: Path) -> ModelFolder:
    """The folder of notebook 04, in a clone of its own."""
    return write_manifests.folder_of_the_notebook(clone / "models")


@pytest.fixture
def gated(folder: ModelFolder) -> ModelFolder:
    """The same with a model whose terms have to be accepted."""
    write_properties(folder.properties_path, folder.properties() | {"option.model_id": GATED})
    return folder


def test_a_container_gets_it_by_name_and_only_where_it_is_set(
    folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server.of(Settings(lane="inf2"), folder.path)
    words = server.command()
    assert words[words.index("HF_TOKEN") - 1] == "-e"
    assert SECRET not in " ".join(words) + server.typed()
    monkeypatch.delenv("HF_TOKEN")
    assert "HF_TOKEN" not in Server.of(Settings(lane="inf2"), folder.path).command()


@pytest.mark.parametrize("name", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])
def test_its_value_among_the_options_is_refused_and_not_repeated(folder: ModelFolder, name: str) -> None:
    settings = Settings(lane="inf2", docker_options=f"--shm-size 8g -e {name}={SECRET}")
    with pytest.raises(SettingsError, match=rf"{name}=\*\*\*.*set HF_TOKEN in the environment") as caught:
        Server.of(settings, folder.path).command()
    assert SECRET not in str(caught.value)


def test_docker_hears_its_name_and_takes_the_value_from_its_own_environment(
    tmp_path: Path, folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "bin" / "docker"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\nprintenv HF_TOKEN > {tmp_path}/value\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    docker.run_docker(*Server.of(Settings(lane="inf2"), folder.path).command()[1:], what="docker run")
    assert "-e HF_TOKEN " in (tmp_path / "words").read_text()
    assert SECRET not in (tmp_path / "words").read_text()
    assert (tmp_path / "value").read_text().strip() == SECRET


def test_pods_take_it_from_a_secret_that_a_gated_model_must_have(gated: ModelFolder) -> None:
    made = render(Settings(), gated)
    (container,) = made.documents()["deployment.yaml"][0].body["spec"]["template"]["spec"]["containers"]
    (entry,) = [one for one in container["env"] if one["name"] == "HF_TOKEN"]
    assert entry["valueFrom"] == {"secretKeyRef": {"name": "huggingface", "key": "token", "optional": False}}
    assert any("asks for HF_TOKEN" in found for _, found in summary(made))


def test_an_endpoint_of_a_gated_model_is_refused_with_the_way_round(gated: ModelFolder) -> None:
    """It never became healthy: nobody gave it a token, and a model's environment would show it to everybody."""
    with pytest.raises(FolderError, match=rf"{GATED} is gated: it asks for HF_TOKEN.*s3://BUCKET/PREFIX/"):
        aws.endpoint_request(Cloud("us-east-2"), Needs(Settings(), gated), bucket="b")
    write_properties(gated.properties_path, gated.properties() | {"option.tensor_parallel_degree": 8})
    shown = CliRunner().invoke(app, ["scale", "sagemaker", str(gated.path), "--json"])  # whatever else does not fit
    assert shown.exit_code == 2
    assert "HF_TOKEN" in shown.output


def test_its_value_is_written_nowhere(folder: ModelFolder, clone: Path, logs: Path, tmp_path: Path) -> None:
    """Every rendering, every call, every command's output and every file that came of them."""
    settings, here = Settings(lane="inf2"), Cloud("us-east-2")
    image = aws.look_up_image(here)
    request = aws.launch_request(here, "inf2.8xlarge", image, hours=1)
    endpoint = aws.endpoint_request(here, Needs(Settings(instance="inf2.8xlarge"), folder), bucket="b")
    calls = [asdict(call) for call in (*request.calls, *endpoint.calls, *endpoint.scaling)]
    said = [
        json.dumps(calls, default=lambda data: data.decode()),
        as_text(ray_service(settings, folder)),
        Server.of(settings, folder.path).typed(),
    ]
    out = str(tmp_path / "out")
    for command in (
        ["scale", "kubernetes", str(folder.path), "--out", out],
        ["scale", "sagemaker", str(folder.path)],
        ["lint", str(folder.path)],
        ["launch"],
    ):
        said.append(CliRunner().invoke(app, command).output)
    files = [path for place in (clone, logs, tmp_path) for path in place.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [text for text in said if SECRET in text]
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
