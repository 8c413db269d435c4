"""Which release reads which model: configurations against what each image has, with the way out."""

from __future__ import annotations

import pytest

from inf2lab import catalog
from inf2lab.catalog.facts import parse_version
from inf2lab.catalog.lookups import kinds_of, library_modules, model_kinds, other_models
from inf2lab.catalog.support import Obstacle, missing_from_library, obstacles, untried_context
from inf2lab.errors import SettingsError

# (model, profile): what stands in the way, as (words of it, words of the remedy); none where it is served.
CASES: dict[tuple[str, str], list[tuple[str, str]]] = {
    ("opt-13b", "seed-0.21"): [],
    ("llama-2-7b", "djl-0.24"): [],
    ("llama-2-7b", "djl-0.23"): [("no class for `llama`", "djl-0.24"), ("transformers-neuronx 0.5 on", "djl-0.24")],
    ("mistral-7b", "djl-0.26"): [],
    ("Mistral-7B-Instruct-v0.3", "djl-0.26"): [("sliding_window null", "djl-0.27")],
    ("Mistral-7B-Instruct-v0.3", "djl-0.27"): [],
    ("mixtral-8x7b", "djl-0.27"): [],
    ("Llama-3.1-8B", "lmi-0.30"): [],
    ("Llama-3.2-1B", "djl-0.29"): [("computed right from transformers-neuronx 0.12.313", "lmi-0.30")],
    ("Qwen2.5-7B-Instruct", "djl-0.34"): [("no generation of this stack serves `qwen2`", "it runs today on")],
    ("gemma-7b", "djl-0.25"): [("`gemma`", "a GPU")],
    ("starcoder2-15b", "djl-0.34"): [("`starcoder2`", "a GPU")],
}


def found(model: str, profile: str) -> tuple[Obstacle, ...]:
    """The obstacles of a model by name."""
    return obstacles(catalog.described(model) or {}, catalog.profile(profile))


@pytest.mark.parametrize(("model", "profile"), CASES)
def test_a_release_serves_a_model_or_says_both_versions_and_the_way_out(model: str, profile: str) -> None:
    expected = CASES[model, profile]
    got = found(model, profile)
    assert len(got) == len(expected)
    for obstacle, (said, remedy) in zip(got, expected, strict=True):
        assert said in obstacle.said
        assert remedy in obstacle.remedy


def test_what_only_computes_otherwise_does_not_keep_a_model_from_loading() -> None:
    assert [one.loads for one in found("Llama-3.2-1B", "djl-0.29")] == [True]


def test_every_model_is_of_a_kind() -> None:
    names = [*catalog.models(), *other_models()]
    assert [name for name in names if not kinds_of(catalog.described(name) or {})] == []


@pytest.mark.parametrize("name", model_kinds())
def test_a_kind_is_served_somewhere_or_says_where_it_runs(name: str) -> None:
    kind = model_kinds()[name]
    served = any(kind.model_type in profile.architectures for profile in catalog.profiles().values())
    assert served is not bool(kind.runs_on)
    assert all(parse_version(least) for least in (*kind.packages.values(), *kind.advised.values()))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("somebody/my-Qwen2.5-3B-tuned", "qwen2"),
        ("somebody/zephyr-7b-mine", "mistral"),
        ("s3://bucket/gemma-2-9b-it/", "gemma2"),
        ("somebody/llama-3_1-8b-lora", "llama"),
    ],
)
def test_a_model_that_is_listed_nowhere_is_guessed_by_its_name(name: str, kind: str) -> None:
    config = catalog.described(name)
    assert config is not None
    assert config["model_type"] == kind


def test_a_name_that_says_nothing_is_not_guessed() -> None:
    assert catalog.described("somebody/model") is None


@pytest.mark.parametrize("name", ["Qwen/Qwen3-8B", "tiiuae/falcon-40b-instruct", "microsoft/phi-2", "google/gemma-2b"])
def test_a_model_that_no_generation_serves_is_answered_with_where_it_runs(name: str) -> None:
    with pytest.raises(SettingsError, match=r"not on this stack: no release serves .*; it runs today on "):
        catalog.find_model(name)


def test_a_variant_that_the_library_refuses_is_not_on_this_stack() -> None:
    with pytest.raises(SettingsError, match="not on this stack: opt with do_layer_norm_before=False"):
        catalog.find_model("opt-350m")


@pytest.mark.parametrize(
    ("module", "name", "profile", "said"),
    [
        ("transformers_neuronx.llama.model", "LlamaForSampling", "djl-0.24", None),
        ("transformers_neuronx.llama.model", "LlamaForSampling", "djl-0.23", "came with 0.5"),
        ("transformers_neuronx", "NeuronAutoModelForCausalLM", "djl-0.26", "came with 0.10"),
        ("transformers_neuronx", "constants", "djl-0.25", None),
        ("transformers_neuronx.config", "ContinuousBatchingConfig", "djl-0.25", "came with 0.9"),
        ("transformers_neuronx.layers", "attention_hsb", "djl-0.28", None),
        ("transformers_neuronx.layers", "attention_hsb", "djl-0.29", "went with 0.11"),
        ("transformers_neuronx.no_such", None, "djl-0.29", "no release has"),
        ("transformers", "AutoTokenizer", "djl-0.25", None),
    ],
)
def test_the_librarys_names_by_release(module: str, name: str | None, profile: str, said: str | None) -> None:
    got = missing_from_library(module, name, catalog.profile(profile))
    assert (got is None) if said is None else (got is not None and said in got)


def test_the_librarys_modules_are_those_of_one_package() -> None:
    assert all(name.split(".")[0] == "transformers_neuronx" for name in library_modules())


@pytest.mark.parametrize(
    ("positions", "profile", "uncertain"),
    [(16384, "djl-0.25", False), (32768, "djl-0.28", True), (32768, "djl-0.29", False), (65536, "djl-0.29", True)],
)
def test_a_long_context_is_uncertain_until_the_vendor_names_it(positions: int, profile: str, uncertain: bool) -> None:
    assert (untried_context(positions, catalog.profile(profile)) is not None) is uncertain
