"""`inf2lab plan`: the issue's own line, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from inf2lab.cli import app

ISSUE = [
    *(
        "plan",
        "--model",
        "opt-13b",
        "--instance",
        "inf2.48xlarge",
        "--tp",
        "2",
        "--batch",
        "2",
        "--n-positions",
        "2048",
    ),
    *("--input", "64", "--output", "128", "--dtype", "f16", "--profile", "djl-0.25", "--json"),
]


def run(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "300", "NO_COLOR": "1"}).invoke(app, list(words))


def test_the_issues_line_gives_json() -> None:
    result = run(*ISSUE)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["workers"], found["memory"]["verdict"], found["decode"]["basis"]) == (12, "fits", "extrapolated")


def test_a_folder_with_a_config_is_a_model(tmp_path: Path) -> None:
    config = {"model_type": "opt", "hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40}
    config |= {"ffn_dim": 20480, "vocab_size": 50272, "max_position_embeddings": 2048}
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = [str(tmp_path) if word == "opt-13b" else word for word in ISSUE]
    named, own = (json.loads(run(*asked).stdout) for asked in (ISSUE, words))
    for part in ("tensor_parallel", "memory", "decode", "devices", "workers", "cost"):
        assert own[part] == named[part]


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("tensor_parallel", {"legal", "reasons"}),
        ("memory", {"verdict", "per_core_gib"}),
        ("memory.per_core_gib", {"weights", "kv_cache", "padding", "reserve"}),
        ("decode", {"ms_per_token", "basis"}),
        ("decode.ms_per_token", {"low", "mid", "high"}),
        ("cost.usd_per_million_tokens", {"low", "mid", "high"}),
        ("", {"devices", "workers"}),
    ],
)
def test_the_keys_that_were_promised(path: str, keys: set[str]) -> None:
    found = json.loads(run(*ISSUE).stdout)
    for name in filter(None, path.split(".")):
        found = found[name]
    assert keys <= set(found)


def test_int8_weights_take_half_the_room() -> None:
    full, half = (
        json.loads(run(*ISSUE, *more).stdout)["memory"]["per_core_gib"] for more in ((), ("--weights", "int8"))
    )
    assert half["weights"] == pytest.approx(full["weights"] / 2, rel=0.03)
    assert half["kv_cache"] == full["kv_cache"]


def test_a_person_gets_a_table() -> None:
    result = run("plan", "--model", "opt-13b", "--tp", "8", "--devices", "0,10,2,4,6,8,1,11")
    assert result.exit_code == 0
    assert "not neighbours" in result.stdout
    assert "the vendor's calculator" in result.stdout


@pytest.mark.parametrize(("more", "code"), [((), 0), (("--check",), 1)])
def test_a_plan_that_cannot_be_served_ends_with_1_where_that_is_asked(more: tuple[str, ...], code: int) -> None:
    assert run("plan", "--model", "opt-13b", "--tp", "3", *more).exit_code == code


@pytest.mark.parametrize(
    "words",
    [("--model", "opt-14b"), ("--devices", "x"), ("--price-basis", "spot"), ("--profile", "djl-0.35"), ("--tp", "0")],
    ids=" ".join,
)
def test_what_could_not_be_planned_is_one_sentence_and_code_2(words: tuple[str, ...]) -> None:
    result = run("plan", *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("inf2lab: ")
    assert result.stderr.count("\n") == 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that states a model and its degree, and the script that starts it."""
    made = tmp_path / "m"
    made.mkdir()
    (made / "serving.properties").write_text("option.model_id=facebook/opt-13b\noption.tensor_parallel_degree=8\n")
    words = "-e OPTION_TENSOR_PARALLEL_DEGREE=2 -e OPTION_DTYPE=bf16 -e OPTION_N_POSITIONS=1024"
    (tmp_path / "run.sh").write_text(f"docker run {words} deepjavalibrary/djl-serving:0.25.0-pytorch-inf2\n")
    return made


def test_a_folder_is_planned_as_its_command_starts_it(folder: Path) -> None:
    """The file wins over the command's variables, which win over the defaults; an option of the plan wins over both."""
    found = json.loads(run("plan", str(folder), str(folder.parent / "run.sh"), "--batch", "4", "--json").stdout)
    asked = found["request"]
    assert (asked["model"], asked["tensor_parallel_degree"], asked["batch_size"]) == ("facebook/opt-13b", 8, 4)
    assert (asked["dtype"], asked["n_positions"]) == ("bf16", 1024)
    assert found["given"] == ["OPTION_DTYPE=bf16 (run.sh:1)", "OPTION_N_POSITIONS=1024 (run.sh:1)"]


def test_a_folder_without_a_command_has_its_releases_defaults(folder: Path) -> None:
    asked = json.loads(run("plan", str(folder), "--json").stdout)["request"]
    assert (asked["dtype"], asked["n_positions"]) == ("f32", 128)


def test_a_bad_value_of_a_command_is_named_with_its_place(folder: Path) -> None:
    (folder.parent / "run.sh").write_text("docker run -e OPTION_N_POSITIONS=many djl\n")
    result = run("plan", str(folder), str(folder.parent / "run.sh"))
    assert result.exit_code == 2
    assert "run.sh:1: OPTION_N_POSITIONS=many: write a number from 1 on" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "Qwen/Qwen2.5-7B"), "not on this stack"),
        (("--model", "mistralai/Mistral-7B-v0.1", "--check"), "take djl-0.26 or a later profile"),
        (("--model", "gpt-j-6b", "--weights", "int8", "--check"), "stores no int8 weights for GPT-J"),
    ],
    ids=" ".join,
)
def test_a_model_that_cannot_be_served_is_refused_with_the_way_out(words: tuple[str, ...], said: str) -> None:
    result = run("plan", *words)
    assert result.exit_code != 0
    assert said in " ".join((result.stdout + result.stderr).split())
