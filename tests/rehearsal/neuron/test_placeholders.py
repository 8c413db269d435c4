"""The samples' large models up to the memory verdict, from placeholders a few bytes long (facts, sections 3 and 9)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from emulated_neuron.environment import RehearsalError
from transformers_neuronx.opt.gen_random_pretrained import main, named_config
from transformers_neuronx.opt.model import OPTForSampling

pytestmark = pytest.mark.filterwarnings("ignore:torch_dtype of the configuration")


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., None]:
    """Runs the samples' last steps on placeholders of a published size."""

    def run(size: str, **arguments: object) -> None:
        main([f"facebook/opt-{size}", str(tmp_path), "--empty"])
        OPTForSampling.from_pretrained(tmp_path, amp="f16", **arguments).to_neuron()

    return run


# What AWS states: 13B at degree 2 fits with batch 2, not with batch 3; 66B fits at degree 24, not at 8.
@pytest.mark.parametrize(("size", "degree", "batch"), [("13b", 2, 3), ("66b", 8, 2), ("175b", 8, 1)])
def test_too_large_for_its_cores(place: Callable[..., None], size: str, degree: int, batch: int) -> None:
    with pytest.raises(RuntimeError, match="Allocation Failure"):
        place(size, tp_degree=degree, batch_size=batch)


@pytest.mark.parametrize(("size", "degree", "batch"), [("13b", 2, 2), ("13b", 8, 1), ("30b", 8, 1), ("66b", 24, 2)])
def test_fits_the_cores_and_not_this_computer(
    place: Callable[..., None], monkeypatch: pytest.MonkeyPatch, size: str, degree: int, batch: int
) -> None:
    # A computer with 8 GiB free, whatever this one has.
    memory = type("Memory", (), {"available": 8 * 2**30})
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    with pytest.raises(RehearsalError, match="emulated NeuronCores hold the model, but this computer does not"):
        place(size, tp_degree=degree, batch_size=batch)


def test_placeholders_of_13b_are_small_and_complete(tmp_path: Path) -> None:
    main(["facebook/opt-13b", str(tmp_path), "--empty"])
    weights = tmp_path / "pytorch_model.bin"
    assert sum(path.stat().st_size for path in weights.iterdir()) < 200_000
    files = json.loads((weights / "key_to_filename.json").read_text())
    shapes = {key: json.loads((weights / name).read_text()) for key, name in files.items()}
    parameters = sum(math.prod(entry["shape"]) for key, entry in shapes.items() if key != "lm_head.weight")
    assert parameters == pytest.approx(12.85e9, rel=0.001)
    assert shapes["model.decoder.layers.0.fc1.bias"]["init_std"] == 0
    assert shapes["model.decoder.layers.0.fc1.weight"]["init_std"] == 0.02


def test_small_one_runs_on_its_random_weights(tmp_path: Path) -> None:
    config = named_config("facebook/opt-125m")
    assert config.hidden_size == 768
    config.update(
        {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "ffn_dim": 64,
            "word_embed_proj_dim": 32,
            "vocab_size": 100,
        }
    )
    config.save_pretrained(tmp_path / "config")
    for flag in (["--empty"], []):
        folder = tmp_path / f"random{len(flag)}"
        main([str(tmp_path / "config"), str(folder), *flag])
        model = OPTForSampling.from_pretrained(folder, amp="f16")
        model.to_neuron()
        assert model.sample(torch.full((1, 4), 7), 20).shape == (1, 20)
