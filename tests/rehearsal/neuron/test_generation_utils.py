"""Hugging Face's generate() over a model on the device (facts, section 5, adapter)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ClassVar

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers_neuronx.generation_utils import HuggingFaceGenerationModelAdapter

Adapt = Callable[..., HuggingFaceGenerationModelAdapter]


@pytest.fixture
def adapt(load: Callable) -> Adapt:
    return lambda reference, **arguments: HuggingFaceGenerationModelAdapter(
        reference.config, load(reference, **arguments)
    )


def test_greedy_generate_equals_hugging_face(reference: PreTrainedModel, adapt: Adapt, prompts: Tensor) -> None:
    arguments = {"attention_mask": torch.ones_like(prompts), "do_sample": False, "max_length": 40, "pad_token_id": 1}
    expected = reference.generate(prompts, **arguments)
    adapter = adapt(reference)
    assert torch.equal(adapter.generate(input_ids=prompts, **arguments), expected)
    assert torch.equal(adapter.generate(input_ids=prompts, **arguments), expected)  # it starts again by itself


def test_left_padded_generate_equals_hugging_face(reference: PreTrainedModel, adapt: Adapt, prompts: Tensor) -> None:
    prompts[0, :3] = 1
    mask = torch.ones_like(prompts)
    mask[0, :3] = 0
    arguments = {"attention_mask": mask, "do_sample": False, "max_length": 40, "pad_token_id": 1}
    assert torch.equal(
        adapt(reference).generate(input_ids=prompts, **arguments), reference.generate(prompts, **arguments)
    )


def test_beam_search_equals_hugging_face(reference: PreTrainedModel, adapt: Adapt, prompts: Tensor) -> None:
    arguments = {"attention_mask": torch.ones_like(prompts), "num_beams": 3, "max_length": 40, "pad_token_id": 1}
    adapter = adapt(reference, batch_size=6)  # compiled for every beam of both prompts
    assert torch.equal(adapter.generate(input_ids=prompts, **arguments), reference.generate(prompts, **arguments))


def test_streamer_of_transformers_gets_every_token(
    opt_reference: PreTrainedModel, adapt: Adapt, prompts: Tensor
) -> None:
    class Collector:
        tokens: ClassVar[list[int]] = []

        def put(self, value: Tensor) -> None:
            self.tokens.extend(value.reshape(-1).tolist())

        def end(self) -> None:
            self.tokens.append(-1)

    arguments = {"attention_mask": torch.ones_like(prompts[:1]), "max_length": 20, "pad_token_id": 1}
    adapter = adapt(opt_reference, batch_size=1)
    tokens = adapter.generate(input_ids=prompts[:1], streamer=Collector(), **arguments)
    assert [*tokens[0].tolist(), -1] == Collector.tokens


def test_sampling_follows_the_seed(opt_reference: PreTrainedModel, adapt: Adapt, prompts: Tensor) -> None:
    arguments = {"attention_mask": torch.ones_like(prompts), "do_sample": True, "top_k": 20, "max_length": 30}
    torch.manual_seed(3)
    expected = opt_reference.generate(prompts, **arguments)
    torch.manual_seed(3)
    assert torch.equal(adapt(opt_reference).generate(input_ids=prompts, **arguments), expected)


def test_steps_by_hand_as_the_streaming_handler_takes_them(
    opt_reference: PreTrainedModel, adapt: Adapt, prompts: Tensor
) -> None:
    adapter = adapt(opt_reference)
    adapter.reset_generation()
    for stop in range(9, 12):
        ids = prompts if stop == 9 else prompts[:, :1]
        inputs = adapter.prepare_inputs_for_generation(input_ids=ids, attention_mask=torch.ones(2, stop))
        assert inputs["cache_ids"].tolist() == (list(range(9)) if stop == 9 else [stop - 1])
        assert adapter.forward(**inputs, return_dict=True).logits.shape == (2, 1, 100)


def test_hidden_states_stay_on_the_device(
    opt_reference: PreTrainedModel, adapt: Adapt, prompts: Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    output = adapt(opt_reference)(prompts, torch.arange(9), output_hidden_states=True, return_dict=True)
    assert output.hidden_states is None
    assert "ignored" in caplog.text
