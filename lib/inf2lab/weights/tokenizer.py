"""Opening a model's own tokenizer, to count tokens as the model does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from inf2lab import paths
from inf2lab.errors import MeasureError
from inf2lab.weights.cache import Repository

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_OLDER = ("vocab.json", "tokenizer.model", "vocab.txt", "spiece.model")  # facebook/opt-13b has the first of them


def fetched_by_container(model_id: str) -> Path | None:
    """Return the model's files that the chip's container fetched into its cache on this machine; None without them."""
    return Repository(paths.container_cache() / "huggingface", model_id).at("main")


def open_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer of a file or a model's folder; nothing is downloaded. Raises MeasureError."""
    file = path / "tokenizer.json" if os.path.isdir(path) else path
    older = any(os.path.isfile(path / name) for name in _OLDER)
    if not older and not os.path.isfile(file):
        raise MeasureError(f"{path}: no tokenizer there; name the model's tokenizer.json, or the folder that has it")
    try:
        if os.path.isfile(file):
            from tokenizers import Tokenizer

            return Tokenizer.from_file(str(file))
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(str(path), local_files_only=True, use_fast=True).backend_tokenizer
    except Exception as error:  # tokenizers raises nothing narrower
        said = " ".join(str(error).split())[:200]
        raise MeasureError(
            f"{path}: no tokenizer can be read there ({said}); name the model's tokenizer.json"
        ) from error
