"""What a first session costs, planned before anything is rented, and one copy's answers beside those of all copies."""

from dataclasses import replace

from inf2lab import catalog, planning
from inf2lab.aws.instance import LaunchRequest
from inf2lab.aws.prices import PriceTable
from inf2lab.aws.session_path import PATH, load_times, stop_seconds, together
from inf2lab.planning import Plan, Range
from inf2lab.settings import Settings
from neuron_rules import GIB

SETUP_MIN = PATH[0].minutes
WORK_MIN = sum(stop.minutes for stop in PATH[1:])
FIRST_LOADS = sum(stop.compiles for stop in PATH)
WARM_LOADS = sum(stop.warm for stop in PATH)


def first_session(request: LaunchRequest, price: PriceTable, settings: Settings) -> str:
    """Return minutes and dollars of a first session, what a bucket saves the next one, and the price of an answer."""
    made = _plan_that_loads(settings, request.instance)
    speed = float(request.disk["Throughput"])
    first, warm = load_times(made, speed)
    hours = together(stop_seconds(stop, first, warm) for stop in PATH).scaled(1 / 3600)
    usd = hours.scaled(price.usd_per_hour)
    lines = [
        f"a first session with {made.request.model.name}, planned and not measured:",
        f"  {SETUP_MIN} min to set up, {FIRST_LOADS} loads of {_minutes(first)} that compile, "
        f"{WARM_LOADS} of {_minutes(warm)}, {WORK_MIN} min of work",
        f"  {hours.low:.1f} to {hours.high:.1f} h, likely {hours.mid:.1f}: {usd.low:.2f} to {usd.high:.2f} USD, likely "
        f"{usd.mid:.2f}{_beyond(hours, request.hours)}",
        f"  {_saving(request, price, made, first, warm)}",
        f"  {_copies(made)}",
    ]
    return "\n".join(lines)


def _plan_that_loads(settings: Settings, instance: str) -> Plan:
    """Return the plan of the settings' model, or where its load does not fit the host, of the one to try first."""
    made = planning.plan(replace(settings, instance=instance))
    if made.host.peak_gib < made.host.instance_gib:
        return made
    return planning.plan(replace(settings, instance=instance, model_id=catalog.cloud_facts().first_try.model_id))


def _saving(request: LaunchRequest, price: PriceTable, made: Plan, first: Range, warm: Range) -> str:
    """What weights and programs in a bucket save each later session, and what they cost there."""
    bytes_kept = 2 * made.request.parameters  # the hub's files; programs are small beside them
    fetch_s = 1024 * bytes_kept / GIB / request.disk["Throughput"]
    pairs = zip(first.bounds, warm.bounds, strict=True)
    saved = Range(*(FIRST_LOADS * (one - two) - fetch_s for one, two in pairs))
    usd = saved.scaled(price.usd_per_hour / 3600)
    month = bytes_kept / 1e9 * catalog.cloud_facts().prices["s3_usd_per_gb_month"].value
    begins = f"s3://{request.bucket} saves" if request.bucket else "--bucket NAME would save"
    return (
        f"{begins} each later one {_minutes(saved)}, {usd.low:.2f} to {usd.high:.2f} USD, for {month:.2f} USD a month"
    )


def _copies(made: Plan) -> str:
    """What notebook 05 starts is one copy: its price a token beside that of a machine whose copies are all busy."""
    million, copies = made.service.usd_per_million_tokens, len(made.copies)
    if million is None or not copies:
        return "what an answer costs is not known"
    one = million.scaled(copies)
    begins = f"one copy, as notebook 05 starts: {one.mid:.0f} USD ({one.low:.0f} to {one.high:.0f})"
    rest = f"; all {copies} copies busy: {million.mid:.1f}" if copies > 1 else "; it is all that fits"
    return f"{begins} a million tokens at its busiest{rest}"


def _beyond(hours: Range, end: int) -> str:
    return f". It ends after {end} h" if hours.high > end else ""


def _minutes(seconds: Range) -> str:
    least, most = (max(1, round(value / 60)) for value in (seconds.low, seconds.high))
    return f"{least} min" if least == most else f"{least} to {most} min"
