"""The linter as a whole: what it reads, what it refuses, what --fix does to a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import inf2lab
from inf2lab import Settings
from inf2lab.errors import FolderError, SettingsError
from inf2lab.lint import Target, lint, lint_paths
from inf2lab.lint.examples import HANDLER
from inf2lab.lint.finding import Severity

if TYPE_CHECKING:
    from conftest import Lint, Write

BUILT_IN = "option.entryPoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-1.3b\n"


def test_lint_is_part_of_the_library(write: Write) -> None:
    folder = write("engine=Python\noption.entryPoint=djl_python.transformers-neuronx\n")
    report = inf2lab.lint(folder, Settings())
    assert not report.ok
    assert [f.rule for f in report.findings if f.severity is Severity.ERROR] == ["E001"]
    assert report.findings[0].line == 2


def test_the_profile_of_the_settings_decides(write: Write) -> None:
    folder = write("option.entryPoint=djl_python.transformer-neuronx\noption.model_id=facebook/opt-1.3b\n")
    assert inf2lab.lint(folder, Settings(profile="seed-0.21")).ok
    assert not inf2lab.lint(folder, Settings()).ok


def test_a_missing_or_empty_folder_cannot_be_linted(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"no such model folder: name one with a serving\.properties"):
        lint(tmp_path / "nowhere")
    with pytest.raises(FolderError, match=r"neither serving\.properties nor model\.py"):
        lint(tmp_path)


@pytest.mark.parametrize(("profile", "instance"), [("latest", "inf2.xlarge"), ("djl-0.25", "p4d.24xlarge")])
def test_an_unknown_profile_or_instance_cannot_be_linted_for(write: Write, profile: str, instance: str) -> None:
    with pytest.raises(SettingsError, match="not in the catalog"):
        lint(write(BUILT_IN), Target(profile, instance))


@pytest.mark.parametrize("profile", ["djl-0.35", "0.36.0", "lmi-0.35"])
def test_a_release_without_neuron_is_an_error_whatever_the_folder_says(lint_files: Lint, profile: str) -> None:
    (finding,) = lint_files(BUILT_IN, profile).findings
    assert (finding.rule, finding.severity) == ("N001", Severity.ERROR)
    assert "removed its Neuron code in 0.35.0" in finding.message
    assert "djl-0.34" in finding.fix


@pytest.mark.parametrize("name", ["duplicate-key", "P002", "P002, unknown-key"])
def test_a_comment_allows_a_rule(lint_files: Lint, name: str) -> None:
    text = f"{BUILT_IN}option.n_positions=128\noption.batch_size=1\noption.batch_size=2\n"
    assert "P002" in {f.rule for f in lint_files(text).findings}
    assert "P002" not in {f.rule for f in lint_files(f"# lint: allow {name}\n{text}").findings}


def test_findings_come_in_the_order_of_the_file(lint_files: Lint) -> None:
    report = lint_files(
        {"serving.properties": "option.x=\noption.dtype=f16\nengine=python\n", "run.sh": "docker run djl"}
    )
    own = [f.line for f in report.findings if f.file == "serving.properties"]
    assert own == sorted(own)
    assert report.findings[-1].file == "run.sh"


def test_fix_mends_and_keeps_the_rest_byte_for_byte(write: Write) -> None:
    text = (
        "# made by hand \r\noption.entryPoint : djl_python.transformers-neuronx\r\n"
        "option.model_id=facebook/opt-1.3b\r\noption.dtype=f16 \r\nn_positions=512\r\nengine = python"
    )
    folder = write(text)
    (folder / "serving.properties").chmod(0o640)
    report = lint(folder, fix=True)
    assert (folder / "serving.properties").read_bytes().decode() == (
        "# made by hand \r\noption.entryPoint : djl_python.transformers_neuronx\r\n"
        "option.model_id=facebook/opt-1.3b\r\noption.dtype=fp16\r\noption.n_positions=512\r\nengine = Python"
    )
    assert (folder / "serving.properties").stat().st_mode & 0o777 == 0o640
    assert report.fixed == 4
    assert report.ok
    assert [path.name for path in folder.iterdir()] == ["serving.properties"]


def test_fix_leaves_a_clean_file_alone(write: Write) -> None:
    folder = write(BUILT_IN)
    before = (folder / "serving.properties").stat()
    assert lint(folder, fix=True).fixed == 0
    after = (folder / "serving.properties").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_fix_writes_whole_or_not_at_all(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write("engine=python\n")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        lint(folder, fix=True)
    assert (folder / "serving.properties").read_text() == "engine=python\n"
    assert [path.name for path in folder.iterdir()] == ["serving.properties"]


def test_paths_may_be_files_of_folders_and_files_beside_them(write: Write, tmp_path: Path) -> None:
    folder = write(BUILT_IN + "option.n_positions=128\n")
    request = tmp_path / "ask.json"
    request.write_text('{"text": ["Hello"]}')
    (report,) = lint_paths([folder / "serving.properties", folder, request])
    assert [(f.rule, f.file) for f in report.findings if f.severity is Severity.ERROR] == [("R002", str(request))]
    with pytest.raises(FolderError, match="name a model folder"):
        lint_paths([request])


def test_a_config_of_the_server_may_lie_elsewhere(write: Write, tmp_path: Path) -> None:
    config = tmp_path / "config.properties"
    config.write_text("management_address=http://0.0.0.0:8081\n")
    report = lint(write(BUILT_IN), also=[config])
    assert "S003" in {f.rule for f in report.findings}


@pytest.mark.parametrize("line", ["management_address=http://0.0.0.0:8081", "load_models=opt13b"])
def test_a_finding_in_the_servers_configuration_names_that_file(write: Write, tmp_path: Path, line: str) -> None:
    configuration = tmp_path / "of_the_server.properties"
    configuration.write_text(f"# of the server\n{line}\n")
    (report,) = lint_paths([write({"serving.properties": "engine=Python\n", "model.py": HANDLER}), configuration])
    assert (str(configuration), 2) in [(finding.file, finding.line) for finding in report.findings]


def test_config_json_gives_the_dimensions(lint_files: Lint) -> None:
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100}
    config = json.dumps({"model_type": "opt", "max_position_embeddings": 64} | sizes)
    files = {"serving.properties": BUILT_IN + "option.n_positions=128\n", "config.json": config}
    assert "O002" in {f.rule for f in lint_files(files).findings}


def test_what_the_handler_assumes_is_what_holds(lint_files: Lint) -> None:
    handler = """\
from djl_python import Input, Output
from transformers_neuronx.opt.model import OPTForSampling


def handle(inputs: Input):
    p = inputs.get_properties()
    rows, amp = int(p.get("batch_size", 9)), p.get("dtype", "f32")
    model = OPTForSampling.from_pretrained("/x", amp=amp, batch_size=rows)
    if inputs.is_empty():
        return None
    return Output().add(str((p["model_id"], p["tensor_parallel_degree"], model)))
"""
    properties = "option.model_id=facebook/opt-13b\noption.tensor_parallel_degree=4\n"
    messages = [f.message for f in lint_files({"serving.properties": properties, "model.py": handler}).findings]
    assert any("degree 4, 9 rows, 2048 positions and f32" in message for message in messages)
