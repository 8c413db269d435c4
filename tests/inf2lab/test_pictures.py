"""inf2lab.pictures: what each picture says in words, read from its labels, and that it can be saved."""

from __future__ import annotations

import base64
import functools
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text
from PIL import Image

import draw_pictures
import page_files
from inf2lab import Settings, pictures, plan
from inf2lab.language import ENGLISH, languages
from inf2lab.pictures.load_steps import load_in_order
from inf2lab.planning import loading, plan_for, planned_pace, request_of

DRAWN = Path(__file__).resolve().parents[2] / "docs" / "pictures"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
LEAST_LETTERS = 9  # points
WIDEST = 9  # inches
ARTICLE = [0, 10, 2, 4, 6, 8, 1, 11]


def words(figure: Figure) -> list[str]:
    """Every text in a figure, legend and axes included."""
    return [
        text.get_text()
        for axes in figure.axes
        for text in (axes.title, *axes.texts, *axes.get_yticklabels(), *(axes.legend_.texts if axes.legend_ else ()))
    ]


def saved(figure: Figure) -> bytes:
    """The picture's bytes; drawing raises here if it cannot."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def test_the_lanes_share_the_folder() -> None:
    figure = pictures.lanes()
    said = "\n".join(words(figure))
    for text in ("serving.properties + model.py", "byte for byte", "rehearsal", "inf2", "DJL's own worker"):
        assert text in said
    assert saved(figure).startswith(b"\x89PNG")


def bars_named(figure: Figure, label: str) -> list[tuple[float, float]]:
    """(left, right) of each bar of a kind, top first."""
    patches = [
        patch
        for container in figure.axes[0].containers
        if container.get_label() == label
        for patch in container.patches
    ]
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in patches]


def test_a_bar_a_plan_with_its_total_and_verdict() -> None:
    plans = {
        "degree 2, batch 3": plan(Settings(batch_size=3)),
        "degree 24, batch 2": plan(Settings(tensor_parallel_degree=24)),
    }
    figure = pictures.memory_bars(plans)
    said = words(figure)
    assert {"degree 2, batch 3", "degree 24, batch 2"} <= set(said)
    assert "14.31 does not fit" in said
    assert {"weights", "KV cache", "padding", "the runtime needs", "and may need"} <= set(said)
    assert "degree 2, batch 3: 14.31 GiB does not fit" in repr(figure)
    assert saved(figure)


@pytest.mark.parametrize("profile", ["seed-0.21", "djl-0.25"])
def test_the_runtimes_share_is_the_plans(profile: str) -> None:
    """1.7 to 2.47 GiB where prompts have no programs of their own, up to 7.8 where they have."""
    made = plan(Settings(profile=profile))
    low, high = made.memory_verdict.reserve_gib
    figure = pictures.memory_bars({"one": made})
    assert high == (2.47 if profile == "seed-0.21" else 7.8)
    assert bars_named(figure, "the runtime needs") == [pytest.approx((16 - low, 16))]
    assert bars_named(figure, "and may need") == [pytest.approx((16 - high, 16 - low))]


def test_the_kinds_of_a_bar_add_up_to_its_total() -> None:
    made = plan(Settings(tensor_parallel_degree=24))
    figure = pictures.memory_bars({"one": made})
    ends = [bars_named(figure, kind)[0] for kind in ("weights", "KV cache", "padding")]
    assert [left for left, _ in ends] == pytest.approx([0, ends[0][1], ends[1][1]])
    assert ends[-1][1] == pytest.approx(made.memory.total / 2**30)


def test_a_plans_verdicts_stand_below_its_bar() -> None:
    said = "\n".join(words(pictures.verdicts(plan(Settings(batch_size=3)))))
    for text in (
        "degree 2, batch 3",
        "memory: does not fit",
        "would fit: degree 4 or batch size 2",
        "USD for a million",
    ):
        assert text in said.replace("\n      ", " ")


def test_a_legend_names_each_kind_once() -> None:
    figure = pictures.memory_bars({"one": plan(Settings()), "two": plan(Settings(batch_size=1))})
    names = [text.get_text() for text in figure.axes[0].legend_.texts]
    assert len(names) == len(set(names)) == 4  # nothing is padded at degree 2


def test_the_ring_names_each_devices_copy_and_the_idle_ones() -> None:
    made = plan(Settings(instance="inf2.24xlarge", tensor_parallel_degree=8))
    said = words(pictures.ring(made))
    assert [text.split("\n")[1] for text in said[1:7]] == ["copy 0"] * 4 + ["idle"] * 2
    assert said[7].startswith("inf2.24xlarge\n6 devices")


@pytest.mark.parametrize(("degree", "apart"), [(2, 0), (4, 4), (8, 8)])
def test_the_articles_device_list_tears_copies_apart(degree: int, apart: int) -> None:
    figure = pictures.ring(plan(Settings(tensor_parallel_degree=degree)), ARTICLE)
    said = words(figure)[1:13]
    assert sum(text.endswith("\napart") for text in said) == apart
    assert sum("copy" in text for text in said) == 8
    assert sum("not given" in text for text in said) == 4
    assert ("not neighbours: " in repr(figure)) == bool(apart)


def test_two_copies_on_one_device_are_both_named() -> None:
    made = plan(Settings(instance="inf2.xlarge", tensor_parallel_degree=1, model_id="facebook/opt-1.3b"))
    assert words(pictures.ring(made))[1] == "0\ncopies 0, 1"


def test_a_torus_is_drawn_as_rows_and_columns() -> None:
    made = plan_for("llama-2-13b", instance="trn1.32xlarge", tensor_parallel_degree=8)
    figure = pictures.ring(made, [0, 1, 2, 3, 5, 9, 10, 15])
    said = words(figure)
    assert [text for text in said if text.endswith("copy 0")] == [f"{device}\ncopy 0" for device in range(4)]
    assert sum(text.endswith("apart") for text in said) == 4
    assert "trn1.32xlarge\n16 devices in a torus of 4 columns" in said
    assert saved(figure)


every_drawn = pytest.mark.parametrize("name", draw_pictures.DRAWN)
AS_SAMPLES = ("two_lanes", "layers")  # in another language: its words are laid over the same picture


@functools.cache
def picture_of(name: str) -> pictures.Picture:
    """What is drawn in English, once for all tests that look at it."""
    return draw_pictures.DRAWN[name]()


@functools.cache
def svg_of(name: str) -> str:
    """Its file's text."""
    return picture_of(name).to_svg()


def in_every_language() -> Iterator[object]:
    """A picture and a language, each pair."""
    for language, name in itertools.product(languages(), draw_pictures.DRAWN):
        deepens = language != ENGLISH and name not in AS_SAMPLES
        yield pytest.param(name, language, marks=[pytest.mark.thorough] if deepens else [])


@pytest.mark.parametrize(("name", "language"), list(in_every_language()))
def test_the_file_is_what_the_code_draws(name: str, language: str) -> None:
    """Word for word; points may lie a hair beside, as another machine's arithmetic rounds."""
    file = page_files.picture_file(name, language).read_text(encoding="utf-8")
    drawn = svg_of(name) if language == ENGLISH else draw_pictures.DRAWN[name]().to_svg(language)
    assert NUMBER.sub("", file) == NUMBER.sub("", drawn), "draw it anew: python tools/pages/draw_pictures.py"
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (file, drawn)]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.5), "draw it anew: python tools/pages/draw_pictures.py"


def test_every_file_has_somebody_who_draws_it() -> None:
    expected = {page_files.picture_file(name, language) for name in draw_pictures.DRAWN for language in languages()}
    assert set(DRAWN.rglob("*.svg")) == expected


@every_drawn
def test_a_drawn_picture_can_be_read(name: str) -> None:
    """At a laptop's width, by who does not see it, and on a dark page: the background is its own."""
    picture = picture_of(name)
    assert picture.get_figwidth() <= WIDEST
    assert len(picture.alt.split()) >= 8
    assert min(text.get_fontsize() for text in picture.findobj(match=is_written)) >= LEAST_LETTERS
    assert picture.get_facecolor() == (1, 1, 1, 1)
    assert f"<title>{picture.alt}</title>" in svg_of(name).replace("&amp;", "&")


def is_written(artist: object) -> bool:
    """Whether it is a text with words in it."""
    return isinstance(artist, Text) and bool(artist.get_text().strip()) and artist.get_visible()


@every_drawn
def test_a_box_keeps_its_outline_and_room_beside_its_words(name: str) -> None:
    figure = picture_of(name)
    figure.draw_without_rendering()
    for axes in figure.axes:
        patches = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
        assert all(patch.get_path().get_extents().xmin > 0 for patch in patches)  # what is beyond the axes is cut off
        for text in filter(is_written, axes.texts):
            word = text.get_window_extent()
            middle = word.get_points().mean(axis=0)
            around = [box for box in map(Artist.get_window_extent, patches) if box.contains(*middle)]
            assert all(word.width < 0.92 * box.width for box in around), text.get_text()


def test_in_a_notebook_it_is_sharp_and_no_wider_than_it_was_drawn() -> None:
    data, sizes = pictures.lanes()._repr_mimebundle_()
    with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as image:
        assert image.width == 9 * 144
    assert sizes["image/png"] == {"width": 9 * 96}
    assert data["text/plain"].startswith("[picture: ")


def test_the_steps_of_a_load_add_up_to_the_planners_minutes() -> None:
    """The picture has finer steps than the planner; nothing is lost or counted twice."""
    steps = load_in_order(Settings())
    whole = loading(request_of(Settings())).seconds
    assert sum(step.seconds.low for step in steps) == pytest.approx(whole.low)
    assert sum(step.seconds.high for step in steps) == pytest.approx(whole.high)
    kept = loading(request_of(Settings()), warm=True).seconds
    assert sum(step.seconds.high for step in steps if not step.once) == pytest.approx(kept.high)
    said = words(pictures.load_timeline())
    assert {"0.9 to 11 min", "3 to 30 min", "the first time only: then it is kept", "at each start"} <= set(said)


def test_the_short_prompt_has_its_blanks_on_the_correct_side_first() -> None:
    said = words(pictures.padding())
    assert said.count("blank") == 8
    assert {"start_ids 0", "start_ids 4", "Correct: filled up on the left"} <= set(said)


def test_a_stream_is_as_long_as_a_whole_answer_and_begins_at_once() -> None:
    made = plan_for("opt-13b", tensor_parallel_degree=2, batch_size=2, input_tokens=9, output_tokens=2039)
    seconds = planned_pace(made).seconds
    (waiting,) = bars_named(pictures.streaming(), "the user sees nothing")
    (reading,) = bars_named(pictures.streaming(), "the user reads")
    assert waiting == pytest.approx((0, seconds))
    assert reading == pytest.approx((made.service.ttft_ms.mid / 1e3, seconds))


def test_every_head_of_a_core_is_drawn_and_the_padded_ones_are_hatched() -> None:
    figure = pictures.heads(plan(Settings()), (2, 8, 24))
    hatched = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert len(figure.axes[0].patches) == (2 + 40) + (8 + 40) + (24 + 48)
    assert len(hatched) == 48 - 40
    assert "degree 24: 24 cores of 2 heads, 8 of the 48 heads hold only zeros" in repr(figure)


def test_heads_are_not_padded_where_the_library_refuses() -> None:
    figure = pictures.heads(plan(Settings(profile="seed-0.21")), (2, 8))
    assert not [patch for patch in figure.axes[0].patches if patch.get_hatch()]


def test_a_layer_adds_up_twice_and_says_how_often_a_token() -> None:
    figure = pictures.matrix(Settings().model)
    assert words(figure).count("+") == 2
    assert "2 all-reduces a layer x 40 layers = 80 for each token, at any degree above 1" in words(figure)


def test_each_deployment_says_how_many_devices_work() -> None:
    figure = pictures.deployments(2, 8, ("inf2.48xlarge", "inf2.48xlarge", "inf2.24xlarge"))
    for said in ("one copy on inf2.48xlarge: 1 of 12", "12 copies on inf2.48xlarge: 12 of 12", "28 of 30 devices work"):
        assert said in repr(figure)
    idle = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert len(idle) == 12 + 12 + 30  # under every device; a copy's square covers it
    assert words(figure).count("6") == 1 + 4  # the seventh of twelve copies, and the seventh replica's devices


def test_a_good_ring_stands_beside_the_articles() -> None:
    figure = pictures.rings(plan(Settings(tensor_parallel_degree=8)), {"article": ARTICLE, "good": range(8)})
    bad, good = ("\n".join(text.get_text() for text in axes.texts) for axes in figure.axes)
    assert (bad.count("apart"), good.count("apart")) == (8, 0)
    colours = {text.get_bbox_patch().get_facecolor() for text in figure.axes[1].texts if "copy" in text.get_text()}
    assert len(colours) == 2  # one a copy
    assert "not neighbours" in repr(figure).partition("good:")[0]
    assert "not neighbours" not in repr(figure).partition("good:")[2]


def test_the_costs_are_those_of_the_copies_that_are_started() -> None:
    plans = {"one": plan(Settings()), "twelve": plan(Settings(copies=12))}
    figure = pictures.costs(plans)
    for name, made in plans.items():
        usd = made.started_usd
        assert usd
        assert f"{name}: {usd.low:.0f} to {usd.high:.0f} USD" in repr(figure)
    assert saved(figure)
