"""The planner's queue as a curve over the load, and the trials on it: the median stays, the tail does not."""

from collections.abc import Sequence

from inf2lab.pictures import BLUE, GREY, INK, RED, Picture
from inf2lab.planning import Pace, predict
from inf2lab.scale.ray.bench.queue import Queued

WORDS = {
    "alt": "{replicas} replicas of {service:.0f} ms: p50 stays near {service:.0f} ms, p90 is {points}",
    "point": "{p90:.0f} ms at {use:.0%} use",
    "p90": "p90, by the formula",
    "p50": "p50, by the formula",
    "luck": "p90 with the same arrivals, and its range by chance",
    "measured": "p90, measured",
    "rate": "requests a second on {replicas} replicas (dotted: the most that they can answer)",
    "time": "ms",
}
FULLEST = 0.95  # of the capacity: beyond it the curve leaves the picture


def queue_curve(queued: Sequence[Queued]) -> Picture:
    """Draw p50 and p90 against the rate by the planner's formula, and the trials as points on it."""
    replicas, service = queued[0].replicas, sum(one.service_s for one in queued) / len(queued)
    pace, capacity = Pace(1, service, service, 0.0, ""), replicas / service
    rates = [capacity * FULLEST * step / 60 for step in range(1, 61)]
    said = [predict(rate, replicas, pace) for rate in rates]
    points = [WORDS["point"].format(p90=1e3 * one.predicted.p90_s, use=one.predicted.use) for one in queued]
    alt = WORDS["alt"].format(replicas=replicas, service=1e3 * service, points=" and ".join(points))
    figure = Picture(7.5, 3.8, alt)
    axes = figure.subplots()
    axes.plot(rates, [1e3 * one.p90_s for one in said], color=BLUE, lw=2, label=WORDS["p90"])
    axes.plot(rates, [1e3 * one.p50_s for one in said], color=INK, lw=1.5, ls="--", label=WORDS["p50"])
    at, ideal = [one.rate for one in queued], [1e3 * one.ideal_p90_s for one in queued]
    lowest, highest = ([1e3 * one.chance_s[end] for one in queued] for end in (0, 1))
    axes.vlines(at, lowest, highest, color=INK, lw=1)
    axes.plot(at, ideal, "o", color=GREY, mec=INK, label=WORDS["luck"])
    axes.plot(at, [1e3 * one.p90_s for one in queued], "*", color=RED, markersize=12, label=WORDS["measured"])
    axes.axvline(capacity, color=RED, ls=":")
    axes.set(xlabel=WORDS["rate"].format(replicas=replicas), ylabel=WORDS["time"], xlim=(0, 1.05 * capacity))
    axes.set_ylim(0, 1e3 * 6 * service)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=9, frameon=False, loc="upper left")
    return figure
