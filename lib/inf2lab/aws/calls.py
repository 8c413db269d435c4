"""One engine for whatever is made on AWS: calls as data, checked and priced before they are sent, undone if they fail.

An instance and an endpoint are two lists of calls; everything that is done with such a list is here.
"""

import json
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from inf2lab import catalog, paths
from inf2lab.aws.connection import Cloud, find_misfits, input_shape
from inf2lab.aws.errors import CloudError, LaunchFailed, NoAccess, RunOnRecord
from inf2lab.aws.runs import Run, open_runs, run_on_record
from inf2lab.aws.sweeper import sweep
from inf2lab.errors import SettingsError
from inf2lab.words import Report, unfailing

SHOWN_WIDTH = 100
_LOOK = "`inf2lab sweep` looks for it by its name in every region of the catalog"
AGAIN = "run `inf2lab sweep` until it says that nothing is left"
SETTLE_S = 60  # AWS is eventually consistent: a role or profile may take some seconds to be seen everywhere
STEP_S = 3


@dataclass(frozen=True)
class Call:
    """One call; `gives` names what later calls need of its answer, `settles` errors that pass within a minute."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    gives: Mapping[str, str] = field(default_factory=dict)  # placeholder: path in the answer
    settles: str = ""  # pattern of "code: message" that means "not yet", because AWS is eventually consistent

    def __str__(self) -> str:
        lines = [f"{self.service}.{self.operation}("]
        for name, value in self.parameters.items():
            text = f"<{len(value)} characters of shell>" if name == "UserData" else repr(value)
            lines += _wrap(name, text)
        return "\n".join([*lines, ")"])


@dataclass(frozen=True)
class Launched:
    """What became of a request: without a run nothing was sent, and nothing bills."""

    said: str
    run: Run | None = None

    def __str__(self) -> str:
        return self.said


def check(calls: Iterable[Call]) -> None:
    """Raise SettingsError for a call that its service would refuse; nobody is asked."""
    for call in calls:
        if found := find_faults(call):
            raise SettingsError(f"{call.service}.{call.operation}", call.parameters, "; ".join(found))


def find_faults(call: Call) -> list[str]:
    """Return what the service's model says against a call; botocore itself checks no enum and no maximum."""
    shape = input_shape(call.service, call.operation)
    return [*find_misfits(dict(call.parameters), shape), *_find_beyond(call.parameters, shape, call.operation)]


def price(cloud: Cloud, service: str, wanted: Mapping[str, str]) -> tuple[float | None, str]:
    """Return the one price of AWS's list that fits, and "AWS, now"; or None and why. Raises NoAccess."""
    if not cloud.live:
        return None, ""
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()]
    region = catalog.cloud_facts().pricing_region
    try:
        answer = cloud.call("pricing", "get_products", region=region, ServiceCode=service, Filters=filters)
    except NoAccess:
        raise
    except CloudError as error:
        return None, f"AWS: {error.code}"
    found = {usd for text in answer["PriceList"] for usd in _list_prices(json.loads(text))}
    return (found.pop(), "AWS, now") if len(found) == 1 else (None, f"AWS lists {len(found)} prices")


def settle(cloud: Cloud, call: Call) -> Any:
    """Make the call, again while AWS says what `settles` describes, for a minute at most; returns its answer."""
    waited = 0
    while True:
        try:
            return cloud.call(call.service, call.operation, **call.parameters)
        except CloudError as error:
            passes = call.settles and re.fullmatch(call.settles, f"{error.code}: {error.message}", re.DOTALL)
            if not passes or waited >= SETTLE_S:
                raise
        cloud.pause(STEP_S)
        waited += STEP_S


def send(cloud: Cloud, calls: Iterable[Call], report: Report, *, make: Callable[[Cloud, Call], Any] = settle) -> None:
    """Send the calls in order, each with `make` and filled with what earlier answers gave; raises CloudError."""
    known: dict[str, str] = {}
    for call in calls:
        filled = replace(call, parameters=fill(call.parameters, known))
        answer = make(cloud, filled)
        known |= {name: _read_path(path, answer) for name, path in call.gives.items()}
        report(f"  {call.service} {call.operation}: done")


def fill(value: Any, known: Mapping[str, str]) -> Any:
    """Return a parameter with the placeholders replaced that earlier calls have answered."""
    if isinstance(value, str):
        for name, found in known.items():
            value = value.replace(name, found)
        return value
    if isinstance(value, dict):
        return {key: fill(item, known) for key, item in value.items()}
    return [fill(item, known) for item in value] if isinstance(value, list) else value


def refuse_a_second_bill(another: bool) -> None:
    """Raise RunOnRecord if a run was not swept yet and no other is wanted beside it."""
    left = open_runs()
    if left and not another:
        run = left[-1]
        if not run.region:
            raise RunOnRecord("launch", f"run {run.id}", f"its record {paths.shown(run.path)} cannot be read", _LOOK)
        remedy = "`inf2lab sweep` ends it; `another=True` (--another) starts a second bill beside it"
        raise RunOnRecord("launch", f"run {run.id}", f"{run.instance} in {run.region} was not swept yet", remedy)


@contextmanager
def undo_on_failure(cloud: Cloud, run: Run, report: Report, *, patience_s: float) -> Iterator[None]:
    """Sweep the run if the block fails or is interrupted: what it created must not go on billing.

    The run must be on record before. A CloudError becomes LaunchFailed, which says what is left. Who cannot be told
    any more, because terminal or pipe are closed, does not keep it from being removed.
    """
    try:
        yield
    except BaseException as error:
        tell = unfailing(report)
        try:
            left = _undo(cloud, run_on_record(run.id) or run, tell, patience_s)
        except BaseException:  # an interrupt ends the undoing
            tell(f"  It could not be undone: {AGAIN}")
            raise
        if isinstance(error, CloudError):
            raise LaunchFailed(error.call, error.code, error.message, error.remedy, left) from error
        tell(f"  {left}")
        raise


def _undo(cloud: Cloud, run: Run, report: Report, patience_s: float) -> str:
    """Sweep this run without waiting long; returns one sentence about what is left. Never raises CloudError."""
    report("  stopped half-way: removing what was created")
    try:
        swept = sweep(cloud, [run], patience_s=patience_s, report=report)
    except CloudError as error:
        return f"It could not be undone ({error.code}): {AGAIN}"
    if swept.clean:
        bills = "; ".join(swept.logs) or "of this run nothing bills"
        return f"Everything created until then is removed: {bills}"
    left = f"{len(swept.remaining)} things are left" if swept.remaining else "It is not known what is left"
    return f"{left}: {AGAIN}"


def _read_path(path: str, answer: Any) -> str:
    import jmespath  # comes with boto3

    return jmespath.search(path, answer)


def _list_prices(product: dict[str, Any]) -> Iterator[float]:
    for offer in product["terms"].get("OnDemand", {}).values():
        for dimension in offer["priceDimensions"].values():
            value = float(dimension["pricePerUnit"].get("USD", 0))
            if value > 0:
                yield value


def _find_beyond(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Yield what is no value of an enum or above a maximum."""
    if shape.type_name == "structure":
        for name, item in value.items():
            if name in shape.members:
                yield from _find_beyond(item, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for number, item in enumerate(value):
            yield from _find_beyond(item, shape.member, f"{path}[{number}]")
    elif shape.type_name == "map":
        for name, item in value.items():
            yield from _find_beyond(item, shape.value, f"{path}.{name}")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is none of {', '.join(shape.enum[:8])} ..."
    else:
        most = shape.metadata.get("max")
        size = len(value) if isinstance(value, str | bytes) else value
        if most is not None and isinstance(size, int | float) and size > most:
            yield f"{path}: {size} is above {most}"


def _wrap(name: str, text: str) -> list[str]:
    line = f"  {name}={text},"
    if len(line) <= SHOWN_WIDTH:
        return [line]
    kept = f"{text},".replace("': ", "':\N{NO-BREAK SPACE}")  # a key stays with its value
    pieces = textwrap.wrap(kept, SHOWN_WIDTH - 6, break_long_words=False, break_on_hyphens=False)
    return [f"  {name}=", *(f"      {piece}".replace("\N{NO-BREAK SPACE}", " ") for piece in pieces)]
