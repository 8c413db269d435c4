"""What GPT-2 of 0.3 to 0.8 saves of its compiled programs, in as much as the rehearsal has any: what they fit."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch

PROGRAM = "neuron-program.pkl"


def save_program(folder: str | Path, program: Mapping[str, object]) -> None:
    """Write `program` into `folder`, which is made; raises FileExistsError where a file has its name."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(dict(program), folder / PROGRAM)


def load_program(folder: str | Path) -> dict[str, object]:
    """Read it back; raises FileNotFoundError where `folder` is none, or holds no program."""
    path = Path(folder) / PROGRAM
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"{folder} is not a directory: _save_compiled_artifacts() writes one")
    try:
        return torch.load(path, weights_only=True)
    except pickle.UnpicklingError as error:
        raise RuntimeError(f"{path} was not written by the rehearsal: compile again without it") from error


def check_program(saved: Mapping[str, object], wanted: Mapping[str, object]) -> None:
    """Raise RuntimeError where programs compiled for one shape are to run another."""
    for key, value in wanted.items():
        if saved.get(key) != value:
            raise RuntimeError(
                f"the compiled artifacts are for {key}={saved.get(key)!r} and the model has {key}={value!r}: "
                "compile again without them"
            )
