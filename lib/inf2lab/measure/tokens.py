"""Counting tokens as the model does: with its own tokenizer, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inf2lab import paths
from inf2lab.errors import LabError, MeasureError
from inf2lab.weights import standins


class Tokens:
    """A tokenizer.json (or a folder with a tokenizer), opened when it is first needed; it survives pickling."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._tokenizer: Any = None

    def __str__(self) -> str:
        return paths.shown(self.path)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_tokenizer": None}

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, without the one that begins every text."""
        found = self._open().encode_batch(list(texts), add_special_tokens=False)
        return [len(encoding.ids) for encoding in found]

    def ends(self, text: str) -> list[int]:
        """Return where each token of `text` ends, in characters."""
        return [end for _, end in self._open().encode(text, add_special_tokens=False).offsets]

    def _open(self) -> Any:
        if self._tokenizer is None:
            file = self.path / "tokenizer.json" if self.path.is_dir() else self.path
            if file.is_file():
                from tokenizers import Tokenizer

                self._tokenizer = Tokenizer.from_file(str(file))
            elif self.path.is_dir():  # older checkpoints, facebook/opt-13b among them, have two files instead
                from transformers import AutoTokenizer

                fast = AutoTokenizer.from_pretrained(str(self.path), local_files_only=True, use_fast=True)
                self._tokenizer = fast.backend_tokenizer
            else:
                raise MeasureError(
                    f"{self.path}: no tokenizer there; name the model's tokenizer.json, or `none` to count no tokens"
                )
        return self._tokenizer


def tokens_of(model_id: str, lane: str) -> Tokens | None:
    """Return the tokenizer of what answers for `model_id`: its stand-in's in the rehearsal, else a local copy's.

    None where this machine has none: tokens are then not counted, and never guessed.
    """
    if lane == "rehearsal":
        try:
            return Tokens(standins.prepare(model_id).snapshot)
        except LabError:
            return None
    own = Path(model_id)
    return Tokens(own) if own.is_dir() else None
