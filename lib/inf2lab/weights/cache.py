"""A Hugging Face cache folder, written whole or not at all: repositories, snapshots, and what leads to them."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inf2lab.files import make_folder, write_file

OWN = "own"  # the reference under which a repository keeps the named model's own weights


@dataclass(frozen=True)
class Repository:
    """One model of the cache below `home`; a worker that has `home` as HF_HOME gets what `main` leads to."""

    home: Path
    model_id: str

    @property
    def path(self) -> Path:
        """The repository's folder."""
        return self.home / "hub" / f"models--{self.model_id.replace('/', '--')}"

    def snapshot(self, revision: str) -> Path:
        """Where the files of a revision are, or would be."""
        return self.path / "snapshots" / revision

    def at(self, reference: str) -> Path | None:
        """Return the snapshot that a reference leads to, or None where it is not here."""
        file = self.path / "refs" / reference
        snapshot = self.snapshot(file.read_text().strip()) if file.is_file() else None
        return snapshot if snapshot and snapshot.is_dir() else None

    def own(self) -> Path | None:
        """Return the snapshot with the model's own weights, or None where they are not here."""
        return self.at(OWN)

    def write(self, revision: str, fill: Callable[[Path], None]) -> Path:
        """Return the snapshot; where it is missing, `fill` writes into a folder that is then moved to its place."""
        snapshot = self.snapshot(revision)
        if snapshot.is_dir():
            return snapshot
        try:
            with make_folder(snapshot) as folder:
                fill(folder)
        except OSError:
            if not snapshot.is_dir():  # else another run was first: a revision is the same whoever wrote it
                raise
        return snapshot

    def point(self, reference: str, revision: str) -> None:
        """Let a reference (`main`, `own`) lead to a revision."""
        _write_once(self.path / "refs" / reference, revision)
        _write_once(self.home / "hub" / "version.txt", "1")  # else transformers takes it for an old cache and warns

    def forget_own(self) -> bool:
        """Remove the model's own weights; returns whether there were any."""
        snapshot = self.own()
        (self.path / "refs" / OWN).unlink(missing_ok=True)
        if snapshot is not None:
            shutil.rmtree(snapshot)
        return snapshot is not None


def link(source: Path, target: Path) -> None:
    """Give a file that never changes a second name; on another file system, copy it."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _write_once(path: Path, text: str) -> None:
    if not (path.is_file() and path.read_text() == text):
        write_file(path, text)
