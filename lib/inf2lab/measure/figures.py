"""The figures of a load: what was measured on one side, the chip's plan and published rows on the other.

Every figure names its lane. What a rehearsal measured never shares axes with the chip's figures: nothing about the
chip follows from it. Line style, marker and words say what colour does.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from inf2lab import catalog
from inf2lab.catalog import Latency
from inf2lab.measure.result import Result
from inf2lab.measure.runner import knee
from inf2lab.pictures import BLUE, GREY, INK, RED, SAND, Picture
from inf2lab.planning import Plan, Range, plan_request, usd_per_million_tokens
from inf2lab.words import plural
from neuron_rules import Fit

LANES = {
    "rehearsal": "REHEARSAL: this machine, no chip",
    "inf2": "MEASURED on the chip",
    "other": "MEASURED at an endpoint that this lab did not start",
}
CHIP = "THE CHIP: planned and published, not measured here"
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
COLOURS = (BLUE, RED, INK, "#228833", "#997700")
BATCHES = tuple(2**power for power in range(10))


def latencies(results: Sequence[Result]) -> Picture:
    """Draw the share of answers that came within a time, one line a load, with p50 and p90 marked."""
    words = "; ".join(f"{r.load.loop}: p50 {_ms(r.latency.at(0.5))}, p90 {_ms(r.latency.at(0.9))}" for r in results)
    return _alone(f"{_lane(results)}; latency: {words}", lambda axes: draw_latencies(axes, results))


def throughput(results: Sequence[Result]) -> Picture:
    """Draw answers a second and median latency against clients, with the knee."""
    bend = knee(results)
    words = f"knee at {plural(bend.clients, 'client')}" if bend else "no sweep over clients"
    alt = f"{_lane(results)}; throughput against clients, {words}"
    return _alone(alt, lambda axes: draw_throughput(axes, results))


def chip_rates(plan: Plan, results: Sequence[Result] = ()) -> Picture:
    """Draw tokens a second of one copy against the batch: planned, published, and measured if it was on the chip."""
    shown = f"plan for degree {plan.request.tensor_parallel_degree} and {len(find_published(plan))} published rows"
    alt = f"{_chip_title(results)}; {_name(plan)}: tokens a second against the batch, {shown}"
    return _alone(alt, lambda axes: draw_chip_rates(axes, plan, results))


def chip_cost(plan: Plan, results: Sequence[Result] = ()) -> Picture:
    """Draw the planned price of a million output tokens against the batch, all copies busy."""
    alt = f"{_chip_title(results)}; {_name(plan)}: US dollars for a million tokens against the batch"
    return _alone(alt, lambda axes: draw_chip_cost(axes, plan, results))


def overview(results: Sequence[Result], plan: Plan | None = None) -> Picture:
    """Draw all of them: what was measured in the upper row, the chip below it."""
    alt = f"{_lane(results)}; latency and throughput{', plan and price' if plan else ''}"
    figure = Picture(11, 8 if plan else 4.1, alt)
    axes = figure.subplots(2 if plan else 1, 2, squeeze=False)
    draw_latencies(axes[0][0], results)
    draw_throughput(axes[0][1], results)
    if plan:
        draw_chip_rates(axes[1][0], plan, results)
        draw_chip_cost(axes[1][1], plan, results)
    return figure


def draw_latencies(axes: Axes, results: Sequence[Result]) -> None:
    """Fill axes with the cumulative distribution of each load's latencies."""
    for number, result in enumerate(results):
        values = result.latency.ordered
        if not values:
            continue
        shares = [0.0, *(100 * (place + 1) / len(values) for place in range(len(values)))]
        colour = COLOURS[number % len(COLOURS)]
        axes.step(
            [values[0], *values],
            shares,
            where="post",
            color=colour,
            linestyle=STYLES[number % len(STYLES)],
            label=result.load.loop,
        )
        for quantile, marker in ((0.5, "o"), (0.9, "s")):
            axes.plot([result.latency.at(quantile) or 0.0], [100 * quantile], marker, color=colour, markersize=5)
    axes.set(xlabel="latency in ms (circle: p50, square: p90)", ylabel="answers within it, %", ylim=(0, 102))
    axes.set_xlim(left=0)
    axes.set_title(f"Latency\n{_lane(results)}", fontsize=10)
    axes.grid(color=GREY, linewidth=0.4)
    if any(result.good for result in results):
        axes.legend(fontsize=9, loc="lower right")


def draw_throughput(axes: Axes, results: Sequence[Result]) -> None:
    """Fill axes with throughput and median latency against clients, or against the rate of an open loop."""
    is_open = all(result.load.open for result in results)

    def place(result: Result) -> float:
        return (result.load.rate or 0.0) if is_open else result.load.clients

    ordered = sorted(results, key=place)
    xs = [place(result) for result in ordered]
    (rates,) = axes.plot(
        xs, [result.requests_per_s for result in ordered], "o-", color=BLUE, label="answers a second (left)"
    )
    beside = axes.twinx()
    (medians,) = beside.plot(
        xs, [result.latency.at(0.5) or 0 for result in ordered], "s--", color=RED, label="p50 in ms (right)"
    )
    axes.set(xlabel="requests a second asked for" if is_open else "clients", ylabel="answers a second", xticks=xs)
    beside.set(ylabel="p50 in ms")
    for each in (axes, beside):
        each.set_ylim(0, 1.15 * max(each.get_ylim()[1], 1e-9))
    handles, bend = [rates, medians], knee(results)
    if bend:
        handles.append(_draw_knee(axes, bend.clients, xs))
    axes.set_title(f"Throughput\n{_lane(results)}", fontsize=10)
    axes.grid(color=GREY, linewidth=0.4)
    axes.legend(handles=handles, fontsize=9, loc="lower right")


def _draw_knee(axes: Axes, clients: int, xs: Sequence[float]) -> Line2D:
    """Draw the line of the knee, and say what more clients buy on either side of it, where there is room."""
    line = axes.axvline(clients, color=INK, linewidth=1, linestyle=":", label=f"knee: {plural(clients, 'client')}")
    beside: dict[str, Any] = {
        "y": 0.98,
        "va": "top",
        "fontsize": 9,
        "color": INK,
        "transform": axes.get_xaxis_transform(),
    }
    if clients > min(xs):
        axes.text(clients, s="more work  ", ha="right", **beside)
    if clients < max(xs):
        axes.text(clients, s="  only more waiting", ha="left", **beside)
    return line


def draw_chip_rates(axes: Axes, plan: Plan, results: Sequence[Result] = ()) -> None:
    """Fill axes with tokens a second of one copy: the plan's ranges, published rows, and what the chip gave."""
    copies = max(1, len(plan.copies))
    published = find_published(plan)

    def of_one_copy(each: Plan) -> Range | None:
        return each.service.tokens_per_s and each.service.tokens_per_s.scaled(1 / copies)

    batches = _planned(axes, plan, of_one_copy)
    if batches:
        _draw_last_batch(axes, max(batches), plan.request.tensor_parallel_degree)
    for number, (label, rows) in enumerate(_by_kind(published).items()):
        axes.plot(
            [row.batch_size for row in rows],
            [row.tokens_per_s for row in rows],
            "sD^vP"[number % 5],
            color=INK,
            markerfacecolor=SAND if number % 2 else "white",
            label=label,
        )
    # The load's tokens a second are those of the whole server: of one copy, if it ran one.
    _measured(axes, results, lambda tokens_per_s: tokens_per_s)
    axes.set(yscale="log", ylabel="tokens a second of one copy")
    axes.set_title(f"{_name(plan)} on {plan.request.instance}\n{_chip_title(results)}", fontsize=10)
    _set_batches(axes, [*batches, *(row.batch_size for row in published)])
    axes.legend(fontsize=9, loc="upper left")


def draw_chip_cost(axes: Axes, plan: Plan, results: Sequence[Result] = ()) -> None:
    """Fill axes with the plan's price of a million output tokens."""
    batches = _planned(axes, plan, lambda each: each.service.usd_per_million_tokens)
    price = plan.service.usd_per_hour
    words = f"${price:g} an hour, {plan.service.price.name}" if price else "no price in the catalog"
    if price:
        _measured(axes, results, lambda tokens_per_s: usd_per_million_tokens(price, tokens_per_s))
    axes.set(ylabel="US dollars for a million tokens")
    axes.set_ylim(bottom=0)
    axes.set_title(f"Price, {len(plan.copies)} copies busy, {words}\n{_chip_title(results)}", fontsize=10)
    _set_batches(axes, batches)
    if batches:
        axes.legend(fontsize=9)


def find_published(plan: Plan) -> list[Latency]:
    """Return the published rows of the plan's model on its instance that stand as they were printed."""
    request = plan.request
    return [
        row
        for row in catalog.latencies()
        if row.trusted and row.model_id == request.model.name and row.instance == request.instance
    ]


def fitting(plan: Plan) -> list[Plan]:
    """Return the plan at every batch (powers of two, and its own) that may fit."""
    sizes = sorted({*BATCHES, plan.request.batch_size})
    plans = (plan_request(replace(plan.request, batch_size=size)) for size in sizes)
    return [each for each in plans if each.verdict.fit is not Fit.DOES_NOT_FIT]


def _alone(alt: str, draw: Callable[[Axes], None]) -> Picture:
    figure = Picture(6.4, 4, alt)
    draw(figure.subplots())
    return figure


def _planned(axes: Axes, plan: Plan, value_of: Callable[[Plan], Range | None]) -> list[int]:
    """Draw the plan's ranges of a value at every batch that fits, and return those batches."""
    ranges = {each.request.batch_size: found for each in fitting(plan) if (found := value_of(each))}
    if not ranges:
        axes.text(0.5, 0.5, "no batch fits", transform=axes.transAxes, ha="center")
        return []
    axes.errorbar(
        list(ranges),
        [each.mid for each in ranges.values()],
        yerr=[[each.mid - each.low for each in ranges.values()], [each.high - each.mid for each in ranges.values()]],
        fmt="o-",
        color=BLUE,
        capsize=4,
        label=f"plan, degree {plan.request.tensor_parallel_degree} (bar: what it may be)",
    )
    return list(ranges)


def _measured(axes: Axes, results: Sequence[Result], value_of: Callable[[float], float]) -> None:
    """Draw a value of the tokens a second that loads on the chip gave."""
    found = [(r.target.rows, value_of(r.tokens_per_s)) for r in results if r.target.lane == "inf2" and r.tokens_per_s]
    if found:
        axes.plot(*zip(*found, strict=True), "*", color=RED, markersize=11, label="measured here")


def _draw_last_batch(axes: Axes, batch: int, degree: int) -> None:
    """Say at the last batch that fits why the plan has no point beyond it."""
    axes.axvline(batch, color=BLUE, linewidth=1, linestyle=":")
    axes.annotate(
        f" batch {batch} is the last that\n fits {plural(degree, 'core')}: no plan beyond",
        (batch, 0.02),
        xycoords=axes.get_xaxis_transform(),
        fontsize=9,
        color=BLUE,
        va="bottom",
    )


def _by_kind(rows: Sequence[Latency]) -> dict[str, list[Latency]]:
    kinds: dict[str, list[Latency]] = {}
    for row in rows:
        degree = f"degree {row.degree}" if row.degree else "degree not stated"
        sdk = ".".join(row.release.split(".")[:2])
        kinds.setdefault(f"published, {degree}, SDK {sdk}", []).append(row)
    return kinds


def _set_batches(axes: Axes, batches: Sequence[int]) -> None:
    axes.set(xscale="log", xlabel="batch (rows generated together)")
    axes.set_xticks(sorted(set(batches)), [str(batch) for batch in sorted(set(batches))])
    axes.minorticks_off()
    axes.grid(color=GREY, linewidth=0.4)


def _lane(results: Sequence[Result]) -> str:
    return " + ".join(LANES[lane] for lane in sorted({result.target.lane for result in results}))


def _chip_title(results: Sequence[Result]) -> str:
    if any(result.target.lane == "inf2" for result in results):
        return "THE CHIP: planned, published and measured here"
    return CHIP


def _name(plan: Plan) -> str:
    return plan.request.model.name.rpartition("/")[2]


def _ms(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.0f} ms"
