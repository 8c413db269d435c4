"""How long a load takes: its steps, and what makes each of them longer."""

from __future__ import annotations

import pytest

from neuron_rules import LoadRates, ModelDims, Span, load_seconds, load_steps

RATES = LoadRates(Span(10, 100), Span(10, 100), Span(10, 100), Span(1, 9))
MODEL = ModelDims(name="", architecture="opt", hidden=64, layers=10, heads=4, ffn=256, vocab=100, max_positions=2048)
WORK = {"dims": MODEL, "dtype": "f16", "n_positions": 1024, "vcpus": 8, "rates": RATES, "parameters": 10**9}


def test_a_first_load_fetches_and_compiles_and_a_warm_one_does_not() -> None:
    first, warm = load_steps(**WORK), load_steps(**WORK, warm=True)
    assert list(first) == ["download", "disk", "host", "compile"]
    assert {name: first[name] for name in warm} == dict(warm)
    assert list(warm) == ["disk", "host"]


def test_the_sum_has_the_sum_of_the_bounds_and_its_middle_between_them() -> None:
    whole = load_seconds({"a": Span(1, 4), "b": Span(3, 60)})
    assert (whole.low, whole.middle, whole.high) == (4, 16, 64)


def test_a_download_is_no_faster_than_the_disk_it_is_written_to() -> None:
    slow_disk = LoadRates(Span(1000, 1000), Span(10, 10), Span(10, 100), Span(1, 9))
    assert load_steps(**WORK | {"rates": slow_disk})["download"].low == pytest.approx(2e9 / 2**20 / 10)


def test_programs_are_compiled_at_once_until_processors_are_short() -> None:
    assert load_steps(**WORK)["compile"] == Span(10, 90)
    assert load_steps(**WORK | {"vcpus": 2})["compile"] == Span(20, 180)


def test_wider_numbers_make_a_larger_split_copy() -> None:
    assert load_steps(**WORK | {"dtype": "f32"})["disk"].low > load_steps(**WORK)["disk"].low
