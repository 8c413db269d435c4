"""Whether AWS could take a call at all: names, types, ranges and enums of botocore's service models; offline."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from inf2lab.aws import Call
from inf2lab.errors import SettingsError


def check_call(call: Call) -> None:
    """Raise SettingsError for a call that its service would refuse; botocore itself checks no enum and no maximum."""
    from botocore.validate import ParamValidator

    shape = _operation(call.service, call.operation).input_shape
    report = ParamValidator().validate(dict(call.parameters), shape)
    found = report.generate_report().splitlines() if report.has_errors() else []
    found += _beyond(call.parameters, shape, call.operation)
    if found:
        raise SettingsError(f"{call.service}.{call.operation}", call.parameters, "; ".join(found))


def enum_of(service: str, shape: str) -> tuple[str, ...]:
    """Return the values that a service accepts for a shape."""
    return tuple(_model(service).shape_for(shape).enum)


def _beyond(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Yield what is no value of an enum or above a maximum."""
    if shape.type_name == "structure":
        for name, item in value.items():
            if name in shape.members:
                yield from _beyond(item, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for number, item in enumerate(value):
            yield from _beyond(item, shape.member, f"{path}[{number}]")
    elif shape.type_name == "map":
        for name, item in value.items():
            yield from _beyond(item, shape.value, f"{path}.{name}")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is none of {', '.join(shape.enum[:8])} ..."
    else:
        most = shape.metadata.get("max")
        size = len(value) if isinstance(value, str | bytes) else value
        if most is not None and isinstance(size, int | float) and size > most:
            yield f"{path}: {size} is above {most}"


@cache
def _model(service: str) -> Any:
    import botocore.session

    return botocore.session.get_session().get_service_model(service)


@cache
def _operation(service: str, method: str) -> Any:
    from botocore import xform_name

    model = _model(service)
    names = {xform_name(name): name for name in model.operation_names}
    return model.operation_model(names[method])
