"""Opening a model's own tokenizer, to count tokens as the model does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from inf2lab import paths
from inf2lab.errors import MeasureError
from inf2lab.weights.cache import Repository

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def fetched_by_container(model_id: str) -> Path | None:
    """Return the model's files that the chip's container fetched into its cache on this machine; None without them."""
    repository = Repository(paths.container_cache() / "huggingface", model_id)
    reference = repository.path / "refs" / "main"
    snapshot = repository.snapshot(reference.read_text().strip()) if reference.is_file() else None
    return snapshot if snapshot and snapshot.is_dir() else None


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
