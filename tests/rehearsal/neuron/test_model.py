"""The contract of the model classes in both generations: arguments, limits, error types (facts, sections 2, 4, 5)."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
from emulated_neuron.environment import RehearsalError
from torch import Tensor
from transformers import OPTConfig, PretrainedConfig, PreTrainedModel
from transformers_neuronx.bloom.model import BloomForSampling
from transformers_neuronx.gpt2.model import GPT2ForSampling
from transformers_neuronx.gptj.model import GPTJForSampling
from transformers_neuronx.gptneox.model import GPTNeoXForSampling
from transformers_neuronx.llama.model import LlamaForSampling
from transformers_neuronx.opt.model import OPTForSampling

Load = Callable[..., OPTForSampling]
Tiny = Callable[[str], PretrainedConfig]


@pytest.fixture
def config(tiny_config: Tiny) -> PretrainedConfig:
    return tiny_config("opt")


def construct(config: PretrainedConfig, **arguments: object) -> OPTForSampling:
    return OPTForSampling(config, n_positions=128, **arguments)


# --- constructor


def test_amp_defaults_to_the_configurations_dtype(config: PretrainedConfig) -> None:
    config.torch_dtype = torch.float16
    assert construct(config).amp == "f16"


def test_missing_dtype_is_a_bare_key_error(config: PretrainedConfig) -> None:
    with pytest.raises(KeyError):
        construct(config)  # torch_dtype is None


def test_given_amp_warns_that_torch_dtype_is_ignored(config: PretrainedConfig) -> None:
    with pytest.warns(UserWarning, match="ignored"):
        construct(config, amp="f32")


@pytest.mark.filterwarnings("ignore:torch_dtype")
def test_fp16_is_a_bare_key_error_as_in_the_article(config: PretrainedConfig) -> None:
    with pytest.raises(KeyError) as caught:
        construct(config, amp="fp16")
    assert caught.value.args == ("fp16",)


@pytest.mark.filterwarnings("ignore:torch_dtype")
def test_too_many_positions_name_both_numbers(config: PretrainedConfig) -> None:
    with pytest.raises(ValueError, match=r"4096.*256"):
        OPTForSampling(config, amp="f32", n_positions=4096)
    with pytest.raises(ValueError, match=r"2048.*256"):
        OPTForSampling(config, amp="f32")  # 2048 is the default


@pytest.mark.parametrize(("architecture", "refused"), [("gptj", True), ("gpt_neox", False), ("llama", False)])
def test_what_rotates_is_compared_for_gptj_only(
    tiny_config: Tiny, randomize: Callable, load: Load, prompts: Tensor, architecture: str, refused: bool
) -> None:
    """Beyond what the others were trained on the text is poor, and no error tells."""
    reference = randomize(tiny_config(architecture))
    if refused:
        with pytest.raises(ValueError, match="1024"):
            load(reference, n_positions=1024)
    else:
        model = load(reference, n_positions=1024)
        model.config.eos_token_id = None  # or Llama may end before
        assert model.sample(prompts, 300).shape == (2, 300)


def test_gpt2_positions_default_to_the_configuration(tiny_config: Tiny) -> None:
    assert GPT2ForSampling(tiny_config("gpt2")).n_positions == 256
    with pytest.raises(ValueError, match=r"300.*256"):
        GPT2ForSampling(tiny_config("gpt2"), n_positions=300)


def test_bloom_has_no_position_table_to_exceed(tiny_config: Tiny) -> None:
    assert BloomForSampling(tiny_config("bloom"), n_positions=4096).n_positions == 4096


def test_opt_350m_is_not_implemented(config: PretrainedConfig) -> None:
    config.do_layer_norm_before = False
    with pytest.raises(NotImplementedError, match="do_layer_norm_before=False"):
        construct(config, amp="f32")


def test_neox_without_parallel_residual_is_not_implemented(tiny_config: Tiny) -> None:
    config = tiny_config("gpt_neox")
    config.use_parallel_residual = False
    with pytest.raises(NotImplementedError, match="use_parallel_residual=False"):
        GPTNeoXForSampling(config, n_positions=128)


@pytest.mark.filterwarnings("ignore:torch_dtype")
def test_unknown_activation_is_an_attribute_error(config: PretrainedConfig) -> None:
    config.activation_function = "tanh_of_my_own"
    with pytest.raises(AttributeError, match="tanh_of_my_own"):
        construct(config, amp="f32")


@pytest.mark.filterwarnings("ignore:torch_dtype")
def test_keyword_arguments_override_the_configuration(config: PretrainedConfig) -> None:
    assert construct(config, amp="f32", eos_token_id=7).config.eos_token_id == 7
    assert construct(config, amp="f32", eos_token_id=None).config.eos_token_id == 2  # None is ignored
    with pytest.raises(KeyError, match='Found invalid key "colour"'):
        construct(config, amp="f32", colour=1)


@pytest.mark.filterwarnings("ignore:torch_dtype")
@pytest.mark.parametrize(("generation", "name"), [("0.2", "init_n_active_tokens"), ("0.8", "context_length_estimate")])
def test_each_generation_has_its_own_arguments(
    config: PretrainedConfig, monkeypatch: pytest.MonkeyPatch, generation: str, name: str
) -> None:
    monkeypatch.setenv("REHEARSAL_TNX_GENERATION", generation)
    construct(config, amp="f32", **{name: 4})
    monkeypatch.setenv("REHEARSAL_TNX_GENERATION", "0.8" if generation == "0.2" else "0.2")
    with pytest.raises(KeyError, match=name):
        construct(config, amp="f32", **{name: 4})


def test_neox_computes_gelu_as_gelu_new_and_says_so(tiny_config: Tiny) -> None:
    config = tiny_config("gpt_neox")
    config.hidden_act = "gelu"
    with pytest.warns(UserWarning, match="hidden_act='gelu' is ignored: 'gelu_new' is computed"):
        model = GPTNeoXForSampling(config, n_positions=128)
    assert model.spec.activation == "gelu_new"


def test_neox_takes_no_unroll(tiny_config: Tiny) -> None:
    with pytest.raises(NotImplementedError, match="unroll=2"):
        GPTNeoXForSampling(tiny_config("gpt_neox"), n_positions=128, unroll=2)


@pytest.mark.usefixtures("old_generation")
def test_gptj_takes_no_active_tokens(tiny_config: Tiny) -> None:
    assert GPTJForSampling(tiny_config("gptj"), init_n_active_tokens=None).n_positions == 256
    with pytest.raises(NotImplementedError, match="init_n_active_tokens"):
        GPTJForSampling(tiny_config("gptj"), init_n_active_tokens=4)


def test_llama_takes_named_arguments_only(tiny_config: Tiny) -> None:
    with pytest.raises(TypeError):
        LlamaForSampling(tiny_config("llama"), 2)


@pytest.mark.usefixtures("old_generation")
def test_02_has_no_bloom(tiny_config: Tiny) -> None:
    with pytest.raises(RehearsalError, match=r"0\.2.*bloom"):
        BloomForSampling(tiny_config("bloom"))


@pytest.mark.parametrize(
    ("architecture", "cls", "amp"),
    [("opt", OPTForSampling, "f16"), ("gpt2", GPT2ForSampling, "f32"), ("gptj", GPTJForSampling, "f32")],
)
def test_defaults(tiny_config: Tiny, architecture: str, cls: type, amp: str) -> None:
    config = tiny_config(architecture)
    config.torch_dtype = torch.float16
    model = cls(config, n_positions=128)
    assert (model.batch_size, model.amp, model.tp_degree, model.unroll) == (1, amp, 2, None)


@pytest.mark.filterwarnings("ignore:torch_dtype")
def test_degree_heads_and_memory_are_not_checked_before_to_neuron(opt_reference: PreTrainedModel, load: Load) -> None:
    construct(opt_reference.config, amp="f32", tp_degree=3)
    with pytest.raises(RuntimeError, match="degree 3"):
        load(opt_reference, tp_degree=3)


# --- to_neuron


@pytest.mark.parametrize(("unroll", "error"), [("2", TypeError), (3, ValueError)])
def test_unroll(opt_reference: PreTrainedModel, load: Load, unroll: object, error: type[Exception]) -> None:
    with pytest.raises(error):  # DJL passes the text of serving.properties: TypeError
        load(opt_reference, unroll=unroll)
    load(opt_reference, unroll=2)


def test_nothing_runs_before_to_neuron(config: PretrainedConfig, prompts: Tensor) -> None:
    with pytest.warns(UserWarning, match="ignored"):
        model = construct(config, amp="f32", batch_size=2)
    for call in (
        lambda: model.sample(prompts, 20),
        lambda: model.forward(prompts, torch.arange(9)),
        model.reset,
        model.rehearsal_report,
    ):
        with pytest.raises(TypeError, match="to_neuron"):
            call()


def test_to_neuron_twice_or_without_weights(opt_reference: PreTrainedModel, load: Load) -> None:
    with pytest.raises(RuntimeError, match="called before"):
        load(opt_reference).to_neuron()
    with pytest.warns(UserWarning, match="ignored"), pytest.raises(RuntimeError, match="no weights"):
        construct(opt_reference.config, amp="f32").to_neuron()


# --- sample and forward


def test_result_has_the_total_length_and_starts_with_the_prompt(
    opt_reference: PreTrainedModel, load: Load, prompts: Tensor
) -> None:
    tokens = load(opt_reference).sample(prompts, 30)
    assert tokens.shape == (2, 30)
    assert tokens.dtype == torch.int64
    assert torch.equal(tokens[:, :9], prompts)


def test_long_prompt_is_returned_unchanged(opt_reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    assert torch.equal(load(opt_reference).sample(prompts, 5), prompts)


def test_end_of_sequence_is_never_drawn(opt_reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    # Every token but 4 is nearly impossible, and 4 ends the text.
    opt_reference.config.eos_token_id = 4
    opt_reference.model.decoder.final_layer_norm.bias.data = opt_reference.lm_head.weight.data[4] * 1000
    model = load(opt_reference)
    assert torch.equal(model.forward(prompts, torch.arange(9)).argmax(-1), torch.tensor([4, 4]))
    assert not (model.sample(prompts, 60)[:, 9:] == 4).any()


def test_seed_controls_the_drawing(opt_reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    model = load(opt_reference)
    texts = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        texts.append(model.sample(prompts, 60))
    assert torch.equal(texts[0], texts[1])
    assert not torch.equal(texts[0], texts[2])


def test_only_the_fifty_likeliest_are_drawn(opt_reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    model = load(opt_reference)
    likely = model.forward(prompts, torch.arange(9)).topk(51, dim=-1).indices  # 51: the end token is not drawn
    for _ in range(30):
        drawn = model.sample(prompts, 10)[:, -1:]
        assert (likely == drawn).any(-1).all()


def test_vocabulary_below_top_k_is_a_runtime_error(randomize: Callable, load: Load) -> None:
    config = OPTConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        ffn_dim=32,
        vocab_size=40,
        max_position_embeddings=256,
        word_embed_proj_dim=32,
    )
    with pytest.raises(RuntimeError, match="k out of range"):
        load(randomize(config)).sample(torch.full((2, 3), 5), 10)


def test_other_batch_names_both_shapes(opt_reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    with pytest.raises(RuntimeError, match=r"\(1, 9\).*\(2, 9\)"):
        load(opt_reference).sample(prompts[:1], 20)


def test_llama_names_the_batch_it_was_compiled_for(
    tiny_config: Tiny, randomize: Callable, load: Load, prompts: Tensor
) -> None:
    with pytest.raises(ValueError, match=r"Model not compiled for batch_size : 1\. Acceptable"):
        load(randomize(tiny_config("llama"))).sample(prompts[:1], 20)


# n_positions 128 of 256: sequence lengths that still work, and that end in a bare StopIteration (facts, section 5)
@pytest.mark.parametrize(("generation", "longest"), [("0.2", 129), ("0.8", 129)])
def test_beyond_n_positions_is_a_bare_stop_iteration(
    opt_reference: PreTrainedModel,
    load: Load,
    prompts: Tensor,
    monkeypatch: pytest.MonkeyPatch,
    generation: str,
    longest: int,
) -> None:
    monkeypatch.setenv("REHEARSAL_TNX_GENERATION", generation)
    model, near = load(opt_reference, n_positions=128), prompts.repeat(1, 13)
    assert model.sample(near, longest).shape == (2, longest)
    with pytest.raises(StopIteration) as caught:
        model.sample(near, longest + 1)
    assert str(caught.value) == ""
    with pytest.raises(StopIteration):
        model.sample(prompts.repeat(1, 20), 200)  # the prompt alone is too long


@pytest.mark.parametrize(("generation", "longest"), [("0.2", 256), ("0.8", 257)])
def test_beyond_the_position_table_is_an_index_error(
    opt_reference: PreTrainedModel,
    load: Load,
    prompts: Tensor,
    monkeypatch: pytest.MonkeyPatch,
    generation: str,
    longest: int,
) -> None:
    monkeypatch.setenv("REHEARSAL_TNX_GENERATION", generation)
    model, near = load(opt_reference, n_positions=256), prompts.repeat(1, 28)
    assert model.sample(near, longest).shape == (2, longest)
    with pytest.raises(IndexError, match="index out of range in self"):
        model.sample(near, longest + 1)


@pytest.mark.usefixtures("old_generation")
@pytest.mark.parametrize("name", ["start_ids", "top_k", "streamer"])
def test_02_samples_with_two_arguments_only(
    opt_reference: PreTrainedModel, load: Load, prompts: Tensor, name: str
) -> None:
    model = load(opt_reference)
    assert model.sample(prompts, sequence_length=12).shape == (2, 12)
    with pytest.raises(TypeError, match=name):
        model.sample(prompts, 12, **{name: None})


def test_08_has_no_streamer_for_opt(opt_reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    with pytest.raises(TypeError, match="streamer"):
        load(opt_reference).sample(prompts, 12, streamer=None)
    with pytest.raises(TypeError, match="sequence_length"):
        load(opt_reference).sample(prompts)


@pytest.mark.parametrize(("generation", "names"), [("0.2", []), ("0.8", ["start_ids", "top_k"])])
def test_signature_tells_what_the_generation_takes(
    opt_reference: PreTrainedModel, load: Load, monkeypatch: pytest.MonkeyPatch, generation: str, names: list[str]
) -> None:
    monkeypatch.setenv("REHEARSAL_TNX_GENERATION", generation)
    parameters = inspect.signature(load(opt_reference).sample).parameters
    assert list(parameters) == ["input_ids", "sequence_length", *names]


def test_start_ids_make_a_padded_batch_equal_single_rows(
    opt_reference: PreTrainedModel, load: Load, prompts: Tensor
) -> None:
    padded = torch.cat((torch.ones(2, 4, dtype=torch.int64), prompts), dim=1)
    padded[1, :4] = torch.tensor([7, 8, 9, 10])
    tokens = load(opt_reference).sample(padded, 60, start_ids=torch.tensor([4, 0]), top_k=1)
    alone = load(opt_reference, batch_size=1)
    assert torch.equal(tokens[0, 4:], alone.sample(prompts[:1], 56, top_k=1)[0])
    assert torch.equal(tokens[1], alone.sample(padded[1:], 60, top_k=1)[0])


def test_padding_stays_visible_where_prompts_are_said_to_be_equal(
    opt_reference: PreTrainedModel, load: Load, prompts: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts, index = torch.tensor([4, 0]), torch.arange(9)
    other = prompts.clone()
    other[0, :4] = torch.tensor([11, 12, 13, 14])  # other padding
    hidden = load(opt_reference)
    assert torch.equal(hidden.forward(prompts, index, starts), hidden.forward(other, index, starts))
    monkeypatch.setenv("NEURON_INTERNAL_ASSUME_ALL_PROMPT_LENGTHS_ARE_EQUAL", "1")  # facts, section 5
    seen = load(opt_reference)
    assert not torch.equal(seen.forward(prompts, index, starts)[0], seen.forward(other, index, starts)[0])
    assert torch.equal(seen.forward(prompts, index), hidden.forward(prompts, index))


@pytest.mark.usefixtures("old_generation")
def test_02_forward_takes_position_ids(opt_reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    model = load(opt_reference)
    model.reset()
    logits = model(prompts, position_ids=torch.arange(9, dtype=torch.int32))
    assert logits.shape == (2, 100)
    assert torch.equal(logits, model(prompts, torch.arange(9, dtype=torch.int32)))
    with pytest.raises(TypeError, match="cache_ids"):
        model(prompts)


def test_results_may_be_written_to(opt_reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    model = load(opt_reference)
    model.sample(prompts, 12)[0, 0] = 1
    model.forward(prompts, torch.arange(9))[0, 0] = 1.0


def test_threads_are_left_as_they_were(opt_reference: PreTrainedModel, load: Load, prompts: Tensor) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    load(opt_reference).sample(prompts, 12)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


# The raw test of DJL's own suite (tests/integration/llm, v0.21.0), sizes scaled down: gpt2, batch 4, degree 2, f32.
@pytest.mark.parametrize("length", [64, 128])
def test_integration_case_of_gpt2(tiny_config: Tiny, randomize: Callable, load: Load, length: int) -> None:
    prompts = torch.randint(3, 100, (4, 12))
    tokens = load(randomize(tiny_config("gpt2")), batch_size=4, n_positions=128).sample(prompts, length)
    assert tokens.shape == (4, length)
    assert torch.equal(tokens[:, :12], prompts)


@pytest.mark.parametrize(("generation", "version"), [("0.2", "0.2."), ("0.8", "0.8.268")])
def test_version(monkeypatch: pytest.MonkeyPatch, generation: str, version: str) -> None:
    import transformers_neuronx

    monkeypatch.setenv("REHEARSAL_TNX_GENERATION", generation)
    assert transformers_neuronx.__version__.startswith(version)
    with pytest.raises(AttributeError, match="NeuronAutoModelForCausalLM"):  # since 0.10
        _ = transformers_neuronx.NeuronAutoModelForCausalLM


@pytest.mark.thorough
def test_memory_does_not_grow_over_200_calls(opt_reference: PreTrainedModel, load: Load) -> None:
    import psutil

    model, rss = load(opt_reference), psutil.Process().memory_info
    ids = torch.randint(3, 100, (2, 64))
    for call in range(200):
        prompt = 1 + call % 64
        model.sample(ids[:, :prompt], prompt + 4)
        if call == 100:  # by then every length of prompt was seen
            before = rss().rss
    assert rss().rss - before < 16 * 2**20


@pytest.mark.parametrize("counts", [{"batch_size": 0}, {"n_positions": 0}, {"n_positions": -1}])
def test_nothing_is_compiled_for_no_rows_and_no_positions(
    counts: dict[str, int], opt_reference: PreTrainedModel, load: Load
) -> None:
    ((name, count),) = counts.items()
    with pytest.raises(RehearsalError, match=f"{name} is {count}"):
        load(opt_reference, **counts)
