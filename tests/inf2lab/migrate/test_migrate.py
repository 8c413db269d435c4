"""A folder on its way to each successor: a verdict for everything in use, and files that start and ask a server."""

from __future__ import annotations

import ast
import errno
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from inf2lab import Settings, catalog, migrate
from inf2lab.catalog import Verdict
from inf2lab.cli import app
from inf2lab.errors import FolderError, SettingsError
from inf2lab.folder import parse_properties, write_article
from inf2lab.migrate import Migration

TARGETS = ("vllm-nxdi", "optimum", "vllm-neuron", "lmi-vllm")
NEURON = TARGETS[:3]
LLAMA = (
    "engine=Python\noption.entryPoint=djl_python.transformers_neuronx\noption.model_id=meta-llama/Llama-2-7b-hf\n"
    "option.tensor_parallel_degree=8\noption.rolling_batch=auto\noption.max_rolling_batch_size=4\n"
    "option.n_positions=2048\noption.dtype=bf16\noption.model_loading_timeout=1200\n"
)
OPT = "engine=Python\noption.model_id=facebook/opt-1.3b\noption.tensor_parallel_degree=2\noption.batch_size=2\n"
Make = Callable[..., Migration]


@pytest.fixture
def made(tmp_path: Path) -> Make:
    """Migrate a folder of these files: made("vllm-nxdi", LLAMA, {"call.sh": "curl ..."})."""

    def make(to: str, text: str = LLAMA, more: Mapping[str, str] | None = None, **options: Any) -> Migration:
        folder = tmp_path / to / "llama"
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in {"serving.properties": text, **(more or {})}.items():
            (folder / name).write_text(content)
        aim = options.pop("settings", Settings(profile="lmi-0.30"))
        files = [folder / name for name in options.pop("files", ())]
        return migrate(folder, to=to, settings=aim, files=files, **options)

    return make


def curl(body: object) -> dict[str, str]:
    return {"call.sh": f"curl -X POST http://127.0.0.1:8080/predictions/llama -d {shlex.quote(json.dumps(body))}\n"}


def row(made: Migration, what: str) -> Any:
    (found,) = [one for one in made.rows if one.what.startswith(what)]
    return found


@pytest.mark.parametrize("to", TARGETS)
def test_a_plain_llama_folder_goes_everywhere_it_can(made: Make, to: str) -> None:
    found = made(to)
    elsewhere = ["inf2.48xlarge"] if to == "vllm-neuron" else []  # which is for Trn2 and later
    assert [one.what for one in found.lost] == elsewhere
    assert found.ok == (not elsewhere)


@pytest.mark.parametrize("to", TARGETS)
def test_every_key_in_use_has_a_row_and_so_has_every_default_left_unsaid(made: Make, to: str) -> None:
    found = made(to, LLAMA + "option.waiting_steps=3\noption.nobody_knows=1\njob_queue_size=7\n")
    told = {one.what.partition("=")[0] for one in found.sections["what the folder says"]}
    assert told == {entry.key for entry in found.state.stated.properties.effective()}
    unsaid = {one.what.partition("=")[0] for one in found.sections["what it leaves unsaid"]}
    assert {"batch_size", "enable_streaming", "trust_remote_code"} <= unsaid
    assert not unsaid & {"dtype", "n_positions", "speculative_length"}


def test_the_command_says_all_that_the_folder_said(made: Make) -> None:
    words = " ".join(made("vllm-nxdi").launch.words)
    assert words.startswith("vllm serve meta-llama/Llama-2-7b-hf --served-model-name llama --tensor-parallel-size 8")
    assert "--max-num-seqs 4 --max-model-len 2048 --dtype bfloat16" in words
    assert "--no-enable-prefix-caching --num-gpu-blocks-override 4" in words
    words = " ".join(made("optimum").launch.arguments)
    assert "--tensor_parallel_size 8 --batch_size 4 --sequence_length 2048 --allow_non_cached_model" in words


def test_an_image_of_the_old_fork_is_asked_in_its_own_words(made: Make) -> None:
    text = LLAMA + "option.fuse_qkv=true\noption.context_length_estimate=256\n"
    old = made("vllm-nxdi", text, image="0.9.1-neuronx-py311-sdk2.26.1-ubuntu22.04").launch.words
    settings = {"fused_qkv": True, "context_encoding_buckets": [256]}
    assert json.loads(old[old.index("--override-neuron-config") + 1]) == settings
    assert old[old.index("--device") + 1] == "neuron"
    new = made("vllm-nxdi", text).launch.words
    assert json.loads(new[new.index("--additional-config") + 1]) == {"override_neuron_config": settings}


def test_the_folder_s_time_to_load_is_the_new_server_s_too(made: Make) -> None:
    assert made("vllm-nxdi").launch.environment["VLLM_ENGINE_READY_TIMEOUT_S"] == "1200"
    old = made("vllm-nxdi", image="0.11.0-neuronx-py312-sdk2.27.1-ubuntu24.04")
    assert "VLLM_ENGINE_READY_TIMEOUT_S" not in old.launch.environment  # which does not know it


def test_int8_brings_the_settings_without_which_nxd_inference_refuses_it(made: Make) -> None:
    words = made("vllm-nxdi", LLAMA + "option.quantize=static_int8\n").launch.words
    settings = json.loads(words[words.index("--additional-config") + 1])["override_neuron_config"]
    assert settings["quantized"] is True
    assert settings["quantized_checkpoints_path"].startswith("/artifacts/")
    assert set(settings) <= set(catalog.override_names().neuron)
    assert row(made("optimum", LLAMA + "option.quantize=static_int8\n"), "option.quantize").verdict is Verdict.NONE


def test_what_lmi_would_leave_out_without_a_word_is_said_and_costs_code_1(made: Make) -> None:
    found = made("lmi-vllm", LLAMA + "option.load_in_8bit=true\noption.fuse_qkv=true\n")
    assert {one.verdict for one in found.lost} == {Verdict.DROPPED}
    assert not found.ok
    properties = parse_properties(found.files()["llama/serving.properties"]).values()
    assert properties["option.max_model_len"] == "2048"
    assert properties["option.tensor_parallel_degree"] == "max"
    assert "option.fuse_qkv" not in properties


@pytest.mark.parametrize("name", ["facebook/opt-1.3b", "gpt2", "EleutherAI/gpt-j-6b", "EleutherAI/pythia-1b"])
def test_models_that_no_neuron_successor_serves_are_refused_with_what_is_nearest(made: Make, name: str) -> None:
    text = OPT.replace("facebook/opt-1.3b", name)
    for to in NEURON:
        found = made(to, text, settings=Settings())
        assert row(found, name).verdict is Verdict.NONE
        assert any("--to lmi-vllm" in one for one in found.nearest)
        assert any("contributed" in one and "%" in one for one in found.nearest)
    assert any("degree 1 on inf2.xlarge" in one and "USD/h" in one for one in made("vllm-nxdi", text).nearest)
    assert made("lmi-vllm", text, settings=Settings()).ok


def test_bloom_has_no_port_either(made: Make) -> None:
    found = made("vllm-nxdi", OPT.replace("facebook/opt-1.3b", "bigscience/bloom-560m"))
    assert not any("contributed" in one for one in found.nearest)


def test_a_report_from_the_same_image_weighs_more_than_a_table(made: Make) -> None:
    text = LLAMA.replace("meta-llama/Llama-2-7b-hf", "meta-llama/Llama-3.2-1B")
    assert row(made("vllm-nxdi", text), "meta-llama/Llama-3.2-1B").verdict is Verdict.NONE
    last = made("vllm-nxdi", text, image="0.16.0-neuronx-py312-sdk2.31.1-ubuntu24.04")
    assert row(last, "meta-llama/Llama-3.2-1B").verdict is Verdict.KEPT
    assert [one.where for one in last.sections["the model"][1:]] == ["report, 2026-06-25"] * 2


def test_mistral_goes_on_with_nxdi_and_not_with_optimum(made: Make) -> None:
    text = LLAMA.replace("meta-llama/Llama-2-7b-hf", "mistralai/Mistral-7B-Instruct-v0.2")
    assert made("vllm-nxdi", text).ok
    assert not made("optimum", text).ok


def test_the_rules_for_degree_heads_and_memory_are_the_successors(made: Make) -> None:
    text = LLAMA.replace("Llama-2-7b-hf", "Meta-Llama-3-8B")
    at_24 = made("vllm-nxdi", text.replace("degree=8", "degree=24"))
    assert "on the cores 48 and 24" in row(at_24, "32 heads").says
    at_12 = made("vllm-nxdi", text.replace("degree=8", "degree=12"))
    assert "nobody has shown" in row(at_12, "degree 12").says
    too_much = made("vllm-nxdi", text.replace("degree=8", "degree=1").replace("=2048", "=8192"))
    assert row(too_much, "weights").verdict is Verdict.NONE
    assert row(too_much, "4 blocks").verdict is Verdict.KEPT
    assert made("vllm-neuron").state.copies == 3


def test_models_that_the_old_stack_never_served_are_planned_by_their_sizes(made: Make) -> None:
    found = made("vllm-nxdi", LLAMA.replace("meta-llama/Llama-2-7b-hf", "Qwen/Qwen3-8B"))
    assert row(found, "weights").what.startswith("weights 16.4 + cache 1.2 GB")
    assert found.state.parameters == pytest.approx(8_190_735_360, rel=1e-5)
    assert row(found, "32 heads, 8 for keys").verdict is Verdict.KEPT
    assert made("vllm-nxdi", LLAMA.replace("meta-llama/Llama-2-7b-hf", "Qwen/Qwen2.5-7B")).state.parameters == (
        pytest.approx(7_615_616_512, rel=1e-4)
    )


@pytest.mark.parametrize(
    ("name", "on", "fits", "ok"),
    [
        ("meta-llama/Llama-3.1-8B", "inf2.xlarge", "cores: inf2.xlarge has 2", False),
        ("meta-llama/Llama-3.1-8B", "inf2.24xlarge", "below 4 cores' 64 GB", True),
        ("meta-llama/Llama-3.1-8B", "trn2.3xlarge", "below 4 cores' 96 GB", True),
        ("Qwen/Qwen3-8B", "inf2.24xlarge", "below 4 cores' 64 GB", False),  # the compiler failed, says a report
        ("Qwen/Qwen3-8B", "trn2.48xlarge", "below 4 cores' 96 GB", True),
    ],
)
def test_newer_models_are_planned_on_inf2_and_on_trn2(made: Make, name: str, on: str, fits: str, ok: bool) -> None:
    """The new server may stand on an instance that the old one never ran on: two of Trn2's cores count as one."""
    text = LLAMA.replace("meta-llama/Llama-2-7b-hf", name).replace("degree=8", "degree=4")
    found = made("vllm-nxdi", text, on=on)
    rules = "; ".join(f"{one.what}: {one.says}" for one in found.sections["the target's rules"])
    assert fits in rules
    assert found.ok is ok
    assert found.launch.devices == (1 if on.startswith("trn2") else 2)
    (pod,) = [one for one in yaml.safe_load_all(found.files()["kubernetes.yaml"]) if one["kind"] == "Deployment"]
    assert pod["spec"]["template"]["spec"]["nodeSelector"] == {"node.kubernetes.io/instance-type": on}


def test_an_instance_that_nobody_knows_is_refused_with_the_known_ones(made: Make) -> None:
    with pytest.raises(SettingsError, match=r"on.*trn9.*trn2.48xlarge"):
        made("vllm-nxdi", on="trn9")


def test_a_newer_model_in_the_folder_is_planned_by_its_config(made: Make) -> None:
    config = {"model_type": "qwen2", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config |= {"num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 100, "max_position_embeddings": 64}
    text = LLAMA.replace("option.model_id=meta-llama/Llama-2-7b-hf\n", "")
    found = made("vllm-nxdi", text, {"config.json": json.dumps(config)})
    assert "on the cores 8 and 8" in row(found, "4 heads, 2 for keys").says
    assert found.state.parameters == found.state.dims.parameters + 6400
    broken = made("vllm-nxdi", text, {"config.json": json.dumps({"model_type": "qwen3", "hidden_size": "x"})})
    assert "not known" in row(broken, "heads and memory").says


def test_prompt_programs_are_those_that_were_named_or_powers_of_two(made: Make) -> None:
    assert row(made("vllm-nxdi"), "prompt programs").what == "prompt programs 128, 256, 512, 1024, 2048"
    found = made("vllm-nxdi", LLAMA + "option.context_length_estimate=256,4096\n")
    assert row(found, "prompt programs").verdict is Verdict.NONE
    assert "4096 is beyond the longest text, 2048" in row(found, "prompt programs").says


def test_where_no_rules_are_written_down_nothing_is_checked(made: Make) -> None:
    rules = made("vllm-neuron").sections["the target's rules"]
    assert [one.says for one in rules if one.what == "degree 8"] == [
        "no rules of this target are written down here: nothing is checked"
    ]


def test_the_report_needs_no_package_beyond_the_small_install(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("yaml", "requests", "psutil"):
        monkeypatch.setitem(sys.modules, name, None)
    found = made("vllm-nxdi")
    assert found.command.startswith("#!/bin/sh")
    assert found.as_dict()["ok"]


def test_model_py_does_not_move_whatever_the_target(tmp_path: Path) -> None:
    folder = write_article("model.py", tmp_path)
    for to in TARGETS:
        found = migrate(folder, to=to, settings=Settings(profile="seed-0.21"))
        assert "model.py" in [one.what for one in found.lost]
    words = ["migrate", str(folder), "--profile", "seed-0.21", "--to", "lmi-vllm"]
    assert CliRunner().invoke(app, words).exit_code == 1, "a person must look at it"
    help_text = " ".join(CliRunner(env={"COLUMNS": "200"}).invoke(app, ["migrate", "--help"]).output.split())
    assert "A model.py in use always is such a thing: code does not move by itself." in help_text
    assert found.state.model_id == "facebook/opt-13b"  # which only the code names
    assert found.state.rows == 2  # and so does it the rows


def test_a_variable_of_the_old_container_is_no_secret_in_what_is_written(made: Make) -> None:
    run = (
        "docker run -e OPTION_DTYPE=fp16 -e HF_TOKEN=hf_abc -e MY_VALUE=7 -e SERVING_JOB_QUEUE_SIZE=9 "
        "-e OTHER_API_KEY=s3cret deepjavalibrary/djl-serving:0.30.0-pytorch-inf2\n"
    )
    text = LLAMA.replace("option.dtype=bf16\n", "option.env=A_TOKEN=hf_def,B=2,c\noption.hf_token=hf_ghi\n")
    found = made("vllm-nxdi", text, {"run.sh": run}, files=["run.sh"])
    assert "--dtype float16" in " ".join(found.launch.words)
    assert {"MY_VALUE": "7", "B": "2", "A_TOKEN": None}.items() <= found.launch.environment.items()
    assert row(found, "OPTION_DTYPE=fp16").verdict is Verdict.RENAMED
    assert row(found, "SERVING_JOB_QUEUE_SIZE=9").verdict is Verdict.NONE
    everything = "".join(found.files().values())
    assert not any(secret in everything for secret in ("hf_abc", "hf_def", "hf_ghi", "s3cret"))
    assert "-e OTHER_API_KEY \\" in found.files()["command.sh"]


def test_other_settings_look_for_other_artefacts(made: Make) -> None:
    first = made("vllm-nxdi").launch.environment["NEURON_COMPILED_ARTIFACTS"]
    again = made("vllm-nxdi").launch.environment["NEURON_COMPILED_ARTIFACTS"]
    other = made("vllm-nxdi", LLAMA + "option.fuse_qkv=true\n").launch.environment["NEURON_COMPILED_ARTIFACTS"]
    assert first == again != other


@pytest.mark.parametrize("to", TARGETS)
def test_compose_manifest_and_script_start_the_same_words(made: Make, to: str) -> None:
    found = made(to)
    files = found.files()
    service = yaml.safe_load(files["compose.yaml"])["services"]["llama"]
    assert tuple(service.get("command", ())) == found.launch.arguments
    assert len(service.get("devices", ())) == found.launch.devices
    script = shlex.split(files["command.sh"].partition("docker run")[2].replace("\\\n", " "))
    at = script.index(found.state.image_name)
    assert tuple(script[at + 1 :]) == found.launch.arguments
    assert subprocess.run(["sh", "-n"], input=files["command.sh"], text=True).returncode == 0


@pytest.mark.parametrize("to", TARGETS)
def test_every_object_of_a_manifest_is_valid(made: Make, to: str) -> None:
    objects = list(yaml.safe_load_all(made(to).files()["kubernetes.yaml"]))
    for each in objects:
        kubernetes_validate.validate(each, "1.34", strict=True)
    kinds = ["Deployment", "Service", *(["ConfigMap"] if to == "lmi-vllm" else [])]
    assert [each["kind"] for each in objects] == kinds
    spec = objects[0]["spec"]
    assert spec["replicas"] == (1 if to == "lmi-vllm" else 3)
    (container,) = spec["template"]["spec"]["containers"]
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 1200


def test_sagemaker_is_given_what_the_image_reads(made: Make) -> None:
    def environment(to: str) -> dict[str, str]:
        return json.loads(made(to).files()["sagemaker.json"])["Environment"]

    assert environment("optimum")["SM_ON_BATCH_SIZE"] == "4"
    assert environment("optimum")["SM_ON_ALLOW_NON_CACHED_MODEL"] == ""
    assert environment("lmi-vllm")["HF_MODEL_ID"] == "meta-llama/Llama-2-7b-hf"
    own = {"HF_HOME", "HF_TOKEN", "NEURON_COMPILED_ARTIFACTS", "VLLM_ENGINE_READY_TIMEOUT_S"}
    assert set(environment("vllm-nxdi")) == own
    assert "exec vllm serve" in made("vllm-nxdi").files()["sagemaker/Dockerfile"]


def test_a_model_in_the_folder_is_mounted(made: Make) -> None:
    config = json.dumps({"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4})
    text = LLAMA.replace("option.model_id=meta-llama/Llama-2-7b-hf\n", "")
    found = made("vllm-nxdi", text, {"config.json": config})
    assert found.launch.words[2] == "/model"
    assert ":/model:ro" in found.files()["command.sh"]
    there = json.loads(made("optimum", text, {"config.json": config}).files()["sagemaker.json"])["Environment"]
    assert there["SM_ON_MODEL"] == "/opt/ml/model"


@pytest.mark.parametrize("line", ["option.model_id=s3://bucket/llama", "option.s3url=s3://bucket/llama"])
def test_weights_on_s3_are_read_by_lmi_only_and_mounted_for_the_others(made: Make, line: str) -> None:
    text = f"engine=Python\n{line}\n"
    assert made("vllm-nxdi", text).launch.words[2] == "/model"
    assert '"$PWD/weights:/model:ro"' in made("optimum", text).files()["command.sh"]
    on_gpu = made("lmi-vllm", text)
    assert on_gpu.launch.properties["option.model_id"] == "s3://bucket/llama"
    assert "/model:ro" not in on_gpu.files()["command.sh"].replace("/opt/ml/model:ro", "")


def test_a_model_that_nobody_names_is_not_guessed(made: Make) -> None:
    found = made("vllm-nxdi", "engine=Python\n")
    assert row(found, "not named").verdict is Verdict.CHANGED
    assert found.launch.words[2] == "/model"


def test_settings_that_stood_in_json_are_kept_and_what_is_no_object_is_refused(made: Make) -> None:
    words = made("vllm-nxdi", LLAMA + 'option.override_neuron_config={"async_mode": true}\n').launch.words
    assert json.loads(words[words.index("--additional-config") + 1]) == {"override_neuron_config": {"async_mode": True}}
    with pytest.raises(FolderError, match="write a JSON object"):
        made("vllm-nxdi", LLAMA + "option.override_neuron_config=[1]\n")


def test_names_that_kubernetes_refuses_and_paths_with_signs_are_written_so_that_they_work(tmp_path: Path) -> None:
    folder = tmp_path / "a $HOME `x`" / "13B_Chat"
    folder.mkdir(parents=True)
    (folder / "serving.properties").write_text("engine=Python\noption.model_id=/models/$A\n")
    found = migrate(folder, to="vllm-nxdi", settings=Settings())
    files = found.files()
    for each in yaml.safe_load_all(files["kubernetes.yaml"]):
        kubernetes_validate.validate(each, "1.34", strict=True)
        assert each["metadata"]["name"] == "model-13b-chat"
    assert "-v '/models/$A:/model:ro'" in files["command.sh"]
    assert "/models/$$A:/model:ro" in files["compose.yaml"]


@pytest.mark.parametrize("to", TARGETS)
@pytest.mark.parametrize("profile", ["seed-0.21", "djl-0.34"])
def test_every_key_of_the_catalogue_at_once_is_answered(made: Make, to: str, profile: str) -> None:
    values = {"int": "3", "bool": "true", "degree": "max", "dtype": "fp16", "list": "128,256"}
    table = catalog.options()
    lines = [
        f"option.{name}={values.get(one.kind, 'x')}" for name, one in table.options.items() if "config" not in name
    ]
    lines += [f"{name}=3" for name in table.server_keys]
    found = made(to, "\n".join(lines), settings=Settings(profile=profile))
    assert len(found.sections["what the folder says"]) == len(lines)
    assert set(found.files()) >= {"command.sh", "compose.yaml", "kubernetes.yaml", "sagemaker.json", "report.html"}


def test_the_article_s_request_keeps_its_length_its_sampling_and_its_prompt(tmp_path: Path) -> None:
    found = migrate(write_article("model.py", tmp_path), to="vllm-nxdi", settings=Settings(profile="seed-0.21"))
    (one,) = found.requests
    assert one.path == "/v1/completions"
    assert one.of_length(9) == {
        "model": "opt13b",
        "prompt": ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"],
        "temperature": 1.0,
        "top_k": 50,
        "top_p": 1.0,
        "echo": True,
        "max_tokens": 2039,
        "min_tokens": 2039,
    }
    assert [chat["messages"][0]["content"] for chat in one.chats] == one.body["prompt"]


@pytest.mark.parametrize(
    ("profile", "parameters", "expected"),
    [
        ("djl-0.25", {"max_new_tokens": 64}, {"total": 64, "temperature": 1.0}),  # `sample` counts the prompt
        ("djl-0.25", {"use_sample": False, "max_new_tokens": 64}, {"max_tokens": 64, "temperature": 0}),
        ("djl-0.27", {"max_new_tokens": 64}, {"max_tokens": 64, "temperature": 0}),
        ("djl-0.27", {"max_length": 64, "do_sample": True}, {"total": 64, "temperature": 1.0}),
        ("djl-0.27", {}, {"total": 128, "temperature": 0}),  # n_positions
        ("djl-0.22", {}, {"total": 50, "temperature": 1.0}),
    ],
)
def test_a_length_means_what_it_meant_in_that_release(
    made: Make, profile: str, parameters: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = made("vllm-nxdi", OPT, curl({"inputs": "Hi", "parameters": parameters}), settings=Settings(profile=profile))
    (one,) = found.requests
    assert {"total": one.total, **one.body}.items() >= expected.items()
    assert ("max_tokens" in one.body) == (one.total is None)


def test_a_rolling_batch_answers_without_the_prompt_and_greedily(made: Make) -> None:
    (one,) = made("vllm-nxdi", LLAMA, curl({"inputs": "Hi", "stream": True})).requests
    assert one.body == {"model": "llama", "prompt": "Hi", "temperature": 0, "stream": True, "max_tokens": 30}


def test_fields_go_on_under_their_new_names_and_none_is_lost_without_a_row(made: Make) -> None:
    parameters = {"top_p": 0.9, "stop_sequences": ["."], "seed": 3, "num_beams": 2, "min_length": 4, "invented": 1}
    found = made("vllm-nxdi", LLAMA, curl({"inputs": ["a", "b"], "parameters": parameters}))
    (one,) = found.requests
    assert one.body["stop"] == ["."]
    assert one.body["min_tokens"] == 4
    assert {each.what.partition("=")[0] for each in found.sections["the requests"]} == {
        "inputs",
        *(f"parameters.{name}" for name in parameters),
    }
    assert {each.what for each in found.lost} == {
        "parameters.seed=3",
        "parameters.num_beams=2",
        "parameters.min_length=4",
        "parameters.invented=1",
    }
    on_gpu = made("lmi-vllm", LLAMA, curl({"inputs": ["a", "b"]}))
    assert [each.body["prompt"] for each in on_gpu.requests] == ["a", "b"]
    assert {each.path for each in on_gpu.requests} == {"/invocations"}


def test_a_chat_stays_a_chat_and_what_is_no_request_is_said(made: Make) -> None:
    chat = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}
    (one,) = made("vllm-nxdi", LLAMA, curl(chat)).requests
    assert one.path == "/v1/chat/completions"
    assert one.chats == [{"temperature": 1.0, "top_p": 1.0} | chat | {"model": "llama"}]
    (short,) = made("vllm-nxdi", LLAMA, curl({"messages": chat["messages"], "temperature": 0})).requests
    assert short.body == {
        "temperature": 0,
        "top_p": 1.0,
        "max_tokens": 30,
        "messages": chat["messages"],
        "model": "llama",
    }
    null = {"messages": chat["messages"], "temperature": None, "top_p": None, "max_tokens": None, "seed": None}
    nulls = made("vllm-nxdi", LLAMA, curl(null))
    assert nulls.requests[0].body == short.body  # greedily, and the rest as if it were unsaid
    assert row(nulls, "temperature=null").verdict is Verdict.CHANGED
    assert row(nulls, "top_p=null").verdict is Verdict.KEPT
    found = made("vllm-nxdi", LLAMA, {"call.sh": "curl http://x/predictions/llama -d @other.json\n"})
    assert found.requests == ()
    assert row(found, "request").verdict is Verdict.NONE


@pytest.mark.parametrize(
    "body", [[1], {"inputs": [1]}, {"inputs": []}, {"messages": 3}, {"prompt": None}, {"text": {"a": 1}}, "Hi"]
)
def test_a_body_without_prompts_is_said_and_not_translated(made: Make, body: object) -> None:
    found = made("vllm-nxdi", LLAMA, {"request.json": json.dumps(body)})
    assert found.requests == ()
    assert row(found, "request").verdict is Verdict.NONE


@pytest.mark.parametrize("to", TARGETS)
def test_the_clients_are_programs_and_the_script_is_a_shell_s(made: Make, to: str) -> None:
    body = {"inputs": ["It's", "$HOME"], "parameters": {"max_length": 64}}
    files = made(to, LLAMA.replace("option.rolling_batch=auto\n", ""), curl(body)).files()
    for name in ("ask_requests.py", "ask_openai.py"):
        ast.parse(files[name])
    assert subprocess.run(["sh", "-n"], input=files["ask.sh"], text=True).returncode == 0
    assert "$(( 64" in files["ask.sh"] or "$((64 - " in files["ask.sh"]
    assert "extra_body" in files["ask_openai.py"]


def test_the_script_sends_what_it_says(made: Make, tmp_path: Path) -> None:
    body = {"inputs": ["It's", "$HOME"], "parameters": {"max_length": 64}}
    text = LLAMA.replace("option.rolling_batch=auto\n", "")
    found = made("vllm-nxdi", text, curl(body))
    (tmp_path / "ask.sh").write_text(found.files()["ask.sh"])
    # A curl that counts 7 tokens in any prompt, and shows what it is told to send.
    shown = 'for word in "$@"; do last=$word; done; echo "$last"'
    fake = f"""#!/bin/sh\ncase "$2" in */tokenize) echo '{{"count": 7}}' ;; *) {shown} ;; esac\n"""
    (tmp_path / "curl").write_text(fake)
    (tmp_path / "curl").chmod(0o755)
    words = ["env", f"PATH={tmp_path}:/usr/bin:/bin", "sh", str(tmp_path / "ask.sh")]
    sent = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert sent == found.requests[0].of_length(7)


def test_the_report_says_everything_with_source_and_how_sure(made: Make) -> None:
    found = made("vllm-nxdi", LLAMA, curl({"inputs": "Hi"}))
    report = json.loads(found.files()["report.json"])
    assert report["ok"] is True
    rows = [one for rows in report["sections"].values() for one in rows]
    assert len(rows) == len(found.rows) > 35
    assert all(one["source"] and one["sure"] and one["verdict"] for one in rows)
    assert found.files()["report.html"].count("<tr") == len(rows) + 6
    assert "&lt;" not in found.files()["compose.yaml"]


def test_out_is_written_whole_or_not_at_all(made: Make, tmp_path: Path) -> None:
    found, out = made("vllm-nxdi"), tmp_path / "out"
    out.mkdir()
    assert {path.relative_to(out).as_posix() for path in found.write(out)} == set(found.files())
    with pytest.raises(SettingsError, match="not written over"):
        found.write(out)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("reason", [errno.EBUSY, errno.ENOSPC, errno.EACCES, errno.ENOTEMPTY])
@pytest.mark.parametrize("there", [True, False])
def test_out_is_never_said_to_be_written_where_it_is_not(
    made: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int, there: bool
) -> None:
    """As into a mount point, which nothing can be moved to."""

    def refuse(old: Path, new: Path) -> None:
        raise OSError(reason, os.strerror(reason))

    found, out = made("vllm-nxdi"), tmp_path / "out"
    out.mkdir() if there else None
    monkeypatch.setattr("inf2lab.files.os.replace", refuse)
    with pytest.raises(SettingsError, match=os.strerror(reason)):
        found.write(out)
    assert [path.name for path in tmp_path.glob("*out*")] == ["out"] * there  # a hidden one would be found, too
    assert not there or not list(out.iterdir())


RUN = "docker run {} deepjavalibrary/djl-serving:0.30.0-pytorch-inf2\n"


@pytest.mark.parametrize(
    ("model_id", "options", "mounted"),
    [
        ("/weights", "-v /data/llama:/weights:ro", "/data/llama"),
        ("/weights/7b/", "-v /data/llama/:/weights/", "/data/llama/7b"),
        ("/weights", "--mount type=bind,source=/data/llama,target=/weights", "/data/llama"),
        ("/weights", "-v $HOME/llama:/weights", "./weights"),  # whose home nobody knows here
        ("/weights/7b", "-v /data/all:/weights -v /data/one:/weights/7b", "/data/one"),  # as Docker has it
        ("/weights/7b/", "-v /data/one:/weights/7b/ -v /data/all:/weights", "/data/one"),
        ("/weights/7b2", "-v /data/all:/weights -v /data/one:/weights/7b", "/data/all/7b2"),
        ("/weights/7b", "-v /data/all:/weights -v $HOME/llama:/weights/7b", "./weights"),
        ("/opt/ml/model/llama/inside", "-v /data/a:/opt/ml/model -v /b:/opt/ml/model/llama/inside", "/b"),
        ("/opt/ml/model/llama/inside", "-v $PWD:/opt/ml/model/llama", "HERE/inside"),
        ("/weights", "-v /data/other:/elsewhere", "./weights"),
        ("/weights", "", "/weights"),
        ("/opt/ml/model/llama/inside", "", "HERE/inside"),
        ("/opt/ml/model/elsewhere", "", "./weights"),
        ("inside", "", "HERE/inside"),
        ("./nowhere", "", "./weights"),
        ("mycorp/llama", "", ""),
    ],
)
def test_a_path_is_one_of_the_old_container(
    made: Make, tmp_path: Path, model_id: str, options: str, mounted: str
) -> None:
    (tmp_path / "vllm-nxdi" / "llama" / "inside").mkdir(parents=True)
    text = LLAMA.replace("meta-llama/Llama-2-7b-hf", model_id)
    found = made("vllm-nxdi", text, {"run.sh": RUN.format(options)} if options else {})
    wanted = mounted.replace("HERE", str(found.state.full_path))
    assert found.state.weights == wanted
    assert [one.host for one in found.launch.mounts if one.inside == "/model"] == ([wanted] if wanted else [])
    assert found.launch.words[2] == ("/model" if wanted else model_id)
    assert (f"here {wanted} of the host is mounted" in row(found, "option.model_id").says) == bool(wanted)


def test_a_config_of_a_folder_that_names_another_model_is_not_the_model(made: Make) -> None:
    found = made("vllm-nxdi", LLAMA, {"config.json": '{"model_type": "opt"}'})
    assert found.launch.words[2] == "meta-llama/Llama-2-7b-hf"
    assert row(found, "config.json").verdict is Verdict.BUILT_IN
    own = made("vllm-nxdi", LLAMA.replace("option.model_id=meta-llama/Llama-2-7b-hf\n", ""), {"config.json": "{broken"})
    assert own.state.weights == str(own.state.full_path)


@pytest.mark.parametrize("to", ["vllm-nxdi", "lmi-vllm"])
@pytest.mark.parametrize(
    ("model_id", "options", "mounted"),
    [
        (".", "", ""),
        ("./", "-v /data/other:/opt/ml/model", ""),
        ("/opt/ml/model", "", ""),  # as SageMaker unpacks it
        ("/opt/ml/model/", "-v $PWD:/opt/ml/model", ""),
        ("/opt/ml/model/llama", "", ""),
        ("/opt/ml/model/llama", "-v $PWD:/opt/ml/model", ""),
        ("/opt/ml/model/llama", "-v HERE/:/opt/ml/model/llama:ro", ""),
        ("/opt/ml/model/llama", "-v HERE/..:/opt/ml/model", ""),
        ("/opt/ml/model", "-v /data/llama:/opt/ml/model", "/data/llama"),
        ("/opt/ml/model/llama", "-v /data:/opt/ml/model", "/data/llama"),
        ("/opt/ml/model/llama2", "", "./weights"),
        ("mycorp/llama", "", None),
    ],
)
def test_a_name_of_the_folder_itself_names_no_other_model(
    made: Make, tmp_path: Path, to: str, model_id: str, options: str, mounted: str | None
) -> None:
    here = str(tmp_path / to / "llama")
    files = {"config.json": '{"model_type": "llama"}', "run.sh": RUN.format(options.replace("HERE", here))}
    found = made(to, LLAMA.replace("meta-llama/Llama-2-7b-hf", model_id), files)
    wanted = here if mounted == "" else mounted
    assert [one.host for one in found.launch.mounts if one.inside == "/model"] == ([wanted] if wanted else [])
    assert (row(found, "config.json").says == "a line names another model") == (wanted != here)
    assert found.state.model_id == (here if wanted == here else model_id)


def test_scripts_that_mount_other_weights_are_two(made: Make) -> None:
    text = LLAMA.replace("meta-llama/Llama-2-7b-hf", "/weights/7b")
    scripts = {"a.sh": RUN.format("-v /data/a:/weights -v /x:/cache"), "b.sh": RUN.format("-v /data/b:/weights")}
    with pytest.raises(FolderError, match="2 containers with other variables or mounts each: give a file"):
        made("vllm-nxdi", text, scripts)
    assert made("vllm-nxdi", text, files=["a.sh"]).state.weights == "/data/a/7b"
    same = scripts["a.sh"].replace("/x:", "/y:").replace("/data/a:/weights", "/data/a/7b:/weights/7b")
    assert made("vllm-nxdi", text, {"b.sh": same}).state.weights == "/data/a/7b"
    assert made("vllm-nxdi", LLAMA, scripts).state.weights == ""  # where none of them counts


def test_the_folder_s_own_script_counts_unless_another_is_given(made: Make) -> None:
    scripts = {"run.sh": RUN.format("-e MINE=1"), "other.sh": RUN.format("-e MINE=2 -e OPTION_N_POSITIONS=64")}
    text = LLAMA.replace("option.n_positions=2048\n", "")
    assert made("vllm-nxdi", text, {"run.sh": scripts["run.sh"]}).launch.environment["MINE"] == "1"
    found = made("vllm-nxdi", text, scripts, files=["other.sh"])
    assert found.launch.environment["MINE"] == "2"
    assert found.state.positions == 64
    with pytest.raises(FolderError, match="2 containers with other variables or mounts each"):
        made("vllm-nxdi", text)


def test_the_new_container_keeps_its_own_cache_and_no_secret_is_written_down(made: Make) -> None:
    options = "-e HF_HOME=/root/hf -e TRANSFORMERS_CACHE=/x -e TOKENIZERS_PARALLELISM=false -e MAX_TOKENS=9"
    text = LLAMA + "option.env=API_TOKENS=one,LENGTH_TOKENS=7\noption.auth_tokens=two\noption.max_new_tokens=8\n"
    found = made("vllm-nxdi", text, {"run.sh": RUN.format(f"{options} -e apikey=one -e db_passwd=two")})
    assert {"API_TOKENS": None, "LENGTH_TOKENS": "7"}.items() <= found.launch.environment.items()
    assert row(found, "option.auth_tokens").what == "option.auth_tokens=..."
    assert row(found, "option.max_new_tokens").what == "option.max_new_tokens=8"
    wanted = {"HF_HOME": "/cache/huggingface", "TOKENIZERS_PARALLELISM": "false", "MAX_TOKENS": "9", "apikey": None}
    assert wanted.items() <= found.launch.environment.items()
    assert "TRANSFORMERS_CACHE" not in found.launch.environment
    assert row(found, "HF_HOME").verdict is Verdict.BUILT_IN
    assert not any(word in text for text in found.files().values() for word in ("=one", "=two"))


def test_a_length_beyond_the_model_s_own_is_said(made: Make) -> None:
    text = LLAMA.replace("=2048", "=8192")
    assert row(made("lmi-vllm", text), "8192 positions").verdict is Verdict.NONE
    plugin = row(made("vllm-nxdi", text), "8192 positions")
    assert "the Neuron plugin takes that check away" in plugin.says
    assert (plugin.source, plugin.sure) == (catalog.successor_sources()["vn"], "source")
    fork = made("vllm-nxdi", text, image="0.9.1-neuronx-py311-sdk2.26.1-ubuntu22.04")  # without that plugin
    for found in (fork, made("optimum", text), made("vllm-neuron", text)):
        unknown = row(found, "8192 positions")
        assert unknown.says.endswith("whether it refuses there, nobody here knows")
        assert (unknown.verdict, unknown.sure) == (Verdict.CHANGED, "inferred")
    assert not [one for one in made("lmi-vllm").rows if one.what.endswith(" positions")]


@pytest.mark.parametrize(("degree", "pods"), [(1, 12), (3, 6), (8, 3), (24, 1)])
def test_as_many_replicas_as_whole_devices_allow(made: Make, degree: int, pods: int) -> None:
    found = made("vllm-nxdi", LLAMA.replace("degree=8", f"degree={degree}"))
    text = found.files()["kubernetes.yaml"]
    assert next(yaml.safe_load_all(text))["spec"]["replicas"] == pods
    assert (f"it holds {pods}" in text.replace("\n# ", " ")) == (24 // degree > pods)


def test_keys_of_another_engine_are_not_called_unread(made: Make) -> None:
    asked = "option.max_model_len=4096\n"
    assert row(made("vllm-nxdi", LLAMA + asked), "option.max_model_len").verdict is Verdict.BUILT_IN
    text = LLAMA.replace("rolling_batch=auto", "rolling_batch=vllm")
    assert row(made("vllm-nxdi", text + asked), "option.max_model_len").verdict is Verdict.NONE


@pytest.mark.parametrize("to", ["vllm-nxdi", "lmi-vllm"])
def test_a_plain_draft_model_has_no_successor(made: Make, to: str) -> None:
    text = LLAMA + "option.speculative_draft_model=meta-llama/Llama-3.2-1B\noption.speculative_length=4\n"
    found = made(to, text)
    assert {one.what.partition("=")[0] for one in found.lost} == {
        "option.speculative_draft_model",
        "option.speculative_length",
    }


def test_sampling_beside_the_prompts_is_model_py_s_to_read_and_nobody_else_s(made: Make, tmp_path: Path) -> None:
    body = {"text": ["Hi"], "seq_length": 50, "temperature": 0.5, "top_k": 3, "max_tokens": 9}
    own = made("vllm-nxdi", OPT, {"model.py": "def handle(inputs): ...\n", **curl(body)}, settings=Settings())
    (one,) = own.requests
    assert {"temperature": 0.5, "top_k": 3, "top_p": 1.0}.items() <= one.body.items()
    assert one.total == 50
    assert row(own, "max_tokens").verdict is Verdict.NONE
    (tmp_path / "vllm-nxdi" / "llama" / "model.py").unlink()
    found = made("vllm-nxdi", LLAMA, curl({"inputs": "Hi", "temperature": 0.5, "max_tokens": 9}))
    assert found.requests[0].body == {"model": "llama", "prompt": "Hi", "temperature": 0, "max_tokens": 30}
    for name in ("temperature", "max_tokens"):
        assert row(found, name).verdict is Verdict.BUILT_IN
        assert row(found, name).says == "DJL's handler reads no such field beside `inputs`: nothing is lost"


def test_int8_that_is_left_out_of_the_new_properties_is_lost(made: Make) -> None:
    found = made("lmi-vllm", LLAMA + "option.quantize=static_int8\n")
    assert [one.what for one in found.lost] == ["option.quantize=static_int8"]
    assert "option.quantize" not in found.launch.properties


def test_values_of_the_new_properties_read_back_as_they_were(made: Make) -> None:
    text = LLAMA.replace("meta-llama/Llama-2-7b-hf", r"/d\u00e9\\x") + "option.revision=a\\\\b\n"
    properties = made("lmi-vllm", text, settings=Settings(profile="djl-0.34")).files()["llama/serving.properties"]
    assert parse_properties(properties).values()["option.revision"] == "a\\b"


def test_what_migrate_wrote_is_not_migrated_again(made: Make, tmp_path: Path) -> None:
    made("vllm-nxdi").write(tmp_path / "out")
    with pytest.raises(FolderError, match="migrate the folder that it came from"):
        migrate(tmp_path / "out", to="optimum")


def test_a_place_where_no_folder_can_be_made_is_one_sentence(
    made: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, place = made("vllm-nxdi"), tmp_path / "file"
    place.touch()
    for out in (place / "out", Path("/proc/out"), place):
        with pytest.raises(SettingsError, match=r"name a(nother| new folder)"):
            found.write(out)
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    assert (found.write(tmp_path / "link")[0]).is_file()
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "stand").mkdir()
    monkeypatch.chdir(tmp_path / "stand")
    with pytest.raises(SettingsError, match="is where you stand"):
        found.write(Path())


def test_an_unknown_target_or_image_names_the_known_ones(made: Make, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="vllm-nxdi, optimum, vllm-neuron, lmi-vllm"):
        made("tgi")
    with pytest.raises(SettingsError, match=r"sdk2\.28\.0"):
        made("vllm-nxdi", image="latest")
    with pytest.raises(FolderError, match="no such model folder"):
        migrate(tmp_path / "nothing", to="optimum")


def test_an_image_may_be_named_with_its_registry(made: Make) -> None:
    name = "registry.example/neuron/pytorch-inference-vllm-neuronx:0.16.0-neuronx-py312-sdk2.31.1-ubuntu24.04"
    assert f"{name} \\" in made("vllm-nxdi", image=name).files()["command.sh"]


def test_the_command_ends_with_a_verdict_and_its_code(made: Make, tmp_path: Path) -> None:
    folder = made("optimum").state.full_path
    words = ["migrate", str(folder), "--profile", "lmi-0.30", "--to"]
    good = CliRunner().invoke(app, [*words, "optimum", "--out", str(tmp_path / "out")])
    assert good.exit_code == 0, good.output
    assert good.output.splitlines()[-1].startswith("everything in use has a successor")
    assert (tmp_path / "out" / "compose.yaml").is_file()
    lost = CliRunner().invoke(app, [*words, "vllm-neuron"])
    assert lost.exit_code == 1
    assert "no successor for inf2.48xlarge" in lost.output
    shown = CliRunner().invoke(app, [*words, "optimum", "--json"])
    assert json.loads(shown.output)["to"] == "optimum"
    refused = CliRunner().invoke(app, [*words, "tgi"])
    assert refused.exit_code == 2
    assert "use one of" in refused.stderr
