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
