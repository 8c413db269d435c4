"""What a million tokens cost in several deployments: a bar from low to high on a scale of powers, and a dot."""

from collections.abc import Mapping

from inf2lab.pictures.canvas import BLUE, INK, Picture
from inf2lab.planning import Plan

WORDS = {
    "axis": "USD for a million tokens of answers, every started copy always busy (each step: ten times as much)",
    "value": "{mid:.0f}   ({low:.0f} to {high:.0f})",
    "hour": "{name}\n{usd:.2f} USD/h",
    "alt": "{name}: {low:.0f} to {high:.0f} USD for a million tokens, likely {mid:.0f}",
}


def costs(plans: Mapping[str, Plan]) -> Picture:
    """Draw what the copies that each plan starts cost; a plan without a price is left out."""
    priced = {name: plan.started_usd for name, plan in plans.items() if plan.started_usd}
    alts = (WORDS["alt"].format(name=name, **vars(usd)) for name, usd in priced.items())
    figure = Picture(9, 1.0 + 0.6 * len(priced), alts)
    axes = figure.subplots()
    for row, usd in enumerate(priced.values()):
        axes.barh(row, usd.high - usd.low, 0.42, usd.low, color=BLUE, alpha=0.45, edgecolor=INK)
        axes.plot(usd.mid, row, "o", color=INK, markersize=8)
        axes.text(usd.high * 1.08, row, WORDS["value"].format(**vars(usd)), va="center", fontsize=10, color=INK)
    names = [WORDS["hour"].format(name=name, usd=plans[name].service.usd_per_hour) for name in priced]
    axes.set_yticks(range(len(priced)), names, fontsize=9.5)
    axes.set_xscale("log")
    least, most = min(usd.low for usd in priced.values()), max(usd.high for usd in priced.values())
    axes.set_xlim(10 ** (len(str(int(least))) - 1), most * 4)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(WORDS["axis"], fontsize=9.5, color=INK)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    return figure
