"""inf2lab.planning's requests: models by name or folder, spellings, and errors for what is no value at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inf2lab import Settings, catalog
from inf2lab.errors import SettingsError
from inf2lab.planning.request import model_of, request_for
from inf2lab.planning.request import request_of as request_of_settings

if TYPE_CHECKING:
    from .conftest import RequestOf

OPT_CONFIG = {
    "model_type": "opt",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "ffn_dim": 256,
    "vocab_size": 100,
    "max_position_embeddings": 512,
}


def write_config(folder: Path, **changes: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(OPT_CONFIG | changes))
    return folder


def test_a_folder_is_read_from_its_config(tmp_path: Path) -> None:
    dims = request_for(str(write_config(tmp_path))).model
    assert (dims.architecture, dims.hidden, dims.layers, dims.heads, dims.max_positions) == ("opt", 64, 2, 4, 512)


def test_a_stand_in_is_planned_as_the_model_it_stands_for(tmp_path: Path) -> None:
    named = {
        **{key: OPT_CONFIG[key] for key in OPT_CONFIG if key != "model_type"},
        "hidden_size": 5120,
        "name": "facebook/opt-13b",
    }
    dims, _ = model_of(str(write_config(tmp_path, rehearsal_stands_for=named)))
    assert (dims.name, dims.hidden) == ("facebook/opt-13b", 5120)


def test_a_mistral_folder_is_planned_with_llamas_layers(tmp_path: Path) -> None:
    sizes = {"intermediate_size": 256, "num_key_value_heads": 2}
    dims, config = model_of(str(write_config(tmp_path, model_type="mistral", **sizes)))
    assert (dims.architecture, dims.kv_heads, config["model_type"]) == ("llama", 2, "mistral")


def test_the_models_own_repository_folder_is_planned() -> None:
    folder = Path(__file__).resolve().parents[3] / "models" / "tiny-opt"
    assert model_of(str(folder))[0].architecture == "opt"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not a model's configuration"),
        ("[]", "is not a model's configuration"),
        ('{"model_type": "xlnet"}', "unknown architecture 'xlnet'"),
        ('{"model_type": "t5"}', "no release serves `t5`; it runs today on optimum-neuron"),
        ('{"model_type": "opt"}', "needs `hidden_size`"),
    ],
)
def test_a_config_that_cannot_be_used_says_why(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(SettingsError, match=said):
        model_of(str(tmp_path))


def test_a_folder_without_a_config_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"this folder has no config\.json"):
        model_of(str(tmp_path))


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"tensor_parallel_degree": 0}, "tensor_parallel_degree=0: must be 1 or more"),
        ({"batch_size": -1}, "batch_size=-1: must be 1 or more"),
        ({"n_positions": 0}, "n_positions=0: must be 1 or more"),
        ({"input_tokens": -1}, "input=-1: must not be negative"),
        ({"dtype": "f8"}, "dtype='f8': use one of f32, f16, bf16"),
        ({"weights": "int4"}, "weights='int4': use int8"),
        ({"instance": "p4d.24xlarge"}, "instance='p4d.24xlarge': not in the catalog"),
        ({"profile": "djl-0.35"}, "removed its Neuron code"),
        ({"model": "opt-14b"}, "did you mean"),
    ],
    ids=str,
)
def test_what_is_no_value_is_refused_with_the_remedy(choices: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        request_for(**({"model": "opt-13b"} | choices))


def test_the_spelling_of_published_tables_is_understood(request_of: RequestOf) -> None:
    asked = request_of("Llama-2-13b", instance="Inf2.48xlarge", dtype="BF16")
    assert (asked.model.name, asked.instance, asked.dtype) == ("meta-llama/Llama-2-13b-hf", "inf2.48xlarge", "bf16")


def test_the_handlers_spelling_of_a_dtype_is_understood(request_of: RequestOf) -> None:
    assert request_of(dtype="fp16").dtype == "f16"


@pytest.mark.parametrize(("profile", "stored"), [("seed-0.21", "u8"), ("djl-0.25", "s8")])
def test_int8_is_what_the_generation_stores(request_of: RequestOf, profile: str, stored: str) -> None:
    assert request_of(profile=profile, weights="int8").matrix_dtype == stored
    assert request_of(profile=profile).matrix_dtype is None


@pytest.mark.parametrize("profile", catalog.profiles())
def test_every_profile_has_rules_to_plan_with(request_of: RequestOf, profile: str) -> None:
    assert request_of(profile=profile).generation.documented_degrees["inf2"]


def test_lengths_are_half_and_half_unless_given(request_of: RequestOf) -> None:
    assert request_of(n_positions=2047).lengths == (1023, 1024)
    assert request_of(input_tokens=64, output_tokens=128).lengths == (64, 128)


def test_settings_make_the_request_of_their_values() -> None:
    made = request_of_settings(Settings(tensor_parallel_degree=8, batch_size=4, n_positions=1024, dtype="bf16"))
    found = (made.model.name, made.instance, made.tensor_parallel_degree, made.batch_size, made.n_positions, made.dtype)
    assert found == ("facebook/opt-13b", "inf2.48xlarge", 8, 4, 1024, "bf16")


def test_parameters_are_the_checkpoints_where_the_catalog_knows_them(request_of: RequestOf, tmp_path: Path) -> None:
    assert request_of("llama-2-7b").parameters == 6_738_415_616
    own = request_for(str(write_config(tmp_path)))
    assert own.parameters == own.model.parameters
