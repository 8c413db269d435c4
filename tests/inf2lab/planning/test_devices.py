"""inf2lab.planning's device lists: neighbours on a ring, the article's list, and what to pass instead."""

from __future__ import annotations

import pytest

from inf2lab import catalog
from inf2lab.errors import SettingsError
from inf2lab.planning import judge_devices
from inf2lab.planning.devices import neighbour_runs, parse_devices, ring_runs, torus_neighbours

BIG = catalog.instance("inf2.48xlarge")
TORUS = catalog.instance("trn1.32xlarge")
# `neuron-ls --topology` of a trn1.32xlarge (aws-neuron-sdk v2.20.0, neuron-ls.rst)
LINKS = [
    (12, 3, 4, 1),
    (13, 0, 5, 2),
    (14, 1, 6, 3),
    (15, 2, 7, 0),
    (0, 7, 8, 5),
    (1, 4, 9, 6),
    (2, 5, 10, 7),
    (3, 6, 11, 4),
    (4, 11, 12, 9),
    (5, 8, 13, 10),
    (6, 9, 14, 11),
    (7, 10, 15, 8),
    (8, 15, 0, 13),
    (9, 12, 1, 14),
    (10, 13, 2, 15),
    (11, 14, 3, 12),
]
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


def test_numbers_with_gaps_are_named_at_every_degree() -> None:
    assert "from 0 on without gaps. Pass --device /dev/neuron0" in judge_devices(BIG, 2, ARTICLE).text
    assert "gaps" not in judge_devices(BIG, 2, range(8)).text
    assert "gaps" in judge_devices(BIG, 2, range(4, 8)).text


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


@pytest.mark.parametrize(("text", "numbers"), [("0,10, 2", (0, 10, 2)), ("/dev/neuron0,/dev/neuron1", (0, 1))])
def test_devices_are_read_as_they_are_written(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_devices(text) == numbers


@pytest.mark.parametrize("text", ["", "0;1", "all", "0,,1", "²"])
def test_what_is_no_list_of_devices_says_how_to_write_one(text: str) -> None:
    with pytest.raises(SettingsError, match="write device numbers with commas"):
        parse_devices(text)


@pytest.mark.parametrize("device", range(16))
def test_the_torus_has_the_links_that_neuron_ls_prints(device: int) -> None:
    assert torus_neighbours(device, 16, 4) == set(LINKS[device])


@pytest.mark.parametrize(
    ("devices", "patches"),
    [
        (range(4), [(0, 1, 2, 3)]),
        ((0, 4, 8, 12), [(0, 4, 8, 12)]),
        ((0, 3, 12, 15), [(0, 3, 12, 15)]),  # round both edges
        ((0, 2, 5, 7), [(0,), (2,), (5,), (7,)]),
        ((0, 1, 9, 10), [(0, 1), (9, 10)]),
    ],
)
def test_patches_of_the_torus(devices: tuple[int, ...], patches: list[tuple[int, ...]]) -> None:
    assert list(neighbour_runs(TORUS, devices)) == patches


def test_a_torus_is_handed_out_in_certain_numbers() -> None:
    judged = judge_devices(TORUS, 2, (0, 5, 9))
    assert judged.broken == ()
    assert "a container on this 2D torus is given 1, 4, 8, 16 devices" in judged.text
    assert judged.instead == (0, 1, 2, 3)
    assert judge_devices(TORUS, 32, range(16)).text == "16 devices for 1 worker at degree 32; it sits on neighbours"


def test_a_copy_that_the_torus_does_not_join_is_broken() -> None:
    judged = judge_devices(TORUS, 8, (0, 2, 5, 7))
    assert judged.broken == ((0, 2, 5, 7),)
    assert judge_devices(TORUS, 8, judged.instead).broken == ()
