"""Unpacks a GGUF file of the Llama family into a Hugging Face folder: configuration, tokenizer, weights in f16.

    python models/unpack_gguf.py SmolLM2-135M-Instruct.Q4_1.gguf folder

`inf2lab fetch smollm2-135m` calls it. The file's weights have four bits; unpacked they are as exact as the file is.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import AutoModelForCausalLM, GPT2TokenizerFast, PreTrainedModel, PreTrainedTokenizerFast

_SPECIAL = 3  # GGUF's token type of control tokens


def main(arguments: list[str] | None = None) -> None:
    """Write the folder that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    unpack(options.file, options.folder)


def unpack(file: Path, folder: Path) -> None:
    """Write `folder` from a GGUF `file`; raises ValueError for a tokenizer that is not byte-level BPE."""
    reader = GGUFReader(file)
    tokenizer = read_tokenizer(reader)
    model = read_model(file, reader)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    model.half().save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)


def read_model(file: Path, reader: GGUFReader) -> PreTrainedModel:
    """The model with its weights in f32."""
    # transformers 4.45 would draw an output matrix at random where the file leaves it out, because it is the embedding.
    tied = all(tensor.name != "output.weight" for tensor in reader.tensors)
    model = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, tie_word_embeddings=tied, torch_dtype=torch.float32
    )
    model.config._name_or_path = file.stem  # not the path on this machine
    return model


def read_tokenizer(reader: GGUFReader) -> PreTrainedTokenizerFast:
    """The tokenizer with its special tokens and chat template; no token is put in front of a text."""
    # Not by transformers: 4.45 takes every Llama file for one with sentencepiece's rules and puts a token in front.
    kind, splits = _field(reader, "tokenizer.ggml.model"), _field(reader, "tokenizer.ggml.pre")
    if (kind, splits) != ("gpt2", "smollm"):
        raise ValueError(f"tokenizer {kind}/{splits} is not written here: only gpt2/smollm is")
    tokens, types = (_field(reader, f"tokenizer.ggml.{name}") for name in ("tokens", "token_type"))
    merges = [tuple(pair.split(" ")) for pair in _field(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(BPE({token: number for number, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([token for token, kind in zip(tokens, types, strict=True) if kind == _SPECIAL])
    named = {
        f"{ours}_token": tokens[_field(reader, f"tokenizer.ggml.{theirs}_token_id")]
        for ours, theirs in [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")]
    }
    fast = GPT2TokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=_field(reader, "llama.context_length"),
        clean_up_tokenization_spaces=False,
        **named,
    )
    fast.chat_template = _field(reader, "tokenizer.chat_template")
    return fast


def _field(reader: GGUFReader, name: str) -> Any:
    if name not in reader.fields:
        raise ValueError(f"the file has no field {name}")
    return reader.fields[name].contents()


if __name__ == "__main__":
    main()
