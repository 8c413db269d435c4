"""The catalog's data files, each read once when it is first asked for, and their rows as typed facts.

A row has the fields of its dataclass, by name and type; in a table, its key is the first field. It may also say its
`source` and when it was `checked`, where these differ from the file's, and what its `fields` mean.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from inf2lab.errors import LabError, SettingsError

_T = TypeVar("_T")
_ABOUT = {"source", "checked", "fields"}


@cache
def read_file(name: str) -> dict[str, Any]:
    """Return the data file `<name>.json` of this folder."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))


def files_in(folder: str) -> list[str]:
    """Return the names of a folder's data files, as `read_file` takes them, in their order."""
    return [f"{folder}/{path.stem}" for path in sorted((Path(__file__).parent / folder).glob("*.json"))]


def read_row(kind: Callable[..., _T], file: str, *path: str) -> _T:
    """Return what lies at a path of a file (its top without one) as `kind`; raises LabError."""
    return _read(build, kind, file, *path)


def read_table(kind: Callable[..., _T], file: str, name: str) -> Mapping[str, _T]:
    """Return a table of a file, `kind` by key; raises LabError."""
    return _read(_table, kind, file, name)


def read_rows(kind: Callable[..., _T], file: str, name: str) -> tuple[_T, ...]:
    """Return a list of rows; where the file names `columns`, a row is a list of their values. Raises LabError."""
    return _read(_rows, kind, file, name)


@cache
def _read(make: Callable[[Any, Any, str], Any], kind: Any, file: str, *path: str) -> Any:
    """Return what `make` makes of `kind` and what lies at a path, once for all who ask."""
    data: Any = read_file(file)
    for name in path:
        data = data[name]
    return make(kind, data, ".".join((file, *path)))


def build(kind: Any, value: Any, where: str) -> Any:
    """Return a value of JSON as an annotation asks for it; raises LabError, which says where it differs."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is UnionType:  # X | None
        return None if value is None else build(parts[0], value, where)
    if origin is Mapping:
        return _table(parts[1], value, where)
    if is_dataclass(kind):
        return _row(kind, _expect(dict, value, where), where)
    if origin is tuple:
        kinds = parts[:1] * len(_expect(list, value, where)) if parts[-1] is ... else parts
        if len(value) != len(kinds):
            raise _wrong(where, value, f"a list of {len(kinds)}")
        return tuple(build(*pair, f"{where}.{place}") for place, pair in enumerate(zip(kinds, value, strict=True)))
    return _expect(kind, value, where)


def find(kind: str, name: str, table: Mapping[str, _T]) -> _T:
    """Return `table[name]`; raises SettingsError with the known names."""
    try:
        return table[name]
    except KeyError:
        raise SettingsError(kind, name, f"not in the catalog; use one of {', '.join(table)}") from None


def _table(kind: Any, data: Any, where: str) -> Mapping[str, Any]:
    key_name = fields(kind)[0].name if is_dataclass(kind) else None
    table = {}
    for key, row in _expect(dict, data, where).items():
        whole = {key_name: key} | _expect(dict, row, f"{where}.{key}") if key_name else row
        table[key] = build(kind, whole, f"{where}.{key}")
    return MappingProxyType(table)


def _rows(kind: Any, data: Any, where: str) -> tuple[Any, ...]:
    if columns := read_file(where.partition(".")[0]).get("columns"):
        data = [dict(zip(columns, row, strict=True)) for row in data]
    return build(tuple[kind, ...], data, where)


def _row(kind: Any, data: dict[str, Any], where: str) -> Any:
    kinds = get_type_hints(kind)
    needed = {field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING}
    if missing := sorted(needed - data.keys()):
        raise LabError(f"catalog, {where}: a {kind.__name__} needs {', '.join(missing)}")
    if unknown := sorted(data.keys() - kinds.keys() - _ABOUT):
        raise LabError(f"catalog, {where}: a {kind.__name__} has no {', '.join(unknown)}")
    return kind(**{name: build(kinds[name], data[name], f"{where}.{name}") for name in data if name in kinds})


def _expect(kind: type, value: Any, where: str) -> Any:
    """Return the value if JSON wrote that kind; a whole number is a float too, and true is no number."""
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise _wrong(where, value, kind.__name__)
    return value


def _wrong(where: str, value: Any, wanted: str) -> LabError:
    return LabError(f"catalog, {where}: {value!r} is not {wanted}")
