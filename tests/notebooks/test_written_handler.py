"""The model.py that notebook 04 writes: valid in the image, and served with the verdicts that the chip would give."""

from __future__ import annotations

import ast
import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inf2lab import LabError, ModelFolder, Server, Settings, paths, write_properties
from inf2lab.serving import ModelServer, stop_everything
from notebook_files import SOURCES

PROMPTS = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]
OPTIONS = {
    "engine": "Python",
    "option.model_id": "facebook/opt-13b",
    "option.tensor_parallel_degree": 2,
    "option.batch_size": 2,
    "option.n_positions": 2048,
    "option.dtype": "f16",
}


def handler_source() -> str:
    """What the `%%writefile ... model.py` cells write, in order."""
    parts, taking = [], False
    for line in (SOURCES / "04_model_py.py").read_text().splitlines():
        if line.startswith("# %%writefile"):
            taking = line.endswith("/model.py")
        elif not line.startswith("#"):
            taking = False
        elif taking and not line.startswith("# %%"):
            parts.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(parts) + "\n"


@pytest.fixture
def settings(free_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("INF2LAB_LOGS", str(tmp_path / "logs"))
    yield Settings(port=free_port)
    stop_everything()


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    path = tmp_path / "opt13b"
    path.mkdir()
    (path / "model.py").write_text(handler_source())
    write_properties(path / "serving.properties", OPTIONS)
    return ModelFolder(path)


def changed(folder: ModelFolder, **options: object) -> ModelFolder:
    """The folder with some options changed."""
    values = {f"option.{name}": value for name, value in options.items()}
    write_properties(folder.properties_path, OPTIONS | values)
    return folder


def quietly(settings: Settings, folder: ModelFolder) -> ModelServer:
    return Server.start(settings, folder.path, report=lambda line: None)


@pytest.fixture(scope="module")
def image_packages() -> Path:
    """transformers as the djl-0.25 image has it, in a folder beside the environment."""
    version = Settings().stack.packages["transformers"]
    target = paths.cache() / "side" / f"transformers-{version}"
    if not (target / "done").exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
        done = subprocess.run([*command, f"transformers=={version}", "tokenizers==0.14.1"], check=False)
        if done.returncode and not os.environ.get("CI"):
            pytest.skip(f"transformers {version} could not be installed beside the environment")
        assert done.returncode == 0
        (target / "done").touch()
    return target


def test_the_image_can_parse_it():
    tree = ast.parse(handler_source(), feature_version=(3, 8))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert functions == ["load_model", "infer", "handle"]


def test_it_imports_only_what_the_image_has():
    tree = ast.parse(handler_source())
    imported = {a.name for node in tree.body if isinstance(node, ast.Import) for a in node.names}
    imported |= {node.module.split(".")[0] for node in tree.body if isinstance(node, ast.ImportFrom)}
    known = {"importlib", "inspect", "shutil", "tempfile", "torch"}
    known |= {"djl_python", "transformers", "transformers_neuronx"}
    assert imported == known


@pytest.mark.parametrize("degree", [2, 8])
def test_answers_the_articles_request(settings: Settings, folder: ModelFolder, degree: int):
    server = quietly(settings, changed(folder, tensor_parallel_degree=degree))
    texts = server.endpoint.generate(PROMPTS, seq_length=40)
    assert [text.startswith(prompt) for text, prompt in zip(texts, PROMPTS, strict=True)] == [True, True]
    assert f"Set NEURON_RT_VISIBLE_CORES=0-{degree - 1}" in "\n".join(server.logs(500))


def test_serving_changes_no_byte(settings: Settings, folder: ModelFolder):
    before = folder.fingerprint()
    quietly(settings, folder).endpoint.generate(PROMPTS, seq_length=20)
    assert folder.fingerprint() == before
    assert sorted(p.name for p in folder.path.iterdir()) == ["model.py", "serving.properties"]


def test_degree_24_loads_with_padded_heads_in_the_later_generation(settings: Settings, folder: ModelFolder):
    server = quietly(settings, changed(folder, tensor_parallel_degree=24))
    assert server.status().state == "ready"
    assert any("40" in line and "48" in line for line in server.logs(500))


@pytest.mark.parametrize(
    ("profile", "options", "cause"),
    [
        ("seed-0.21", {"tensor_parallel_degree": 24}, "40 attention heads"),
        ("seed-0.21", {"tensor_parallel_degree": 3}, "degree 3 is not supported"),
        ("djl-0.25", {"tensor_parallel_degree": 3}, "degree 3 is not supported"),
        ("djl-0.25", {"batch_size": 3}, "Allocation Failure"),
    ],
)
def test_fails_as_the_chip_does(
    settings: Settings, folder: ModelFolder, profile: str, options: dict[str, int], cause: str
):
    server = Server.of(dataclasses.replace(settings, profile=profile), changed(folder, **options).path)
    with pytest.raises(LabError, match=cause):
        quietly(server.settings, folder)
    status = server.status()
    assert (status.state, cause in status.detail) == ("failed", True)
    assert any(cause in line for line in server.logs(500))


def test_unequal_prompts_are_padded_or_refused(settings: Settings, folder: ModelFolder):
    prompts = ["Describes the status of the volume.", "Deletes"]
    server = quietly(settings, folder)
    texts = server.endpoint.generate(prompts, seq_length=40)
    assert [text.startswith(prompt) for text, prompt in zip(texts, prompts, strict=True)] == [True, True]
    server = quietly(dataclasses.replace(settings, profile="seed-0.21"), folder)
    refused = server.endpoint.send({"seq_length": 40, "text": prompts})
    assert refused.status == 424
    assert "the prompts have [" in refused.error


def test_runs_with_the_images_transformers(
    settings: Settings, folder: ModelFolder, image_packages: Path, monkeypatch: pytest.MonkeyPatch
):
    with folder.handler_path.open("a") as file:
        file.write("import transformers\nprint('transformers', transformers.__version__)\n")
    monkeypatch.setenv("PYTHONPATH", str(image_packages))
    server = quietly(settings, folder)
    assert any(line.endswith("transformers 4.34.0") for line in server.logs(500))
    texts = server.endpoint.generate(PROMPTS, seq_length=40)
    assert texts[1].startswith(PROMPTS[1])
    uneven = server.endpoint.generate(["Deletes a volume", "Deletes"], seq_length=30)
    assert uneven[1].startswith("Deletes")
