"""A model folder on disk: its name and its files."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from inf2lab import catalog, paths
from inf2lab.errors import FolderError
from inf2lab.folder.environment import Variable, merge
from inf2lab.folder.properties import FILE_NAME, Properties, load_properties, read_properties
from inf2lab.folder.stated import Stated, name_in_urls

_CONFIG_MAP_KEY = re.compile(r"[-.\w]{1,253}", re.ASCII)


class Aim(Protocol):
    """What a folder is read for: anything with the names of a profile and an instance, such as Settings."""

    @property
    def profile(self) -> str: ...
    @property
    def instance(self) -> str: ...


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
        """The model's name in URLs."""
        return name_in_urls(self.path.name)

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

    def stated(self, aim: Aim, variables: Iterable[Variable] = ()) -> Stated:
        """Return what its files and the container's variables state under the aim's profile, on its instance.

        Raises FolderError, SettingsError.
        """
        files = [file.name for file in self.path.iterdir() if file.is_file()] if os.path.isdir(self.path) else []
        profile = catalog.profile(aim.profile)
        properties = load_properties(self.properties_path) if FILE_NAME in files else Properties()
        return Stated(
            name=self.path.name,
            profile=profile,
            instance=catalog.instance(aim.instance),
            properties=merge(properties, variables, profile.version),
            files=frozenset(files),
            config=read_config(self.path / "config.json") if "config.json" in files else None,
        )

    def check(self) -> ModelFolder:
        """Return the folder itself if it can be served; raises FolderError saying what is missing and who writes it."""
        if not os.path.isdir(self.path):
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

    def contents(self) -> dict[str, bytes]:
        """Return the folder's files; raises FolderError for one that is not flat and small, as weights are.

        Hidden ones stay: JupyterLab keeps copies in .ipynb_checkpoints, and the server reads none of them.
        """
        limit = catalog.kubernetes_facts().config_map_bytes
        names = [name for name in self.check().fingerprint() if not name.startswith(".")]
        found = {name: (self.path / name).read_bytes() for name in names}
        odd = [name for name in found if not _CONFIG_MAP_KEY.fullmatch(name)]
        if odd or sum(map(len, found.values())) > limit:
            reason = (
                f"{odd[0] if odd else 'its files together'} cannot travel with the folder (letters, digits, - . _; "
                f"flat; at most {limit >> 20} MiB): name the weights with option.model_id, on the hub or s3://"
            )
            raise FolderError(self.path, reason)
        return found


def read_config(file: Path) -> object:
    """Return what a config.json says, or None where it is none; raises FolderError if it cannot be read."""
    try:
        return json.loads(file.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise FolderError(file, f"cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError):
        return None
