"""Reading weights: the split directory, a single file, or a state dict, all as one mapping from key to tensor."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

WEIGHTS = "pytorch_model.bin"  # a directory in the split format, a file otherwise
KEY_MAP = "key_to_filename.json"
PLACEHOLDER = ".empty_json"
_RANDOM = torch.Generator()  # torch's global one is the caller's: who sampled with a seed gets the same text again
_DEVIATION = 0.02  # of OPT's and GPT-2's matrices before training; norms and biases are 0, as in the real generator


class SplitCheckpoint(Mapping[str, torch.Tensor]):
    """A split directory; a tensor is read when it is asked for, so that one layer at a time is in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, str] = json.loads((folder / KEY_MAP).read_text(encoding="utf-8"))

    def __getitem__(self, key: str) -> torch.Tensor:
        path = self.folder / self.files[key]
        if path.name.endswith(PLACEHOLDER):
            return _random_tensor(json.loads(path.read_text(encoding="utf-8")))
        return torch.load(path, map_location="cpu", weights_only=True)

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def open_checkpoint(folder: str | os.PathLike[str]) -> Mapping[str, torch.Tensor]:
    """The weights of a saved model folder; raises FileNotFoundError (a hub name has a config but no folder here)."""
    path = Path(folder) / WEIGHTS
    if path.is_dir():
        return SplitCheckpoint(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def save_tensor(tensor: torch.Tensor, path: Path) -> Path:
    """Write a tensor to `path`, or a placeholder beside it for one on the meta device; the file that was written."""
    if tensor.is_meta:
        path = path.with_name(path.name + PLACEHOLDER)
        deviation = _DEVIATION if tensor.dim() > 1 else 0.0
        placeholder = {"torch_dtype": str(tensor.dtype), "shape": list(tensor.shape), "init_std": deviation}
        path.write_text(json.dumps(placeholder), encoding="utf-8")
    else:
        whole = tensor.untyped_storage().nbytes() == tensor.nbytes  # else all would be written that a view shares
        torch.save(tensor.detach() if whole else tensor.detach().clone(), path)
    return path


def _random_tensor(placeholder: dict) -> torch.Tensor:
    """Normal random numbers of the placeholder's shape; a deviation of 0 gives zeros."""
    shape, dtype, deviation = _read_placeholder(placeholder)
    if not deviation:
        return torch.zeros(shape, dtype=dtype)
    return torch.empty(shape, dtype=dtype).normal_(0.0, deviation, generator=_RANDOM)


def _read_placeholder(placeholder: dict) -> tuple[list[int], torch.dtype, float]:
    dtype = getattr(torch, placeholder["torch_dtype"].removeprefix("torch."))
    return placeholder["shape"], dtype, float(placeholder.get("init_std") or 0.0)
