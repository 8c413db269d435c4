"""serving.properties as Java reads it: escapes, continuation lines, and the last of two equal keys wins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import javaproperties

from inf2lab.errors import FolderError
from inf2lab.files import write_file

FILE_NAME = "serving.properties"


def read_properties(path: Path | str) -> dict[str, str]:
    """Return the keys and values of a properties file, in file order; raises FolderError if it cannot be read."""
    path = Path(path)
    try:
        return javaproperties.loads(path.read_text(encoding="latin-1"))
    except OSError as error:
        raise FolderError(path, f"cannot be read ({error.strerror}); notebook 03 writes one") from error
    except javaproperties.InvalidUEscapeError as error:
        raise FolderError(path, f"{error}: write \\uXXXX with four hexadecimal digits") from error


def write_properties(path: Path | str, values: Mapping[str, object], *, comment: str | None = None) -> Path:
    """Write `values` as a properties file, whole or not at all; same input, same bytes. Returns the path."""
    lines = [javaproperties.to_comment(f" {line}", ensure_ascii=True) for line in (comment or "").splitlines()]
    lines += [javaproperties.join_key_value(key, str(value)) for key, value in values.items()]
    text = "".join(f"{line}\n" for line in lines)
    return write_file(Path(path), text.encode("latin-1"), mode=0o644)  # the container reads it as another user
