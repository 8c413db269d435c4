"""GPT-2 with context broadcasting: one prompt, many rows (facts, section 2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers_neuronx.gpt2.model import GPT2ForSamplingWithContextBroadcasting

Broadcast = Callable[..., GPT2ForSamplingWithContextBroadcasting]


@pytest.fixture
def reference(randomize: Callable, tiny_config: Callable) -> PreTrainedModel:
    return randomize(tiny_config("gpt2"))


@pytest.fixture
def broadcast(reference: PreTrainedModel) -> Broadcast:
    def build(**arguments: object) -> GPT2ForSamplingWithContextBroadcasting:
        model = GPT2ForSamplingWithContextBroadcasting(reference.config, amp="f32", **arguments)
        model.load_state_dict_low_memory(reference.state_dict())
        model.to_neuron()
        return model

    return build


def test_one_prompt_continues_in_every_row(
    broadcast: Broadcast, reference: PreTrainedModel, load: Callable, prompts: Tensor
) -> None:
    tokens = broadcast(batch_size=3).sample(prompts[:1], 40, top_k=1)
    alone = load(reference, batch_size=1).sample(prompts[:1], 40, top_k=1)
    assert torch.equal(tokens, alone.expand(3, -1))


def test_rows_differ_when_they_are_drawn(broadcast: Broadcast, prompts: Tensor) -> None:
    tokens = broadcast(batch_size=2).sample(prompts[:1], 80)
    assert not torch.equal(tokens[0], tokens[1])


def test_rows_must_be_a_multiple_of_the_prompts(broadcast: Broadcast, prompts: Tensor) -> None:
    assert broadcast(batch_size=4, prompt_batch_size=2).sample(prompts, 12).shape == (4, 12)
    with pytest.raises(ValueError, match="batch_size 3 is not a multiple of the 2 prompts"):
        broadcast(batch_size=3).sample(prompts, 12)


def test_buckets(broadcast: Broadcast) -> None:
    report = broadcast(batch_size=2).rehearsal_report()
    assert (report.token_buckets, report.context_buckets) == ((256,), (128,))
    assert broadcast(context_length_estimate=64).rehearsal_report().context_buckets == (64,)


@pytest.mark.usefixtures("old_generation")
def test_02_calls_the_rows_num_seqs(broadcast: Broadcast, prompts: Tensor) -> None:
    assert broadcast(num_seqs=3).sample(prompts[:1], 12).shape == (3, 12)


# Facts, section 4: artifacts exist for GPT-2 only, from 0.3 to 0.8.
def test_compiled_artifacts_are_saved_and_loaded(
    broadcast: Broadcast, reference: PreTrainedModel, tmp_path: Path
) -> None:
    broadcast(batch_size=2)._save_compiled_artifacts(tmp_path / "compiled")
    assert [path.name for path in (tmp_path / "compiled").iterdir()] == ["neuron-program.pkl"]
    for batch, error in ((2, None), (3, "artifacts are for batch_size=2 and the model has batch_size=3")):
        model = GPT2ForSamplingWithContextBroadcasting(reference.config, batch_size=batch)
        model.load_state_dict_low_memory(reference.state_dict())
        model._load_compiled_artifacts(tmp_path / "compiled")
        if error:
            with pytest.raises(RuntimeError, match=error):
                model.to_neuron()
        else:
            model.to_neuron()


def test_artifacts_name_a_directory(broadcast: Broadcast, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = broadcast()
    with pytest.raises(FileExistsError):
        model._save_compiled_artifacts(tmp_path / "file")
    for path in ("file", "nowhere"):
        with pytest.raises(FileNotFoundError, match="not a directory"):
            model._load_compiled_artifacts(tmp_path / path)
    (tmp_path / "neuron-program.pkl").write_bytes(b"of another origin")
    with pytest.raises(RuntimeError, match="not written by the rehearsal"):
        model._load_compiled_artifacts(tmp_path)


def test_artifacts_need_a_program(reference: PreTrainedModel, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="to_neuron"):
        GPT2ForSamplingWithContextBroadcasting(reference.config)._save_compiled_artifacts(tmp_path)


@pytest.mark.usefixtures("old_generation")
def test_02_has_no_artifacts(broadcast: Broadcast, tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match=r"0\.3"):
        broadcast()._save_compiled_artifacts(tmp_path)
