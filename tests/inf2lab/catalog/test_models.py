"""inf2lab.catalog's models: dimensions that add up to the checkpoint's parameters, and names as people write them."""

from __future__ import annotations

import pytest

from inf2lab import catalog
from inf2lab.errors import SettingsError
from neuron_rules import ModelDims

# KV cache of one token of one sequence in f16, bytes: facts of Inferentia2, section (e)
KV_BYTES = {
    "facebook/opt-13b": 819_200,
    "facebook/opt-30b": 1_376_256,
    "facebook/opt-66b": 2_359_296,
    "meta-llama/Llama-2-7b-hf": 524_288,
    "meta-llama/Llama-2-13b-hf": 819_200,
    "meta-llama/Llama-2-70b-hf": 327_680,
    "meta-llama/Meta-Llama-3-70B": 327_680,
    "meta-llama/Meta-Llama-3-8B": 131_072,
    "mistralai/Mistral-7B-Instruct-v0.2": 131_072,
}


def tensors_beyond_the_rules(dims: ModelDims, tied: bool) -> int:
    """Parameters that the rules do not count: an output matrix of its own, BLOOM's norm after the embedding."""
    output = 0 if tied else dims.vocab * dims.hidden
    bias = dims.vocab if dims.family.lm_head_bias else 0
    return output + bias + (2 * dims.hidden if dims.architecture == "bloom" else 0)


def test_the_dimensions_make_the_checkpoints_parameters() -> None:
    entries = catalog.model_entries()
    made = {n: e.dims.parameters + tensors_beyond_the_rules(e.dims, e.tied) for n, e in entries.items()}
    assert made == {name: entry.parameters for name, entry in entries.items()}


def test_heads_divide_the_width_and_groups_divide_the_heads() -> None:
    dims = {name: catalog.model(name) for name in catalog.models()}
    assert [name for name, one in dims.items() if one.name != name] == []
    assert [name for name, one in dims.items() if one.hidden % one.heads or one.heads % one.kv_heads] == []


@pytest.mark.parametrize(("name", "size"), KV_BYTES.items())
def test_the_cache_of_a_token_is_the_known_one(name: str, size: int) -> None:
    dims = catalog.model(name)
    assert 2 * dims.layers * dims.kv_heads * dims.head_dim * 2 == size


@pytest.mark.parametrize(
    "family",
    ["facebook/opt", "gpt2", "gpt-j", "gpt-neox", "Llama-2", "Llama-3", "Mistral", "bloom", "CodeLlama", "SmolLM2"],
)
def test_the_families_people_serve_are_there(family: str) -> None:
    assert any(family in name for name in catalog.models())


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("opt-13b", "facebook/opt-13b"),
        ("OPT-13B", "facebook/opt-13b"),
        ("facebook/opt-13b", "facebook/opt-13b"),
        ("Llama-2-7b", "meta-llama/Llama-2-7b-hf"),
        ("llama-2-70b-chat-hf", "meta-llama/Llama-2-70b-hf"),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "meta-llama/Meta-Llama-3-8B"),
        ("llama-3-70b", "meta-llama/Meta-Llama-3-70B"),
        ("Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B"),
        ("CodeLlama-13b-hf", "codellama/CodeLlama-13b-hf"),
        ("Mistral-7B-Instruct-v0.2", "mistralai/Mistral-7B-Instruct-v0.2"),
        ("mistral-7b", "mistralai/Mistral-7B-v0.1"),
        ("gpt-j-6b", "EleutherAI/gpt-j-6b"),
        ("gpt2-xl", "gpt2-xl"),
        ("smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("SmolLM2-360M-Instruct", "HuggingFaceTB/SmolLM2-360M"),
    ],
)
def test_a_model_is_found_by_the_names_people_use(asked: str, found: str) -> None:
    assert catalog.find_model(asked).dims.name == found


def test_no_two_models_answer_to_one_short_name_unless_they_are_alike() -> None:
    for name in catalog.models():
        found = catalog.find_model(name.rpartition("/")[2])
        assert found.dims.name == name


def test_an_unknown_name_is_answered_with_the_near_ones() -> None:
    with pytest.raises(SettingsError, match=r"model='opt-14b': did you mean .*facebook/opt-13b.*config\.json"):
        catalog.find_model("opt-14b")


def test_mistral_is_planned_as_llama_and_keeps_its_own_type() -> None:
    entry = catalog.find_model("mistral-7b")
    assert (entry.dims.architecture, entry.config["model_type"]) == ("llama", "mistral")
