"""What happened when, an event a row."""

import datetime
from collections.abc import Sequence

from inf2lab.pictures.canvas import GREY, INK, RED, Picture
from inf2lab.pictures.letters import folded


def timeline(events: Sequence[tuple[datetime.date, str]]) -> Picture:
    """Draw what happened when: a row an event, its day to scale on the left, its words on the right."""
    figure = Picture(9, 0.8 + 0.5 * len(events), (f"{day} {what}" for day, what in events))
    axes, words = figure.subplots(1, 2, sharey=True, width_ratios=(1, 2.2))
    first, last = events[0][0].year, events[-1][0].year + 1
    for row, (day, what) in enumerate(events):
        axes.hlines(row, datetime.date(first, 1, 1).toordinal(), day.toordinal(), color=GREY, lw=1)
        axes.plot(day.toordinal(), row, "o", color=RED, markersize=7)
        words.text(0, row, folded(f"{day}  {what}", 78), fontsize=9, color=INK, va="center")
    axes.set(ylim=(len(events) - 0.4, -0.6), yticks=[])
    years = range(first, last + 1)
    axes.set_xticks([datetime.date(year, 1, 1).toordinal() for year in years], [str(year) for year in years])
    axes.xaxis.tick_top()
    for side in ("left", "right", "bottom"):
        axes.spines[side].set_visible(False)
    words.axis("off")
    return figure
