"""Modules that read their parameters when they are needed (facts, sections 1 and 3)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.nn.parameter import UninitializedParameter
from transformers import OPTConfig, PreTrainedModel
from transformers_neuronx.module import (
    LowMemoryEmbedding,
    LowMemoryLayerNorm,
    LowMemoryLazyLinear,
    LowMemoryModule,
    LowMemoryModuleList,
    PretrainedModel,
    WrappingCheckpointCompatibleModel,
    save_pretrained_split,
)


class Layer(LowMemoryModule):
    def __init__(self, config: OPTConfig) -> None:
        super().__init__()
        self.final_layer_norm = LowMemoryLayerNorm(config.hidden_size)
        self.fc1 = LowMemoryLazyLinear(config.ffn_dim)
        self.fc2 = LowMemoryLazyLinear(config.hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(torch.relu(self.fc1(self.final_layer_norm(x))))


class Inner(LowMemoryModule):
    """The feed-forward halves of an OPT, under the keys of its checkpoint."""

    def __init__(self, config: OPTConfig) -> None:
        super().__init__()
        decoder = LowMemoryModule()
        decoder.embed_tokens = LowMemoryEmbedding(config.vocab_size, config.hidden_size)
        decoder.layers = LowMemoryModuleList([Layer(config) for _ in range(config.num_hidden_layers)])
        self.model = LowMemoryModule()
        self.model.decoder = decoder
        self.lm_head = LowMemoryLazyLinear(config.vocab_size, bias=False)


class Outer(WrappingCheckpointCompatibleModel):
    def __init__(self, config: OPTConfig, *, batch_size: int) -> None:
        super().__init__(Inner, config)
        self.batch_size = batch_size


@pytest.fixture
def saved(opt_reference: PreTrainedModel, tmp_path: Path) -> Path:
    save_pretrained_split(opt_reference, tmp_path)
    return tmp_path


def halves(reference: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    layer = reference.model.decoder.layers[1]
    with torch.no_grad():
        x = layer.final_layer_norm(reference.model.decoder.embed_tokens(ids))
        return reference.lm_head(layer.fc2(torch.relu(layer.fc1(x))))


def ours(model: Outer, ids: torch.Tensor) -> torch.Tensor:
    decoder = model.chkpt_model.model.decoder
    return model.chkpt_model.lm_head(decoder.layers[1](decoder.embed_tokens(ids)))


def test_computes_after_materialize(opt_reference: PreTrainedModel, saved: Path) -> None:
    ids = torch.tensor([5, 6, 7])
    model = Outer.from_pretrained(saved, batch_size=3)
    assert model.batch_size == 3
    model.materialize()
    torch.testing.assert_close(ours(model, ids), halves(opt_reference, ids))


def test_one_layer_at_a_time(saved: Path) -> None:
    model = Outer.from_pretrained(saved, batch_size=1)
    layers = model.chkpt_model.model.decoder.layers
    layers[0].materialize()
    states = [isinstance(layer.fc1.weight, UninitializedParameter) for layer in layers]
    assert states == [False, True]
    layers[0].nullify()
    assert all(isinstance(parameter, UninitializedParameter) for parameter in model.parameters())
    layers[0].materialize()  # its files are still known
    assert layers[0].fc1.weight.shape == (64, 32)


def test_single_file_is_read_at_once(opt_reference: PreTrainedModel, tmp_path: Path) -> None:
    opt_reference.save_pretrained(tmp_path, safe_serialization=False)
    ids = torch.tensor([5, 6, 7])
    model = Outer.from_pretrained(tmp_path, batch_size=1)
    torch.testing.assert_close(ours(model, ids), halves(opt_reference, ids))


def test_missing_key_is_passed_over_and_noticed_when_used(saved: Path) -> None:
    key_map = saved / "pytorch_model.bin" / "key_to_filename.json"
    files = json.loads(key_map.read_text())
    del files["model.decoder.layers.1.fc1.weight"]
    key_map.write_text(json.dumps(files))
    model = Outer.from_pretrained(saved, batch_size=1)
    model.materialize()
    with pytest.raises(ValueError, match="uninitialized parameter"):
        ours(model, torch.tensor([5]))


def test_folder_without_weights_is_not_found(opt_reference: PreTrainedModel, tmp_path: Path) -> None:
    opt_reference.config.save_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError):
        PretrainedModel.from_pretrained.__func__(Outer, tmp_path, batch_size=1)
