"""A call of the library leaves what is its caller's: arguments, configurations, environment, torch's global state.

The public names are found in the package. What a name changes on purpose stands in `PURPOSE`, with the reason.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import pkgutil
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers_neuronx
from torch import Tensor
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers_neuronx import dtypes, module, sampling, utils
from transformers_neuronx.config import NeuronConfig, QuantizationConfig
from transformers_neuronx.generation_utils import HuggingFaceGenerationModelAdapter
from transformers_neuronx.opt import gen_random_pretrained
from transformers_neuronx.opt.model import OPTForSampling

POSITIONS = 128
# What a name is for, and so may do to what it is given or to the process.
PURPOSE = {
    "opt.gen_random_pretrained.main": {"random numbers": "its weights are random"},
    "sampling.sample_llama": {"random numbers": "torch's global generator draws, as on the chip"},
    "sampling.sample_loop": {"random numbers": "torch's global generator draws, as on the chip"},
    "sampling.select_tokens": {"random numbers": "torch's global generator draws, as on the chip"},
    "sampling.simple_sample": {"random numbers": "torch's global generator draws, as on the chip"},
    "utils.maybe_override_attributes": {"config": "it overrides the attributes of a configuration"},
}


class Caller:
    """Who calls, and what it hands over."""

    def __init__(self, reference: PreTrainedModel, load: Callable[..., Any], folder: Path) -> None:
        self.reference, self.config, self.folder = reference, reference.config, folder
        self.prompts, self.starts = torch.randint(3, 100, (2, 9)), torch.tensor([2, 0])
        self.mask, self.scores = (torch.arange(9) >= self.starts[:, None]).long(), torch.randn(2, 100)
        self.state, self.overrides = dict(reference.state_dict()), {"eos_token_id": 7}
        self.placed = load(reference, n_positions=POSITIONS)

    def picture(self) -> dict[str, Any]:
        """What is its own, as it stands now."""
        config, generation = self.config, self.reference.generation_config
        return {
            **{name: value.clone() for name, value in vars(self).items() if isinstance(value, Tensor)},
            **{f"weights of {key}": value.clone() for key, value in self.state.items()},
            "names of weights": list(self.state),
            "overrides": dict(self.overrides),
            "config": {name: repr(value) for name, value in vars(config).items()},
            "config of generate": {name: repr(value) for name, value in vars(generation).items()},
            "model": (self.reference.training, self.reference.dtype, [*self.reference.state_dict()]),
        }


def shared_state() -> dict[str, Any]:
    """What all code of a process shares, as it stands now."""
    root = logging.getLogger()
    return {
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "defaults": (torch.get_default_dtype(), torch.get_default_device(), torch.get_float32_matmul_precision()),
        "random numbers": torch.get_rng_state(),
        "other random numbers": (random.getstate(), repr(np.random.get_state())),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "libraries": (torch.backends.mkldnn.enabled, torch.backends.quantized.engine),
        "environment": dict(os.environ),
        "place": Path.cwd(),
        "logging": (root.level, [*root.handlers], logging.getLogger("transformers_neuronx").level),
        "waste": (gc.isenabled(), gc.get_threshold()),
    }


def differences(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The names of what is not as it was."""
    assert before.keys() == after.keys()
    return {name for name in before if not _equal(before[name], after[name])}


def _equal(one: Any, other: Any) -> bool:
    return torch.equal(one, other) if isinstance(one, Tensor) else one == other


def public_names() -> Iterator[str]:
    """What can be imported from the package: a module's own names, or those that it says are public."""
    for found in pkgutil.walk_packages(transformers_neuronx.__path__, "transformers_neuronx."):
        taken = importlib.import_module(found.name)
        own = [name for name, value in vars(taken).items() if getattr(value, "__module__", "") == found.name]
        for name in getattr(taken, "__all__", own):
            if not name.startswith("_"):
                yield f"{found.name}.{name}".removeprefix("transformers_neuronx.")


def use_model(kind: type, caller: Caller) -> None:
    """What a handler does with a class: construct, load, place, run, fail."""
    model = kind(caller.config, batch_size=2, amp="f16", n_positions=POSITIONS, **caller.overrides)
    with pytest.raises(KeyError, match="colour"):
        kind(caller.config, amp="f16", bos_token_id=5, colour="red")
    model.load_state_dict_low_memory(dict(caller.state))
    model.to_neuron()
    model.forward(caller.prompts, torch.arange(9), caller.starts).add_(1)
    model.reorder_cache(torch.tensor([1, 0]))
    model.reset()
    model.rehearsal_report()
    with pytest.raises(ValueError, match="batch") if "Llama" in kind.__name__ else pytest.raises(RuntimeError):
        model.step(caller.prompts[:1].repeat(3, 1), 0)
    with pytest.raises(StopIteration):
        model.step(caller.prompts, POSITIONS)


def use_adapter(caller: Caller) -> None:
    """What DJL's handler does: generate, and steps of its own."""
    adapter = HuggingFaceGenerationModelAdapter(caller.config, caller.placed)
    arguments = {"attention_mask": caller.mask, "pad_token_id": 1, "max_new_tokens": 3}
    adapter.generate(input_ids=caller.prompts, do_sample=False, **arguments)
    adapter.generate(input_ids=caller.prompts, generation_config=caller.reference.generation_config, **arguments)
    adapter.reset_generation()
    adapter(**adapter.prepare_inputs_for_generation(caller.prompts, caller.mask), return_dict=True)


def open_split(kind: type, caller: Caller) -> None:
    """Write the caller's model and read it back, with placeholders for one of its matrices."""
    module.save_pretrained_split(caller.reference, caller.folder)
    weights = caller.state | {"lm_head.weight": caller.state["lm_head.weight"].to("meta")}
    module.save_split(weights, caller.folder / "pytorch_model.bin")
    kind.from_pretrained(caller.folder, batch_size=2, tp_degree=2, n_positions=POSITIONS, amp="f32").to_neuron()


def use_low_memory(kind: Callable[..., Any], caller: Caller) -> None:
    """Read a module's parameters from a split folder, compute, and drop them."""
    module.save_split(caller.state, caller.folder / "weights")
    layer = kind()
    layer.load_state_dict_dir(caller.folder / "weights")
    layer.load_state_dict_low_memory(dict(caller.state))
    layer.materialize()
    layer.nullify()


def wrapped(caller: Caller) -> None:
    use_low_memory(lambda: module.WrappingCheckpointCompatibleModel(module.LowMemoryModule), caller)


def write_random(caller: Caller) -> None:
    caller.config.save_pretrained(caller.folder)
    gen_random_pretrained.main([str(caller.folder), str(caller.folder / "random")])


def sample(draw: Callable[..., Tensor], caller: Caller) -> None:
    draw(caller.placed, caller.prompts, start_ids=caller.starts, sequence_length=12)


CALLS: dict[str, Callable[[Caller], Any]] = {
    "config.NeuronConfig": lambda caller: NeuronConfig(quant=QuantizationConfig("s8", "f16")),
    "config.QuantizationConfig": lambda caller: QuantizationConfig("s8", "f16"),
    "dtypes.to_amp": lambda caller: dtypes.to_amp(torch.float16),
    "dtypes.to_torch_dtype": lambda caller: dtypes.to_torch_dtype("bf16"),
    "generation_utils.HuggingFaceGenerationModelAdapter": use_adapter,
    "module.LowMemoryEmbedding": partial(use_low_memory, lambda: module.LowMemoryEmbedding(100, 32)),
    "module.LowMemoryLayerNorm": partial(use_low_memory, lambda: module.LowMemoryLayerNorm(32)),
    "module.LowMemoryLazyLinear": partial(use_low_memory, lambda: module.LowMemoryLazyLinear(32)),
    "module.LowMemoryModule": partial(use_low_memory, module.LowMemoryModule),
    "module.LowMemoryModuleList": partial(use_low_memory, module.LowMemoryModuleList),
    "module.PretrainedModel": partial(use_low_memory, module.PretrainedModel),
    "module.WrappingCheckpointCompatibleModel": wrapped,
    "module.sanitize_file_name": lambda caller: module.sanitize_file_name("a b"),
    "module.save_pretrained_split": partial(open_split, OPTForSampling),
    "module.save_split": partial(open_split, OPTForSampling),
    "opt.gen_random_pretrained.main": write_random,
    "opt.gen_random_pretrained.named_config": lambda caller: gen_random_pretrained.named_config("facebook/opt-1.3b"),
    "opt.gen_random_pretrained.without_numbers": lambda caller: gen_random_pretrained.without_numbers(caller.config),
    "sampling.sample_greedy": partial(sample, sampling.sample_greedy),
    "sampling.sample_llama": partial(sample, sampling.sample_llama),
    "sampling.sample_loop": lambda caller: sampling.sample_loop(
        caller.placed, caller.prompts, caller.starts, caller.scores, 12, 2, 50
    ),
    "sampling.select_tokens": lambda caller: sampling.select_tokens(caller.scores, 50, 0.9, 0.5),
    "sampling.simple_sample": partial(sample, sampling.simple_sample),
    "sampling.top_k_top_p_filtering": lambda caller: sampling.top_k_top_p_filtering(caller.scores, 5, 0.5),
    "utils.maybe_override_attributes": lambda caller: utils.maybe_override_attributes(caller.config, caller.overrides),
    "utils.parse_amp": lambda caller: utils.parse_amp("f16-u8-f16"),
    "utils.power_of_two_bucket_sizes": lambda caller: utils.power_of_two_bucket_sizes(128, 300),
}


def call_of(name: str) -> Callable[[Caller], Any]:
    """How the public name is used; a model's class as all of them are."""
    home, _, word = name.rpartition(".")
    if home.endswith(".model"):
        return partial(use_model, getattr(importlib.import_module(f"transformers_neuronx.{home}"), word))
    return CALLS[name]


def family_of(name: str) -> str:
    """The architecture that a name is for; OPT where it is for all."""
    home = name.split(".")[0]
    return {"gptneox": "gpt_neox"}.get(home, home) if ".model." in name else "opt"


@pytest.mark.filterwarnings("ignore:torch_dtype of the configuration")
@pytest.mark.parametrize("name", sorted(public_names()))
def test_a_call_leaves_what_it_was_given_and_what_all_share(
    name: str, tiny_config: Callable, randomize: Callable, load: Callable, tmp_path: Path
) -> None:
    caller = Caller(randomize(tiny_config(family_of(name))), load, tmp_path)
    before, shared = caller.picture(), shared_state()
    call_of(name)(caller)
    changed = differences(before, caller.picture()) | differences(shared, shared_state())
    assert changed == PURPOSE.get(name, {}).keys()


def test_every_purpose_and_every_call_is_of_a_public_name() -> None:
    assert PURPOSE.keys() | CALLS.keys() <= set(public_names())


def test_hugging_face_computes_the_same_from_a_configuration_that_an_adapter_was_given(
    tiny_config: Callable[[str], PretrainedConfig], randomize: Callable, load: Callable, prompts: Tensor
) -> None:
    reference = randomize(tiny_config("gptj"))
    expected = reference(prompts).logits
    HuggingFaceGenerationModelAdapter(reference.config, load(reference, n_positions=POSITIONS))
    again = AutoModelForCausalLM.from_config(reference.config).eval()
    again.load_state_dict(reference.state_dict())
    torch.testing.assert_close(again(prompts).logits, expected, rtol=0, atol=0)


def test_a_streamer_may_write_to_the_tokens_that_it_gets(
    tiny_config: Callable[[str], PretrainedConfig], randomize: Callable, load: Callable, prompts: Tensor
) -> None:
    class Streamer:
        def put(self, tokens: Tensor) -> None:
            tokens.zero_()

        def end(self) -> None: ...

    model = load(randomize(tiny_config("llama")), n_positions=POSITIONS)
    arguments = {"sequence_length": 14, "top_k": 1, "eos_token_override": 2}
    plain = model.sample(prompts, **arguments)
    assert torch.equal(model.sample(prompts, streamer=Streamer(), **arguments), plain)
