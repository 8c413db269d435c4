"""The folder that `inf2lab migrate --out` wrote, as a server is started from it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inf2lab import records
from inf2lab.errors import FolderError, LabError

MIGRATED = "server.json"


@dataclass(frozen=True)
class Migrated:
    """`words` come after `vllm serve`, with the model as this machine finds it; times are in seconds.

    `sampling` are the fields by which the old handler drew, as the bridge has them; `shape` and `rows` the requests
    that it took. Of the container: `options` and `mounts` (`./` is the folder itself) come before `image`, `arguments`
    after it, and `health` is the route that answers once the model is loaded. Without `devices` it runs on no Neuron.
    """

    name: str
    target: str
    model_id: str
    words: list[str]
    sampling: dict[str, Any]
    shape: str
    rows: int
    loading_s: int
    client_s: float
    image: str
    devices: int
    options: list[str]
    mounts: list[str]
    arguments: list[str]
    health: str

    @property
    def text(self) -> str:
        """The file."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Return whether a folder was written by `inf2lab migrate`."""
        return os.path.isfile(folder / MIGRATED)  # pathlib raises for a name that is too long

    @classmethod
    def read(cls, folder: Path) -> Migrated:
        """Return what a folder says; raises FolderError."""
        file = folder / MIGRATED
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            made = records.build(cls, found, MIGRATED, also=found)
        except OSError as error:
            raise FolderError(file, f"cannot be read ({error.strerror})") from error
        except (LabError, ValueError, TypeError, RecursionError) as error:
            raise FolderError(file, f"is not what `inf2lab migrate --out` writes ({error}): write it anew") from error
        if min(made.loading_s, made.client_s, made.rows) <= 0 or made.devices < 0:
            raise FolderError(file, "is not what `inf2lab migrate --out` writes: write it anew")
        return made
