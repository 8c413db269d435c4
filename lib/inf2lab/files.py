"""Files and folders that appear whole or not at all: the one module that moves something to its place.

What is written has another name beside its place until it is complete, so that no reader ever sees a half, and an
interrupted run leaves nothing behind.
"""

import errno
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from inf2lab.errors import LabError

OLD_S = 24 * 3600  # of what nobody is still writing
_BESIDE = ".*." + 8 * "[0-9a-f]"  # as `_name_beside` names it


def write_file(path: Path, content: str | bytes, *, mode: int | None = None) -> Path:
    """Replace the file by one with this content (text as UTF-8) and return its path; see `replace_file`."""
    with replace_file(path, mode=mode) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


@contextmanager
def replace_file(path: Path, *, mode: int | None = None) -> Iterator[BinaryIO]:
    """Yield a new file that takes the place of `path` when the block ends well; else `path` stays as it was.

    Its mode is `mode`, or that of the file it replaces, or what the umask gives. Missing folders are made. A link stays
    one; a device or a pipe, such as /dev/stdout, is written to.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    path = Path(os.path.realpath(path))
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
    except BaseException as error:
        beside.unlink(missing_ok=True)
        _name_place(error, beside, path)
        raise


def check_place(path: Path) -> Path:
    """Return the path if a file can be written there, as far as can be seen before; raises LabError."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        elif path.is_dir() or not os.access(path, os.W_OK):
            raise OSError(errno.EISDIR if path.is_dir() else errno.EACCES, "is a folder, or may not be written")
        return path
    except OSError as error:
        raise LabError(f"{path}: no file can be written there ({error.strerror}): name another place") from error


@contextmanager
def make_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder that becomes `path`, which may be an empty one, when the block ends well.

    Raises OSError where it cannot, as when another run was first and filled it: that folder stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _name_beside(path)
    try:
        beside.mkdir()
        yield beside
        os.replace(beside, path)
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        _name_place(error, beside, path)
        raise


def remove_leftovers(folder: Path, *patterns: str) -> None:
    """Remove what an interrupted `replace_file` or `make_folder` left in a folder, and by these patterns: a day old."""
    for path in {path for pattern in (_BESIDE, *patterns) for path in folder.glob(pattern)}:
        with suppress(OSError):
            seen = path.lstat()
            if time.time() - seen.st_mtime > OLD_S and seen.st_uid == os.geteuid():
                shutil.rmtree(path) if stat.S_ISDIR(seen.st_mode) else path.unlink()


def _name_place(error: BaseException, beside: Path, path: Path) -> None:
    """Let a refusal of the system say where: a full disk names nothing, and nobody knows the name beside."""
    if isinstance(error, OSError) and error.errno is not None:  # one of its own words says them
        error.filename = str(error.filename or beside).replace(str(beside), str(path), 1)


def _name_beside(path: Path) -> Path:
    """Return a name that no search by ending (`*.json`) or by beginning finds."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")
