"""What is asked: prompts from a data file, at lengths drawn from a distribution, counted as the model counts."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inf2lab import paths
from inf2lab.errors import LabError, MeasureError, SettingsError
from inf2lab.weights import fetched_by_container, open_tokenizer, prepare_standin

PROMPTS = Path(__file__).with_name("prompts.txt")
TRIES = 200  # a text that is cut off may split into other tokens than it had; then another is drawn


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
            self._tokenizer = open_tokenizer(self.path)
        return self._tokenizer


def tokens_of(model_id: str, lane: str) -> Tokens | None:
    """Return the tokenizer of what answers for `model_id`: its stand-in's in the rehearsal, else a local copy's.

    None where this machine has none: tokens are then not counted, and never guessed.
    """
    if model_id and Path(model_id).is_dir():
        return Tokens(Path(model_id))
    if lane == "rehearsal":
        try:
            return Tokens(prepare_standin(model_id).snapshot)
        except LabError:
            return None
    own = fetched_by_container(model_id)
    return Tokens(own) if own else None


@dataclass(frozen=True)
class Lengths:
    """How many tokens a prompt has: as in the file, exactly `low`, from `low` to `high`, or about `mean`."""

    text: str = "file"
    low: int = 0
    high: int = 0
    deviation: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Lengths:
        """Read `file`, `40`, `16-64` (each equally likely) or `40~12` (normal, with that deviation)."""
        if text == "file":
            return cls()
        if match := re.fullmatch(r"(\d+)(?:-(\d+)|~(\d+(?:\.\d+)?))?", text):
            low = int(match[1])
            high = int(match[2]) if match[2] else low
            if 1 <= low <= high:
                return cls(text, low, high, float(match[3] or 0))
        raise SettingsError("lengths", text, "use file, or tokens: 40, 16-64 (uniform) or 40~12 (normal)")

    def draw(self, rng: random.Random) -> int:
        """Return a number of tokens, 1 or more; 0 for a text as it stands in the file."""
        if self.deviation:
            return max(1, round(rng.gauss(self.low, self.deviation)))
        return rng.randint(self.low, self.high) if self.low else 0


def read_prompts(path: Path | str = PROMPTS) -> tuple[str, ...]:
    """Return the prompts of a data file, one a line; lines that begin with # are comments. Raises MeasureError."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MeasureError(f"{path}: no file of prompts ({error}); write one prompt a line, in UTF-8") from error
    prompts = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    if not prompts:
        raise MeasureError(f"{path}: holds no prompt; write one a line")
    return prompts


def draw_prompts(
    texts: Sequence[str], lengths: Lengths, tokens: Tokens | None, *, rows: int, rng: random.Random
) -> list[str]:
    """Return the prompts of one request: `rows` of them, of one length, since a compiled batch has one length."""
    wanted = lengths.draw(rng)
    if not wanted:
        start = rng.randrange(len(texts))
        return [texts[(start + row) % len(texts)] for row in range(rows)]
    if tokens is None:
        raise MeasureError(f"lengths={lengths.text}: lengths are counted in tokens, so name the model's tokenizer")
    return [_of_length(texts, wanted, tokens, rng) for _ in range(rows)]


def _of_length(texts: Sequence[str], wanted: int, tokens: Tokens, rng: random.Random) -> str:
    for _ in range(TRIES):
        start = rng.randrange(len(texts))
        whole = texts[start]
        ends = tokens.ends(whole)
        while len(ends) < wanted:
            start += 1
            whole = f"{whole} {texts[start % len(texts)]}"
            ends = tokens.ends(whole)
        cut = whole[: ends[wanted - 1]]
        if tokens.count([cut]) == [wanted]:
            return cut
    raise MeasureError(f"no prompt of exactly {wanted} tokens could be cut from the file: give it longer lines")
