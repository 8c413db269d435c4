"""The catalog's data files, each read once when it is first asked for, and their rows as typed facts.

A row has the fields of its dataclass, by name and type; in a table, its key is the first field. It may also say its
`source` and when it was `checked`, where these differ from the file's, and what its `fields` mean.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from inf2lab import records
from inf2lab.errors import SettingsError

_T = TypeVar("_T")
_ABOUT = {"source", "checked", "fields"}
_TABLE: Any = Mapping
_ROWS: Any = tuple


@cache
def read_file(name: str) -> dict[str, Any]:
    """Return the data file `<name>.json` of this folder; where it names `columns`, a row is a list of their values."""
    data = json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))
    columns = data.pop("columns", None)
    lists = [name for name, value in data.items() if columns and isinstance(value, list)]
    return data | {name: [dict(zip(columns, row, strict=True)) for row in data[name]] for name in lists}


def files_in(folder: str) -> list[str]:
    """Return the names of a folder's data files, as `read_file` takes them, in their order."""
    return [f"{folder}/{path.stem}" for path in sorted((Path(__file__).parent / folder).glob("*.json"))]


def read_row(kind: Callable[..., _T], file: str, *path: str) -> _T:
    """Return what lies at a path of a file (its top without one) as `kind`; raises LabError."""
    return _read(kind, file, *path)


def read_table(kind: type[_T], file: str, name: str) -> Mapping[str, _T]:
    """Return a table of a file, `kind` by key; raises LabError."""
    return _read(_TABLE[str, kind], file, name)


def read_rows(kind: type[_T], file: str, name: str) -> tuple[_T, ...]:
    """Return a list of rows; raises LabError."""
    return _read(_ROWS[kind, ...], file, name)


@cache
def _read(kind: Any, file: str, *path: str) -> Any:
    """Return what lies at a path as `kind`, once for all who ask."""
    data: Any = read_file(file)
    for name in path:
        data = data[name]
    return build(kind, data, ".".join((file, *path)))


def build(kind: Any, value: Any, where: str) -> Any:
    """Return a value of a data file as `kind`; raises LabError, which says where it differs."""
    return records.build(kind, value, f"catalog, {where}", also=_ABOUT)


def find(kind: str, name: str, table: Mapping[str, _T]) -> _T:
    """Return `table[name]`; raises SettingsError with the known names."""
    try:
        return table[name]
    except KeyError:
        raise SettingsError(kind, name, f"not in the catalog; use one of {', '.join(table)}") from None
