"""What stands beside the rules' own examples: other spellings of the same mistake, and where the remedy is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from inf2lab.lint import Target, lint, render
from inf2lab.lint.finding import Severity
from tests.inf2lab.lint.conftest import Lint, Write, told

OPT = (
    "engine=Python\noption.entryPoint=djl_python.transformers_neuronx\noption.model_id=facebook/opt-1.3b\n"
    "option.tensor_parallel_degree=2\noption.n_positions=2048\noption.dtype=fp16\noption.model_loading_timeout=7200\n"
)


def remedies(lint_files: Lint, text: str, code: str, profile: str = "djl-0.25") -> list[tuple[str, str]]:
    """Severity and remedy of each finding of one rule."""
    found = lint_files(text, profile, "inf2.8xlarge", "m").findings
    return [(str(one.severity), one.fix) for one in found if one.rule == code]


@pytest.mark.parametrize("key", ["options.dtype", "option_dtype", "OPTION_DTYPE", "option.torch_dtype", "dtyp"])
def test_a_key_in_another_prefix_or_anothers_words_is_named_as_it_is_read(key: str, lint_files: Lint) -> None:
    text = OPT.replace("option.dtype", key)
    assert remedies(lint_files, text, "K002") == [("warning", "did you mean `option.dtype`?")]


@pytest.mark.parametrize(
    ("key", "meant"),
    [("tp_degree", "tensor_parallel_degree"), ("max_model_len", "n_positions"), ("max_num_seqs", "batch_size")],
)
def test_words_of_other_servers_are_known(key: str, meant: str, lint_files: Lint) -> None:
    assert remedies(lint_files, f"{OPT}option.{key}=2\n", "K002") == [("warning", f"did you mean `option.{meant}`?")]


@pytest.mark.parametrize("said", ["rolling_batch=vllm", "rolling_batch=lmi-dist", "model_loader=nxdi"])
@pytest.mark.parametrize("profile", ["djl-0.26", "djl-0.34"])
def test_keys_of_another_engine_are_not_translated(said: str, profile: str, lint_files: Lint) -> None:
    text = f"option.model_id=facebook/opt-1.3b\noption.{said}\n"
    text += "".join(f"option.{key}=4\n" for key in ("max_model_len", "max_num_seqs", "speculative_model"))
    found = remedies(lint_files, f"{text}options.dtype=fp16\n", "K002", profile)
    assert [severity for severity, _ in found] == ["note"] * 3 + ["warning"]
    assert ["did you mean" in fix for _, fix in found] == [False] * 3 + [True]


@pytest.mark.parametrize(
    ("name", "profile", "fix"),
    [
        ("TP_DEGREE", "djl-0.25", "did you mean `OPTION_TENSOR_PARALLEL_DEGREE`?"),
        ("ENTRY_POINT", "djl-0.25", "did you mean `OPTION_ENTRYPOINT`?"),
        ("ENTRY_POINT", "djl-0.24", "write `option.entryPoint` in serving.properties"),
        ("PYTHON_EXECUTABLE", "djl-0.34", "write `option.pythonExecutable` in serving.properties"),
        ("MIN_WORKERS", "djl-0.34", "write `minWorkers` in serving.properties"),
        ("MAX_BATCH_DELAYS", "djl-0.25", "write `max_batch_delay` in serving.properties"),
        ("ENGINES", "djl-0.26", "write `engine` in serving.properties"),
        ("ENGINES", "djl-0.27", "did you mean `OPTION_ENGINE`?"),
    ],
)
def test_a_variable_is_named_only_where_it_becomes_the_key(name: str, profile: str, fix: str, lint_files: Lint) -> None:
    run = f"docker run --device /dev/neuron0 -e OPTION_{name}=2 deepjavalibrary/djl-serving:0.25.0-pytorch-inf2\n"
    found = lint_files({"serving.properties": OPT, "run.sh": run}, profile, "inf2.8xlarge", "m").findings
    assert [one.fix for one in found if one.rule == "K002"] == [fix]


@pytest.mark.parametrize("right", ["option.minWorkers", "option.nc.maxWorkers", "minWorkers"])
def test_workers_in_another_case_are_not_seen(right: str, lint_files: Lint) -> None:
    assert remedies(lint_files, f"{OPT}{right.lower()}=1\n", "K004") == [("error", f"write `{right}`")]
    assert remedies(lint_files, f"{OPT}{right}=1\n", "K004") == []


def test_a_variable_gives_no_workers(lint_files: Lint) -> None:
    run = "docker run --device /dev/neuron0 -e OPTION_MINWORKERS=2 deepjavalibrary/djl-serving:0.25.0-pytorch-inf2\n"
    found = lint_files({"serving.properties": OPT, "run.sh": run}, "djl-0.25", "inf2.8xlarge", "m").findings
    assert [one.fix for one in found if one.rule.startswith("K")] == ["write `option.minWorkers`"]


@pytest.mark.parametrize(
    ("word", "right"),
    [("float16", "fp16"), ("HALF", "fp16"), ("torch.bfloat16", "bf16"), ('"fp16"', "fp16"), ("f32", "fp32")],
)
def test_a_number_format_in_pytorchs_words_is_translated(word: str, right: str, lint_files: Lint) -> None:
    assert remedies(lint_files, OPT.replace("fp16", word), "D001") == [("error", f"write `{right}`")]


@pytest.mark.parametrize("word", ["int8", "auto"])
def test_what_is_no_number_format_is_not_translated(word: str, lint_files: Lint) -> None:
    ((_, fix),) = remedies(lint_files, OPT.replace("fp16", word), "D001")
    assert "write `" not in fix


def test_a_format_that_the_release_has_not_is_not_proposed(lint_files: Lint) -> None:
    text = OPT.replace("fp16", "bfloat16").replace("transformers_n", "transformer-n")
    ((_, fix),) = remedies(lint_files, text, "D001", "seed-0.21")
    assert "bf16" not in fix


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be"])
def test_a_file_from_powershell_is_one_finding_and_is_not_mended(codec: str, write: Write) -> None:
    folder = write(OPT, "m")
    file = folder / "serving.properties"
    written = ("\ufeff" if codec.endswith("be") else "") + OPT
    file.write_bytes(written.encode(codec))
    before = file.read_bytes()
    report = lint(folder, Target("djl-0.25", "inf2.8xlarge"), fix=True)
    assert [told(one) for one in report.findings] == [
        "serving.properties:1 the file is UTF-16, of which Java reads no key"
    ]
    assert (file.read_bytes(), report.fixed) == (before, 0)


def test_what_a_file_from_powershell_means_is_judged_too(write: Write) -> None:
    folder = write(OPT, "m")
    (folder / "serving.properties").write_bytes(OPT.replace("=2\n", "=3\n").encode("utf-16"))
    rules = [one.rule for one in lint(folder, Target("djl-0.25", "inf2.48xlarge")).findings]
    assert rules == ["P007", "T001"]


def test_a_block_as_in_yaml_is_called_so(lint_files: Lint) -> None:
    found = lint_files("engine: Python\noption:\n  model_id: facebook/opt-1.3b\n").findings
    assert "serving.properties:2 `option` opens no block: this is no YAML" in map(told, found)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("https://huggingface.co/facebook/opt-1.3b", "write `facebook/opt-1.3b`"),
        ("facebook/opt-1.3b/", "write `facebook/opt-1.3b`"),
        ("opt-1.3b", "write `facebook/opt-1.3b`"),
        ("Llama-2-7b", "write `meta-llama/Llama-2-7b-hf`"),
        ("llama-2-7b-hf", "write `meta-llama/Llama-2-7b-hf`"),
        ("meta-llama/Llama-2-13b-chat", "write `meta-llama/Llama-2-13b-chat-hf`"),
    ],
)
def test_a_name_that_the_hub_lacks_is_given_as_it_has_it(name: str, right: str, lint_files: Lint) -> None:
    assert remedies(lint_files, OPT.replace("facebook/opt-1.3b", name), "I006") == [("error", right)]


@pytest.mark.parametrize("name", ["gpt2", "./opt", "/opt/ml/weights", "s3://bucket/opt/", "strange/new", "$MODEL"])
def test_other_names_are_left_alone(name: str, lint_files: Lint) -> None:
    assert remedies(lint_files, OPT.replace("facebook/opt-1.3b", name), "I006") == []


@pytest.mark.parametrize(
    "name",
    ["Llama-2-7b-chat-hf", "Llama-2-7b-chat", "Meta-Llama-3-8B-Instruct", "mistral-7b-instruct", "opt-13b-split"],
)
def test_the_base_does_not_stand_in_for_another_model(name: str, write: Write) -> None:
    folder = write(OPT.replace("facebook/opt-1.3b", name), "m")
    report = lint(folder, Target("djl-0.25", "inf2.8xlarge"), fix=True)
    assert "I006" not in [one.rule for one in report.findings]
    assert f"option.model_id={name}\n" in (folder / "serving.properties").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "target", "rules"),
    [
        ("weights/opt-13b/fp16", "m/weights", []),
        ("weights/opt-13b/fp16", "m/weights/opt-13b/", []),
        ("opt-13b", "other/opt-13b", []),
        ("opt-13b", "opt-13b", ["I006"]),
        ("weights/opt-13b/fp16", "m/weight", ["I006"]),
    ],
)
def test_what_is_mounted_inside_the_folder_is_no_name(
    name: str, target: str, rules: list[str], lint_files: Lint
) -> None:
    run = (
        f"docker run --device /dev/neuron0 -v $PWD:/opt/ml/model/m -v /data:/opt/ml/model/{target} "
        "deepjavalibrary/djl-serving:0.25.0-pytorch-inf2\n"
    )
    files = {"serving.properties": OPT.replace("facebook/opt-1.3b", name), "run.sh": run}
    found = lint_files(files, "djl-0.25", "inf2.8xlarge", "m").findings
    assert [one.rule for one in found if one.rule == "I006"] == rules


def test_a_folder_inside_the_folder_is_no_name(write: Write) -> None:
    folder = write(OPT.replace("facebook/opt-1.3b", "opt-1.3b"), "m")
    (folder / "opt-1.3b").mkdir()
    assert "I006" not in [one.rule for one in lint(folder, Target()).findings]


@pytest.mark.parametrize(
    "name", ["TheBloke/Llama-2-7B-Chat-AWQ", "TheBloke/Llama-2-7B-GGUF", "TheBloke/Mistral-7B-GPTQ"]
)
def test_a_checkpoint_that_is_stored_for_a_gpu_is_refused(name: str, lint_files: Lint) -> None:
    found = lint_files(OPT.replace("facebook/opt-1.3b", name), "djl-0.34", "inf2.8xlarge", "m").findings
    assert [one.severity for one in found if "is stored in" in one.message] == [Severity.ERROR]


@pytest.mark.parametrize("name", ["google/flan-t5-xl", "bert-base-uncased", "openai/whisper-large"])
def test_a_family_that_no_release_serves_is_said_to_run_elsewhere(name: str, lint_files: Lint) -> None:
    ((_, fix),) = remedies(lint_files, OPT.replace("facebook/opt-1.3b", name), "I004", "djl-0.34")
    assert "optimum-neuron" in fix


def test_a_file_of_variables_is_named_where_it_lies_and_told_once(write: Write, tmp_path: Path) -> None:
    folder = write("engine=Python\n", "m")
    (tmp_path / "m.env").write_text("OPTION_DTYPE=f16\n", encoding="utf-8")
    run = tmp_path / "run.sh"
    run.write_text("docker run --env-file m.env deepjavalibrary/djl-serving:0.25.0-pytorch-inf2\n", encoding="utf-8")
    found = lint(folder, Target(), also=[run, tmp_path / "m.env"]).findings
    assert [one.file for one in found if one.rule == "D001"] == [str(tmp_path / "m.env")]


def test_a_time_by_option_variable_is_said_to_have_no_effect(lint_files: Lint) -> None:
    run = "docker run -e OPTION_MODEL_LOADING_TIMEOUT=60 deepjavalibrary/djl-serving:0.25.0-pytorch-inf2\n"
    found = lint_files({"serving.properties": OPT, "run.sh": run}, "djl-0.25", "inf2.8xlarge", "m").findings
    assert [one.rule for one in found if "OPTION_MODEL_LOADING_TIMEOUT=60` has no effect" in one.message] == ["K006"]


def test_too_few_devices_are_mended_where_the_file_says_them(lint_files: Lint) -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: deepjavalibrary/djl-serving:0.25.0-pytorch-inf2\n"
        "    env: [{name: OPTION_TENSOR_PARALLEL_DEGREE, value: '4'}]\n"
        "    resources: {limits: {aws.amazon.com/neuron: 1}}\n"
    )
    files = {"serving.properties": OPT.replace("option.tensor_parallel_degree=2\n", ""), "docker-compose.yml": pod}
    found = lint_files(files, "djl-0.25", "inf2.48xlarge", "m").findings
    assert ["aws.amazon.com/neuron" in one.fix for one in found if one.rule == "S002"] == [True]


def test_errors_are_read_first(lint_files: Lint) -> None:
    report = lint_files(OPT.replace("2048", "512") + "option.quantize=awq\nminWorkers=-1\n")
    lines = render([report]).splitlines()
    order = [str(severity) for severity in Severity]
    said = [next(word for word in order if f" {word} " in line) for line in lines[:-1]]
    assert said == sorted(said, key=order.index)
    assert len(set(said)) == len(order)
