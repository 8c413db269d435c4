"""Files and folders that appear whole or not at all: the one module that moves something to its place.

What is written has another name beside its place until it is complete, so that no reader ever sees a half, and an
interrupted run leaves nothing behind.
"""

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_file(path: Path, content: str | bytes, *, mode: int | None = None) -> Path:
    """Replace the file by one with this content (text as UTF-8) and return its path; see `replace_file`."""
    with replace_file(path, mode=mode) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


@contextmanager
def replace_file(path: Path, *, mode: int | None = None) -> Iterator[BinaryIO]:
    """Yield a new file that takes the place of `path` when the block ends well; else `path` stays as it was.

    Its mode is `mode`, or that of the file it replaces, or what the umask gives. Missing folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode is None and path.exists():
        mode = stat.S_IMODE(path.stat().st_mode)
    beside = _name_beside(path)
    try:
        with beside.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the name, and nothing behind it
        if mode is not None:
            os.chmod(beside, mode)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def make_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder that becomes `path` when the block ends well; if another run was first, its folder stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _name_beside(path)
    beside.mkdir()
    try:
        yield beside
        os.replace(beside, path)
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        if not (isinstance(error, OSError) and path.is_dir()):
            raise


def _name_beside(path: Path) -> Path:
    """Return a name that no search by ending (`*.json`) or by beginning finds."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")
