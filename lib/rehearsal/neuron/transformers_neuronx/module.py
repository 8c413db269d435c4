"""Writing a Hugging Face model in the split format: one file for each tensor, so that loading needs little memory."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from emulated_neuron.checkpoint import KEY_MAP, WEIGHTS, save_tensor
from emulated_neuron.low_memory import (
    LowMemoryEmbedding,
    LowMemoryLayerNorm,
    LowMemoryLazyLinear,
    LowMemoryModule,
    LowMemoryModuleList,
    PretrainedModel,
    WrappingCheckpointCompatibleModel,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = [
    "LowMemoryEmbedding",
    "LowMemoryLayerNorm",
    "LowMemoryLazyLinear",
    "LowMemoryModule",
    "LowMemoryModuleList",
    "PretrainedModel",
    "WrappingCheckpointCompatibleModel",
    "sanitize_file_name",
    "save_pretrained_split",
    "save_split",
]


def save_pretrained_split(model: PreTrainedModel, save_directory: str | os.PathLike) -> None:
    """Write config.json and the directory `pytorch_model.bin/` with one file for each key, in the dtypes held.

    A model that was made under `torch.device("meta")` has no numbers: placeholders of a few bytes stand for them.
    """
    # Trap: the model's own save_pretrained asks whether it was compiled, and the question imports torch._dynamo: a
    # quarter of a worker's start. What it would write is written here; a test compares.
    folder, config = Path(save_directory), copy.deepcopy(model.config)
    config.torch_dtype = str(model.dtype).removeprefix("torch.")
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    if model.can_generate():
        model.generation_config.save_pretrained(folder)
    save_split(model.state_dict(), folder / WEIGHTS)


def save_split(state_dict: dict[str, torch.Tensor], save_directory: str | os.PathLike) -> None:
    """Write `key_to_filename.json` and `p{index}.{key}` files; the directory appears only once it is complete."""
    target = Path(save_directory)
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    key_to_filename = {}
    for index, (key, tensor) in enumerate(state_dict.items()):
        path = save_tensor(tensor, partial / sanitize_file_name(f"p{index}.{key}"))
        key_to_filename[key] = path.name
    (partial / KEY_MAP).write_text(json.dumps(key_to_filename, indent=2), encoding="utf-8")
    _replace(target, partial)


def sanitize_file_name(name: str) -> str:
    """`name` as a file name: spaces become `_`, all but letters, digits, `_`, `-`, `.` go; raises ValueError."""
    clean = re.sub(r"[^\w\-.]", "", name.strip().replace(" ", "_"))
    if clean in ("", ".", ".."):
        raise ValueError(f"{name!r} leaves no file name: use letters, digits, `_`, `-` or `.`")
    return clean


def _replace(target: Path, complete: Path) -> None:
    if target.is_dir():
        old = target.with_name(f"{target.name}.old-{os.getpid()}")
        target.rename(old)
        complete.rename(target)
        shutil.rmtree(old)
    else:
        target.unlink(missing_ok=True)
        complete.rename(target)
