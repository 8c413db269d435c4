"""inf2lab.planning's device lists: neighbours on a ring, the article's list, and what to pass instead."""

from __future__ import annotations

import pytest

from inf2lab import catalog
from inf2lab.errors import SettingsError
from inf2lab.planning import judge_devices, ring_runs
from inf2lab.planning._devices import parse_devices

BIG = catalog.instance("inf2.48xlarge")
ARTICLE = (0, 10, 2, 4, 6, 8, 1, 11)


@pytest.mark.parametrize(
    ("devices", "runs"),
    [
        (ARTICLE, {(10, 11, 0, 1, 2), (4,), (6,), (8,)}),  # facts, section (a)
        ((0, 1, 2), {(0, 1, 2)}),
        ((0, 2, 4), {(0,), (2,), (4,)}),
        ((11, 0), {(11, 0)}),
        (range(12), {tuple(range(12))}),
    ],
)
def test_runs_of_neighbours_go_round_the_ring(devices: tuple[int, ...], runs: set[tuple[int, ...]]) -> None:
    assert set(ring_runs(devices, 12)) == runs


def test_the_articles_list_is_good_for_degree_2_and_for_nothing_larger() -> None:
    small, large = judge_devices(BIG, 2, ARTICLE), judge_devices(BIG, 8, ARTICLE)
    assert (len(small.copies), small.broken) == (8, ())
    assert (len(large.copies), len(large.broken)) == (2, 2)
    assert "not neighbours" in large.text
    assert "--device /dev/neuron7" in large.text


def test_what_is_proposed_instead_has_no_broken_copy() -> None:
    judged = judge_devices(BIG, 8, ARTICLE)
    assert judge_devices(BIG, 8, judged.instead).broken == ()
    assert len(judged.instead) == len(judged.given)


def test_fewer_cores_than_the_degree_start_no_worker() -> None:
    judged = judge_devices(BIG, 8, (0, 1))
    assert judged.copies == ()
    assert "no worker starts" in judged.text


@pytest.mark.parametrize("devices", [(12,), (-1,), ()])
def test_a_device_that_is_not_there_is_refused(devices: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match=r"inf2\.48xlarge has devices 0 to 11"):
        judge_devices(BIG, 2, devices)


@pytest.mark.parametrize(
    ("text", "numbers"), [("0,10, 2", (0, 10, 2)), ("/dev/neuron0,/dev/neuron1", (0, 1))]
)
def test_devices_are_read_as_they_are_written(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_devices(text) == numbers


@pytest.mark.parametrize("text", ["", "0;1", "all", "0,,1", "²"])
def test_what_is_no_list_of_devices_says_how_to_write_one(text: str) -> None:
    with pytest.raises(SettingsError, match="write device numbers with commas"):
        parse_devices(text)
