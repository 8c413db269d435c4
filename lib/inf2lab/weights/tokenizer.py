"""Opening a model's own tokenizer, to count tokens as the model does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from inf2lab.errors import MeasureError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def open_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer of a file or a model's folder; nothing is downloaded. Raises MeasureError."""
    file = path / "tokenizer.json" if path.is_dir() else path
    if file.is_file():
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(file))
    if path.is_dir():  # older checkpoints, facebook/opt-13b among them, have vocab.json and merges.txt instead
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(str(path), local_files_only=True, use_fast=True).backend_tokenizer
    raise MeasureError(f"{path}: no tokenizer there; name the model's tokenizer.json, or `none` to count no tokens")
