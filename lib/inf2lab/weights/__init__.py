"""Which weights speak in the rehearsal: stand-ins, a model's own where they are here, and how those are brought."""

from inf2lab.weights import fetch, standins
from inf2lab.weights.tokenizer import open_tokenizer

__all__ = ["fetch", "open_tokenizer", "standins"]
