"""How long the server takes until a model answers: a range, what it rests on, and what everybody waits."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from inf2lab import catalog
from inf2lab.planning.decode import Range
from inf2lab.planning.request import Request
from neuron_rules import Span, load_seconds, load_steps


@dataclass(frozen=True)
class Loading:
    """Seconds of each step of a load and of all; `allow_s` is what is waited where the folder says nothing.

    Nobody has published a measurement: the likeliest value lies in the middle of bounds.
    """

    steps: Mapping[str, Span]
    seconds: Range
    allow_s: int

    @property
    def minutes(self) -> str:
        """The bounds in words."""
        return f"{max(1, round(self.seconds.low / 60))} to {max(1, round(self.seconds.high / 60))} minutes"


def loading(request: Request, *, warm: bool = False, disk_mib_per_s: float | None = None) -> Loading:
    """Return how long one worker loads: the first time, or `warm` with weights and compiled programs that were kept.

    `disk_mib_per_s` is the volume's speed where it is known.
    """
    facts = catalog.loading_facts()
    rates = facts.rates
    if disk_mib_per_s:
        rates = replace(rates, disk_mib_per_s=Span(disk_mib_per_s, disk_mib_per_s))
    steps = load_steps(
        request.model,
        dtype=request.dtype,
        n_positions=request.n_positions,
        vcpus=request.hardware.vcpus,
        rates=rates,
        parameters=request.parameters,
        warm=warm,
    )
    whole = load_seconds(steps)
    return Loading(steps, Range(whole.low, whole.middle, whole.high), facts.warm_load_s if warm else facts.first_load_s)


def slowest_load_s(request: Request, workers: int) -> float:
    """Return the most that so many workers take, one after the other: the first one fetches and compiles for all."""
    first, warm = (loading(request, warm=kept).seconds.high for kept in (False, True))
    return first + (max(1, workers) - 1) * warm


def loading_line(request: Request) -> str:
    """Return one line for a plan: both loads, how sure that is, and what is allowed."""
    first, warm = loading(request), loading(request, warm=True)
    line = (
        f"{first.minutes} the first time, {warm.minutes} with weights and programs that were kept: bounds by bytes and "
        f"programs, as nobody has published it"
    )
    if first.seconds.high > first.allow_s:
        return f"{line}; {first.allow_s} s may be too short: state option.model_loading_timeout"
    return f"{line}; {first.allow_s} s are allowed"
