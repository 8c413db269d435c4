"""The folder that `inf2lab migrate --out` wrote, as a server is started from it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from inf2lab.errors import FolderError

MIGRATED = "server.json"


@dataclass(frozen=True)
class Migrated:
    """`words` come after `vllm serve`, with the model as this machine finds it; times are in seconds.

    `sampling` are the fields by which the old handler drew, as the bridge has them; `shape` the requests that it took.
    """

    name: str
    target: str
    model_id: str
    words: list[str]
    sampling: dict[str, Any]
    shape: str
    loading_s: int
    client_s: float

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
            made = cls(**{field.name: found[field.name] for field in fields(cls)})
        except OSError as error:
            raise FolderError(file, f"cannot be read ({error.strerror})") from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise FolderError(file, f"is not what `inf2lab migrate --out` writes ({error!r}): write it anew") from error
        made.check(file)
        return made

    def check(self, file: Path) -> None:
        """Raise FolderError for a value of another type."""
        words = isinstance(self.words, list) and all(isinstance(word, str) for word in self.words)
        texts = all(isinstance(text, str) for text in (self.name, self.target, self.model_id, self.shape))
        times = all(isinstance(time, int | float) and time > 0 for time in (self.loading_s, self.client_s))
        if not (words and texts and times and isinstance(self.sampling, dict)):
            raise FolderError(file, "is not what `inf2lab migrate --out` writes: write it anew")
