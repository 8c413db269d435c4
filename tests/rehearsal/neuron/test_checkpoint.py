"""Ways of loading weights give one and the same model (facts, sections 2 and 3)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from emulated_neuron.checkpoint import SplitCheckpoint, open_checkpoint
from torch import Tensor
from transformers import PreTrainedModel
from transformers_neuronx.module import save_pretrained_split
from transformers_neuronx.opt.model import OPTForSampling

pytestmark = pytest.mark.filterwarnings("ignore:torch_dtype of the configuration")
ARGUMENTS = {"batch_size": 2, "amp": "f32", "tp_degree": 2, "n_positions": 128}


def logits(model: OPTForSampling, prompts: Tensor) -> Tensor:
    model.to_neuron()
    return model.forward(prompts, torch.arange(9))


def test_directory_file_and_state_dict_agree(opt_reference: PreTrainedModel, prompts: Tensor, tmp_path: Path) -> None:
    save_pretrained_split(opt_reference, tmp_path / "split")
    opt_reference.save_pretrained(tmp_path / "single", safe_serialization=False)
    in_memory = OPTForSampling(opt_reference.config, **ARGUMENTS)
    in_memory.load_state_dict_low_memory(opt_reference.state_dict())
    expected = logits(in_memory, prompts)
    for folder in ("split", "single"):
        model = OPTForSampling.from_pretrained(tmp_path / folder, **ARGUMENTS)
        torch.testing.assert_close(logits(model, prompts), expected, atol=0, rtol=0)


def test_state_dict_is_emptied(opt_reference: PreTrainedModel) -> None:
    weights = opt_reference.state_dict()
    OPTForSampling(opt_reference.config, **ARGUMENTS).load_state_dict_low_memory(weights)
    assert not weights


def test_safetensors_are_not_read_before_0_9(opt_reference: PreTrainedModel, tmp_path: Path) -> None:
    opt_reference.save_pretrained(tmp_path, safe_serialization=True)
    with pytest.raises(FileNotFoundError, match=r"pytorch_model\.bin"):
        OPTForSampling.from_pretrained(tmp_path, **ARGUMENTS)


def test_sharded_files_are_not_read_before_0_9(opt_reference: PreTrainedModel, tmp_path: Path) -> None:
    opt_reference.save_pretrained(tmp_path, safe_serialization=False, max_shard_size="20KB")
    assert (tmp_path / "pytorch_model.bin.index.json").is_file()
    with pytest.raises(FileNotFoundError, match=r"pytorch_model\.bin"):
        OPTForSampling.from_pretrained(tmp_path, **ARGUMENTS)


def test_a_configuration_alone_is_not_enough(opt_reference: PreTrainedModel, tmp_path: Path) -> None:
    opt_reference.config.save_pretrained(tmp_path)  # what a hub's name resolves to
    with pytest.raises(FileNotFoundError, match=r"pytorch_model\.bin"):
        OPTForSampling.from_pretrained(tmp_path, **ARGUMENTS)


def test_missing_key_is_noticed_at_to_neuron(opt_reference: PreTrainedModel, tmp_path: Path) -> None:
    save_pretrained_split(opt_reference, tmp_path)
    key_map = tmp_path / "pytorch_model.bin" / "key_to_filename.json"
    files = json.loads(key_map.read_text())
    del files["model.decoder.layers.1.fc1.weight"]
    key_map.write_text(json.dumps(files))
    model = OPTForSampling.from_pretrained(tmp_path, **ARGUMENTS)
    with pytest.raises(ValueError, match=r"uninitialized parameter.*layers\.1\.fc1"):
        model.to_neuron()


def test_placeholder_is_random_weight_of_its_shape(tmp_path: Path) -> None:
    folder = tmp_path / "pytorch_model.bin"
    folder.mkdir()
    (folder / "key_to_filename.json").write_text(json.dumps({"w": "p0.w.empty_json", "b": "p1.b.empty_json"}))
    shape = {"torch_dtype": "torch.float16", "shape": [64, 32]}
    (folder / "p0.w.empty_json").write_text(json.dumps({**shape, "init_std": 0.02}))
    (folder / "p1.b.empty_json").write_text(json.dumps({**shape, "init_std": 0.0}))
    weights = open_checkpoint(tmp_path)
    assert isinstance(weights, SplitCheckpoint)
    assert weights["w"].shape == (64, 32)
    assert weights["w"].dtype == torch.float16
    assert float(weights["w"].float().std()) == pytest.approx(0.02, rel=0.1)
    assert not weights["b"].any()
