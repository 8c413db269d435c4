"""The page and its figures: labelled with their lane, nothing from outside, nothing made up."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from inf2lab import Settings, measure
from inf2lab.measure import figures, report
from inf2lab.pictures import Picture
from inf2lab.planning import Plan, plan

from .conftest import result_of


@pytest.fixture(scope="module")
def planned() -> Plan:
    return plan(Settings())


@pytest.fixture(scope="module")
def sweep() -> list[measure.Result]:
    return [
        result_of([100] * 10, clients=1),
        result_of([105, 110, 300] * 7, clients=2),
        result_of([200] * 40, clients=4, seconds=2.0),
    ]


@pytest.fixture(scope="module")
def page(sweep: list[measure.Result], planned: Plan) -> str:
    """The page of the sweep, with its plan."""
    return report.page(sweep, plan=planned)


class Collector(HTMLParser):
    """Every address in a page, the alternative texts of its pictures, and tags that run or load things."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.alts: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action", "data", "srcset"):
                self.addresses.append(value or "")
            if name == "alt":
                self.alts.append(value or "")


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    found = Collector(page)
    assert all(address.startswith("data:") for address in found.addresses)
    assert not {"script", "iframe", "object", "embed", "form", "base"}.intersection(found.tags)
    assert "url(" not in page.partition("</style>")[0]
    assert "@import" not in page
    assert "default-src 'none'" in page
    assert len(found.alts) == 4
    assert all(alt.startswith(("REHEARSAL", "THE CHIP")) for alt in found.alts)


def test_its_pictures_are_png(page: str) -> None:
    for address in Collector(page).addresses:
        if address.startswith("data:image"):
            assert base64.b64decode(address.partition("base64,")[2]).startswith(b"\x89PNG")


def test_a_name_cannot_become_markup() -> None:
    """In the page of a load of which nothing came back: that has one, too."""
    page = report.page([result_of([], model="<script>alert(1)</script>")])
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.thorough
def test_a_rehearsal_says_that_it_says_nothing_about_the_chip(page: str, planned: Plan) -> None:
    assert "REHEARSAL: this machine, no chip" in page
    assert "<b>nothing</b> about the speed" in page
    assert "Nothing in this section was measured by this load." in page
    chip = report.page([result_of([100], lane="inf2")], plan=planned)
    assert "REHEARSAL" not in chip
    assert "<b>nothing</b>" not in chip


def legend(picture: Picture) -> list[str]:
    (axes, *_) = picture.axes
    found = axes.get_legend()
    return [text.get_text() for text in found.get_texts()] if found else []


def test_a_rehearsals_figures_never_stand_on_the_chips_axes(sweep: list[measure.Result], planned: Plan) -> None:
    for draw in (measure.chip_rates, figures.chip_cost):
        assert "measured here" not in legend(draw(planned, sweep))
        assert "measured here" in legend(draw(planned, [result_of([100], lane="inf2", rows=2)]))


def test_plan_and_published_rows_share_axes(planned: Plan) -> None:
    words = legend(measure.chip_rates(planned))
    assert words[-1].startswith("plan, degree 2")
    assert [word for word in words if word.startswith("published, degree 8, SDK 2.13")]
    rows = figures.find_published(planned)
    assert {row.batch_size for row in rows} == {1, 256}
    assert all(row.trusted for row in rows)
    assert [each.request.batch_size for each in figures.fitting(planned)] == [1, 2]  # batch 4 does not fit


def test_every_figure_names_its_lane(sweep: list[measure.Result], planned: Plan) -> None:
    pictures = [
        measure.latencies(sweep),
        measure.throughput(sweep),
        measure.chip_rates(planned),
        figures.chip_cost(planned),
        figures.overview(sweep, planned),
        figures.overview(sweep),
    ]
    for picture in pictures:
        titles = [axes.get_title() for axes in picture.axes if axes.get_title()]
        assert titles
        assert all("REHEARSAL" in title or "THE CHIP" in title for title in titles)
        assert repr(picture).startswith("[picture: ")
    assert pictures[-1].to_png().startswith(b"\x89PNG")  # the page and the report draw the others


def test_lines_differ_in_more_than_colour(sweep: list[measure.Result]) -> None:
    (axes,) = measure.latencies(sweep).axes
    steps = [line for line in axes.lines if line.get_label() in {result.load.loop for result in sweep}]
    assert len({line.get_linestyle() for line in steps}) == len(sweep)
    left, right = measure.throughput(sweep).axes
    assert left.lines[0].get_marker() != right.lines[0].get_marker()


def test_the_knee_is_drawn_and_said(sweep: list[measure.Result], page: str) -> None:
    picture = measure.throughput(sweep)
    assert "knee: 2 clients" in legend(picture)
    assert "knee at 2 clients" in picture.alt
    assert re.search(r'<tr class="knee"><td>2 clients', page)


def test_what_was_not_measured_is_not_available(sweep: list[measure.Result]) -> None:
    heads, lines = measure.summary(sweep)
    found = dict(zip(heads, lines[0], strict=True))
    assert (found["ok"], found["first"], found["next"]) == ("10", "n/a", "n/a")
    text = measure.table(sweep).splitlines()
    assert len({len(line) for line in text[:-1]}) == 1
    assert text[-1].startswith("REHEARSAL: this machine, no chip")
    failed = result_of([])
    assert measure.summary([failed])[1][0][5] == "n/a"


def test_the_slowest_of_eight_requests_is_not_called_their_p99() -> None:
    heads, (few, enough) = measure.summary([result_of([100] * 7 + [900]), result_of([100] * 100 + [900])])
    eight, hundred = (dict(zip(heads, row, strict=True)) for row in (few, enough))
    assert (eight["p50"], eight["p90"], eight["p99"], eight["slowest"]) == ("100.0", "few", "few", "900.0")
    assert (hundred["p90"], hundred["p99"], hundred["slowest"]) == ("100.0", "100.0", "900.0")
    assert measure.table([result_of([100] * 8)]).endswith("few: too few requests for it")
    assert "few" not in measure.table([result_of([100] * 101)])


def test_a_legend_says_which_loop_is_open_and_which_is_closed() -> None:
    picture = measure.latencies([result_of([100], clients=1), result_of([100], rate=5)])
    assert legend(picture) == ["closed loop, 1 client", "open loop, 5 requests/s"]
    assert "p90" in picture.alt
    assert "p99" not in picture.alt


def test_an_open_loop_is_drawn_over_its_rate() -> None:
    picture = measure.throughput([result_of([100], rate=rate) for rate in (2, 8, 4)])
    assert list(picture.axes[0].lines[0].get_xdata()) == [2, 4, 8]
    assert picture.axes[0].get_xlabel() == "requests a second asked for"


def test_a_page_and_a_picture_are_written(
    sweep: list[measure.Result], planned: Plan, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is the one that other tests look at, and not drawn again."""
    pages = {(id(sweep), id(planned)): page}
    monkeypatch.setattr(report, "page", lambda results, plan, server: pages[id(results), id(plan)])
    written = measure.write_report(tmp_path / "new" / "load.html", sweep, plan=planned)
    assert [path.name for path in written] == ["load.html", "load.png"]
    assert all(path.stat().st_size > 10_000 for path in written)
