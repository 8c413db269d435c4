"""The emulated NeuronCores: stand-ins under the rules of the model they answer for (facts, section 6 and 9)."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

import pytest
from transformers import PreTrainedModel
from transformers_neuronx.opt.model import OPTForSampling

from neuron_rules import GIB

Load = Callable[..., OPTForSampling]
NAMED = {
    "13b": {"name": "facebook/opt-13b", "hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40},
    "30b": {"name": "facebook/opt-30b", "hidden_size": 7168, "num_hidden_layers": 48, "num_attention_heads": 56},
    "66b": {"name": "facebook/opt-66b", "hidden_size": 9216, "num_hidden_layers": 64, "num_attention_heads": 72},
}


@pytest.fixture
def place(opt_reference: PreTrainedModel, load: Load) -> Callable[..., OPTForSampling]:
    """Loads the tiny OPT as a stand-in for one of the samples' models, with 2048 positions of the named one."""

    def place_as(name: str, tp_degree: int, batch_size: int = 2, amp: str = "f16") -> OPTForSampling:
        named = NAMED[name]
        opt_reference.config.rehearsal_stands_for = {
            **named,
            "ffn_dim": 4 * named["hidden_size"],
            "vocab_size": 50272,
            "max_position_embeddings": 2048,
        }
        # The weights have 256 positions; the KV cache of the rules would be eight times as large.
        return load(opt_reference, tp_degree=tp_degree, batch_size=batch_size, amp=amp, n_positions=256)

    return place_as


# name, degree, batch: what the samples and the article run
@pytest.mark.parametrize("generation", ["0.2", "0.8"])
@pytest.mark.parametrize(("name", "degree"), [("13b", 2), ("13b", 8), ("30b", 8), ("66b", 24)])
def test_documented_configurations_run(
    place: Callable, monkeypatch: pytest.MonkeyPatch, generation: str, name: str, degree: int
) -> None:
    monkeypatch.setenv("REHEARSAL_TNX_GENERATION", generation)
    report = place(name, degree).rehearsal_report()
    assert report.cores == tuple(range(degree))
    assert report.stand_in


def test_forty_heads_at_degree_24_fail_under_the_articles_rules(
    place: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REHEARSAL_TNX_GENERATION", "0.2")
    with pytest.raises(RuntimeError, match="40 attention heads cannot be divided by tensor parallel degree 24"):
        place("13b", 24)


def test_forty_heads_at_degree_24_are_padded_to_48_in_08(place: Callable, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    report = place("13b", 24).rehearsal_report()
    assert (report.heads, report.padded_heads) == (40, 48)
    assert report.core_bytes.padding > 0
    assert "padded to 48" in caplog.text


@pytest.mark.parametrize("generation", ["0.2", "0.8"])
def test_degree_3_fails_in_both_generations(
    place: Callable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, generation: str
) -> None:
    monkeypatch.setenv("REHEARSAL_TNX_GENERATION", generation)
    with pytest.raises(RuntimeError, match=r"nrt_load_collectives status=2.*degree 3.*1, 2, 4, 8, 24"):
        place("13b", 3)
    assert "Unsupported topology" in caplog.text


def test_more_cores_than_visible_is_a_runtime_error(place: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURON_RT_VISIBLE_CORES", "4-5")
    assert place("13b", 2).rehearsal_report().cores == (4, 5)
    with pytest.raises(RuntimeError, match=r"nrt_tensor_allocate status=2.*needs 8 NeuronCores and 2 are visible"):
        place("13b", 8)


def test_66b_at_degree_8_and_13b_in_f32_fail_on_memory(place: Callable, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError, match=r'nrt_tensor_allocate status=4 message="Allocation Failure"'):
        place("66b", 8)
    assert "weights    15.307 GiB" in caplog.text  # the table by kind comes before the error
    with pytest.raises(RuntimeError, match="Allocation Failure"):
        place("13b", 2, amp="f32")


def test_batch_2_fits_and_batch_3_does_not(
    opt_reference: PreTrainedModel, load: Load, randomize: Callable, tiny_config: Callable
) -> None:
    config = tiny_config("opt")
    config.max_position_embeddings = 2048
    config.rehearsal_stands_for = {
        **NAMED["13b"],
        "ffn_dim": 20480,
        "vocab_size": 50272,
        "max_position_embeddings": 2048,
    }
    reference = randomize(config)
    report = load(reference, amp="f16", n_positions=2048).rehearsal_report()
    assert report.core_bytes.total / GIB == pytest.approx(13.53, abs=0.01)
    assert (report.token_buckets[-1], report.all_reduces_per_step) == (2048, 80)
    with pytest.raises(RuntimeError, match=r"Allocation Failure.*14\.31 GiB"):
        load(reference, amp="f16", n_positions=2048, batch_size=3)


def test_log_says_whose_words_these_are(place: Callable, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    place("13b", 2)
    (line,) = [record.getMessage() for record in caplog.records if "stand-in" in record.getMessage()]
    assert "facebook/opt-13b" in line
    assert "12.9 billion parameters" in line
    assert "2 layers of width 32" in line


def test_model_under_its_own_name_is_not_called_a_stand_in(
    opt_reference: PreTrainedModel, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    report = load(opt_reference).rehearsal_report()
    assert not report.stand_in
    assert "stand-in" not in caplog.text
    assert dataclasses.is_dataclass(report)


def test_stand_in_with_too_few_positions_says_so(opt_reference: PreTrainedModel, load: Load) -> None:
    opt_reference.config.rehearsal_stands_for = {
        **NAMED["13b"],
        "ffn_dim": 20480,
        "vocab_size": 50272,
        "max_position_embeddings": 2048,
    }
    with pytest.raises(Exception, match="stand-in weights have 256 positions"):
        load(opt_reference, n_positions=2048)
    with pytest.raises(ValueError, match=r"4096.*2048"):  # the rule of the named model comes first
        load(opt_reference, n_positions=4096)


# Models of the samples and of reported failures, by their public sizes: what runs, and what ends in which call.
SAMPLES = {
    "gptj-6b": ("gptj", {"n_embd": 4096, "n_layer": 28, "n_head": 16, "vocab_size": 50400, "n_positions": 2048}),
    "neox-20b": (
        "gpt_neox",
        {
            "hidden_size": 6144,
            "num_hidden_layers": 44,
            "num_attention_heads": 64,
            "intermediate_size": 24576,
            "vocab_size": 50432,
            "max_position_embeddings": 2048,
        },
    ),
    "llama-2-13b": (
        "llama",
        {
            "hidden_size": 5120,
            "num_hidden_layers": 40,
            "num_attention_heads": 40,
            "intermediate_size": 13824,
            "vocab_size": 32000,
            "max_position_embeddings": 4096,
        },
    ),
    "bloom-7b1": ("bloom", {"hidden_size": 4096, "n_layer": 30, "n_head": 32, "vocab_size": 250880}),
    "gpt2-xl": ("gpt2", {"n_embd": 1600, "n_layer": 48, "n_head": 25, "vocab_size": 50257, "n_positions": 1024}),
}
OUTCOMES = [
    ("gptj-6b", 8, None),  # gpt-j-6b-sampling sample
    ("gptj-6b", 24, "16 attention heads cannot be divided"),  # GPT-J's heads are never padded
    ("neox-20b", 2, "Allocation Failure"),  # transformers-neuronx#10
    ("neox-20b", 8, None),
    ("llama-2-13b", 24, None),  # meta-llama-2-13b sample: 40 heads padded to 48
    ("bloom-7b1", 2, None),
    ("gpt2-xl", 2, None),  # 25 heads padded to 26
]


@pytest.mark.parametrize(("name", "degree", "error"), OUTCOMES)
def test_every_architecture_can_stand_for_a_larger_model(
    randomize: Callable, tiny_config: Callable, load: Load, name: str, degree: int, error: str | None
) -> None:
    architecture, named = SAMPLES[name]
    config = tiny_config(architecture)
    config.rehearsal_stands_for = {"name": name, **named}
    reference = randomize(config)
    if error:
        with pytest.raises(RuntimeError, match=error):
            load(reference, amp="f16", tp_degree=degree)
    else:
        report = load(reference, amp="f16", tp_degree=degree).rehearsal_report()
        assert (report.model, report.stand_in, report.padded_heads % degree) == (name, True, 0)


@pytest.mark.parametrize(("degree", "fails"), [(8, False), (24, True), (32, False)])
def test_trn1_has_its_own_topologies(
    place: Callable, monkeypatch: pytest.MonkeyPatch, degree: int, fails: bool
) -> None:
    monkeypatch.setenv("REHEARSAL_NEURON_FAMILY", "trn1")
    monkeypatch.setenv("REHEARSAL_NEURON_CORES", "32")
    if fails:  # optimum-neuron#424: 24 cores on trn1
        with pytest.raises(RuntimeError, match="nrt_load_collectives status=2"):
            place("66b", degree, amp="bf16")
    else:
        assert len(place("30b", degree).rehearsal_report().cores) == degree


def test_vocabulary_is_padded_to_the_divisor(place: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = place("13b", 2).rehearsal_report().core_bytes
    monkeypatch.setenv("NEURON_VOCAB_PAD_DIVISOR", "1000")  # facts, section 6: 50272 rows become 51000
    padded = place("13b", 2).rehearsal_report().core_bytes
    assert padded.padding - plain.padding == 728 * 5120 * 2 // 2  # columns, width, bytes of f16; half on each core
    assert padded.weights == plain.weights
