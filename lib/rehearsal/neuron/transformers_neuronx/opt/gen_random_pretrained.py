"""Write a split checkpoint of random weights, or of placeholders a few bytes long, for an OPT of any size.

    python -m transformers_neuronx.opt.gen_random_pretrained facebook/opt-66b DIR --empty

With placeholders a model of hundreds of gigabytes is rehearsed up to the device's verdict on its memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoConfig, OPTConfig, OPTForCausalLM
from transformers.modeling_utils import no_init_weights

from transformers_neuronx.module import save_pretrained_split

# Published sizes (Zhang et al. 2022, table 1), so that none has to be downloaded: hidden, layers, heads.
SIZES = {
    "125m": (768, 12, 12),
    "1.3b": (2048, 24, 32),
    "2.7b": (2560, 32, 32),
    "6.7b": (4096, 32, 32),
    "13b": (5120, 40, 40),
    "30b": (7168, 48, 56),
    "66b": (9216, 64, 72),
    "175b": (12288, 96, 96),
}


def named_config(name: str) -> OPTConfig:
    """The configuration of `facebook/opt-<size>`, or of a model folder."""
    size = name.removeprefix("facebook/opt-")
    if size not in SIZES:
        return AutoConfig.from_pretrained(name)
    hidden, layers, heads = SIZES[size]
    return OPTConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        ffn_dim=4 * hidden,
        word_embed_proj_dim=hidden,
        vocab_size=50272,
        max_position_embeddings=2048,
        torch_dtype=torch.float16,
        name_or_path=name,
    )


def without_numbers(config: OPTConfig) -> OPTForCausalLM:
    """The model on the meta device. Numbers are not even drawn: there that takes long, and PyTorch's compiler."""
    with torch.device("meta"), no_init_weights():
        return OPTForCausalLM(config)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; see the module's text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", help="facebook/opt-<size>, or a model folder")
    parser.add_argument("folder", type=Path, help="where to write; must not exist with weights in it")
    parser.add_argument("--empty", action="store_true", help="placeholders instead of numbers")
    parsed = parser.parse_args(arguments)
    config = named_config(parsed.name)
    model = without_numbers(config) if parsed.empty else OPTForCausalLM(config)
    save_pretrained_split(model.to(config.torch_dtype or torch.float32), parsed.folder)


if __name__ == "__main__":
    main()
