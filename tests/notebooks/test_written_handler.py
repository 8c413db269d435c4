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
from inf2lab.trial import try_handler
from notebook_files import SOURCES
from tests.support import ports

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
    return written(tmp_path / "opt13b")


@dataclasses.dataclass(frozen=True)
class Served:
    """A folder as notebook 04 leaves it, what it was before, and its server."""

    folder: ModelFolder
    before: str
    server: ModelServer
    logs: Path


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server of the unchanged folder for all tests that only ask."""
    place = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INF2LAB_LOGS", str(place / "logs"))
        folder = written(place / "opt13b")
        before = folder.fingerprint()
        yield Served(folder, before, quietly(Settings(port=ports.free_port(1)), folder), place / "logs")
        patch.setenv("INF2LAB_LOGS", str(place / "logs"))  # a test's own settings have been and gone
        stop_everything()


@pytest.fixture
def served(shared: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setenv("INF2LAB_LOGS", str(shared.logs))
    return shared


def written(path: Path) -> ModelFolder:
    """The folder that notebooks 03 and 04 write."""
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
    assert functions == ["load_model", "infer", "handle", "fill_up", "check_prompts"]


def test_it_imports_only_what_the_image_has():
    tree = ast.parse(handler_source())
    imported = {a.name for node in tree.body if isinstance(node, ast.Import) for a in node.names}
    imported |= {node.module.split(".")[0] for node in tree.body if isinstance(node, ast.ImportFrom)}
    known = {"inspect", "shutil", "tempfile", "torch"}
    known |= {"djl_python", "transformers", "transformers_neuronx"}
    assert imported == known


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[blank] * start + row", "row + [blank] * start"),
        (", start_ids\n", ", [0] * len(rows)\n"),
        ('extra["start_ids"] = torch', "torch"),
        ("    check_prompts(data", "    (data"),
        ("not isinstance(prompts, list) or ", ""),
    ],
    ids=[
        "filled up on the right",
        "start_ids are zero",
        "start_ids are kept back",
        "no batch check",
        "no look at the type",
    ],
)
def test_a_broken_handler_is_seen_without_a_server(folder: ModelFolder, old: str, new: str):
    """Left padding made right padding passed all checks of the notebook."""
    sound = tried(folder)
    assert sound == (([[2, 101, 102, 103], [1, 1, 2, 104]], [0, 2]), True, True)
    text = folder.handler_path.read_text()
    assert old in text
    folder.handler_path.write_text(text.replace(old, new))
    assert tried(folder) != sound


def tried(folder: ModelFolder) -> object:
    """What the checks look at: what the library is given, and whether wrong batches are refused before it."""
    given, *wrong = (
        try_handler(folder.handler_path, text, batch_size=2)
        for text in (["one two three", "four"], ["one", "two", "three"], "ab")
    )
    return (given.rows, given.start_ids), *(bool(one.error) and not one.asked for one in wrong)


def test_answers_the_articles_request(served: Served):
    texts = served.server.endpoint.generate(PROMPTS, seq_length=40)
    assert [text.startswith(prompt) for text, prompt in zip(texts, PROMPTS, strict=True)] == [True, True]
    assert "Set NEURON_RT_VISIBLE_CORES=0-1" in "\n".join(served.server.logs(500))


def test_serving_changes_no_byte(served: Served):
    served.server.endpoint.generate(PROMPTS, seq_length=20)
    assert served.folder.fingerprint() == served.before
    assert sorted(p.name for p in served.folder.path.iterdir()) == ["model.py", "serving.properties"]


def test_degree_24_answers_with_padded_heads_in_the_later_generation(settings: Settings, folder: ModelFolder):
    server = quietly(settings, changed(folder, tensor_parallel_degree=24))
    assert server.status().state == "ready"
    texts = server.endpoint.generate(PROMPTS, seq_length=40)
    assert [text.startswith(prompt) for text, prompt in zip(texts, PROMPTS, strict=True)] == [True, True]
    lines = server.logs(500)
    assert any("40" in line and "48" in line for line in lines)
    assert "Set NEURON_RT_VISIBLE_CORES=0-23" in "\n".join(lines)


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


def test_unequal_prompts_are_padded(served: Served):
    prompts = ["Describes the status of the volume.", "Deletes"]
    texts = served.server.endpoint.generate(prompts, seq_length=40)
    assert [text.startswith(prompt) for text, prompt in zip(texts, prompts, strict=True)] == [True, True]


def test_unequal_prompts_are_refused_by_the_articles_generation(settings: Settings, folder: ModelFolder):
    server = quietly(dataclasses.replace(settings, profile="seed-0.21"), folder)
    refused = server.endpoint.send({"seq_length": 40, "text": ["Describes the status of the volume.", "Deletes"]})
    assert refused.status == 424
    assert "the prompts have [" in refused.error


@pytest.mark.thorough
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
