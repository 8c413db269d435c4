"""A model folder on disk: its name, its files and the settings it states."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from inf2lab import paths
from inf2lab.errors import FolderError
from inf2lab.folder.properties import FILE_NAME, read_properties


@dataclass(frozen=True)
class ModelFolder:
    """`models/<name>/` with serving.properties and, for a handler of one's own, model.py."""

    path: Path

    @classmethod
    def named(cls, name: str) -> ModelFolder:
        """Return the folder of that name in the repository's model store; it need not exist yet."""
        return cls(paths.models() / name)

    @property
    def name(self) -> str:
        """The model's name in URLs: the folder's, with every character but letters, digits and _ made a _."""
        return re.sub(r"\W", "_", self.path.name, flags=re.ASCII)  # letters as Java's \W counts them

    @property
    def properties_path(self) -> Path:
        """Where serving.properties belongs."""
        return self.path / FILE_NAME

    @property
    def handler_path(self) -> Path:
        """Where a handler of one's own belongs."""
        return self.path / "model.py"

    def properties(self) -> dict[str, str]:
        """Return what serving.properties says; raises FolderError."""
        return read_properties(self.properties_path)

    def option(self, name: str, default: str = "") -> str:
        """Return `option.<name>`, or the plain key, or `default`; a folder with only model.py has no options."""
        values = self.properties() if self.properties_path.exists() else {}
        return values.get(f"option.{name}") or values.get(name) or default

    def check(self) -> ModelFolder:
        """Return the folder itself if it can be served; raises FolderError saying what is missing and who writes it."""
        if not self.path.is_dir():
            raise FolderError(paths.shown(self.path), "no such model folder; notebooks 03 and 04 write models/opt13b")
        if not self.properties_path.is_file() and not self.handler_path.is_file():
            reason = "has neither serving.properties nor model.py; notebooks 03 and 04 write them"
            raise FolderError(paths.shown(self.path), reason)
        if self.properties_path.is_file():
            self.properties()
        return self

    def fingerprint(self) -> dict[str, str]:
        """Return {file: first 12 digits of its SHA-256}: equal fingerprints are equal bytes."""
        files = sorted(f for f in self.path.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
        return {str(f.relative_to(self.path)): hashlib.sha256(f.read_bytes()).hexdigest()[:12] for f in files}
