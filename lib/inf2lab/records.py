"""A dataclass from JSON, as its annotations say: what a file of ours must hold, whoever has written or changed it."""

from collections.abc import Container, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from types import MappingProxyType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from inf2lab.errors import LabError


def build(kind: Any, value: Any, where: str, *, also: Container[str] = ()) -> Any:
    """Return a value of JSON as an annotation asks for it; raises LabError, which says where it differs.

    A row is an object, or the list of all its values; in a table its key is the first field. Keys in `also` may stand
    in a row, and are left out.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is UnionType:  # X | None
        return None if value is None else build(parts[0], value, where, also=also)
    if origin is Mapping:
        return _table(parts[1], value, where, also)
    if origin is dict:
        return dict(_table(parts[1], value, where, also))
    if is_dataclass(kind):
        names = [field.name for field in fields(kind)]
        whole = isinstance(value, list) and len(value) == len(names)
        return _row(kind, dict(zip(names, value, strict=True)) if whole else _expect(dict, value, where), where, also)
    if origin in (tuple, list):
        kinds = parts if origin is tuple and parts[-1] is not ... else parts[:1] * len(_expect(list, value, where))
        if len(_expect(list, value, where)) != len(kinds):
            raise _wrong(where, value, f"a list of {len(kinds)}")
        pairs = zip(kinds, value, strict=True)
        return origin(build(*pair, f"{where}.{place}", also=also) for place, pair in enumerate(pairs))
    if issubclass(kind, StrEnum):
        return _choice(kind, value, where)
    return _expect(kind, value, where)


def _table(kind: Any, data: Any, where: str, also: Container[str]) -> Mapping[str, Any]:
    key_name = fields(kind)[0].name if is_dataclass(kind) else None
    table = {}
    for key, row in _expect(dict, data, where).items():
        whole = {key_name: key} | _expect(dict, row, f"{where}.{key}") if key_name else row
        table[key] = build(kind, whole, f"{where}.{key}", also=also)
    return MappingProxyType(table)


def _row(kind: Any, data: dict[str, Any], where: str, also: Container[str]) -> Any:
    kinds = get_type_hints(kind)
    needed = {field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING}
    if missing := sorted(needed - data.keys()):
        raise LabError(f"{where}: a {kind.__name__} needs {', '.join(missing)}")
    if unknown := sorted(name for name in data if name not in kinds and name not in also):
        raise LabError(f"{where}: a {kind.__name__} has no {', '.join(unknown)}")
    named = {name: kinds[name] for name in data if name in kinds}
    return kind(**{name: build(own, data[name], f"{where}.{name}", also=also) for name, own in named.items()})


def _choice(kind: type[StrEnum], value: Any, where: str) -> StrEnum:
    try:
        return kind(value)
    except ValueError:
        raise _wrong(where, value, f"one of {', '.join(kind)}") from None


def _expect(kind: type, value: Any, where: str) -> Any:
    """Return the value if JSON wrote that kind; a whole number is a float too, and true is no number."""
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise _wrong(where, value, kind.__name__)
    return value


def _wrong(where: str, value: Any, wanted: str) -> LabError:
    return LabError(f"{where}: {value!r} is not {wanted}")
