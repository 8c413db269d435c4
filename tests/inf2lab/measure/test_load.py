"""inf2lab.measure.Load: what it refuses, and arrival times that its seed decides."""

from __future__ import annotations

from itertools import pairwise

import pytest

from inf2lab.errors import SettingsError
from inf2lab.measure import Load, Target
from inf2lab.measure.client import share


@pytest.mark.parametrize(
    ("choices", "name"),
    [
        ({}, "requests"),
        ({"requests": 1, "seconds": 1}, "requests"),
        ({"requests": 0}, "requests"),
        ({"requests": 1, "clients": 0}, "clients"),
        ({"requests": 1, "warm_up": -1}, "warm_up"),
        ({"requests": 1, "rate": 0}, "rate"),
        ({"seconds": 0}, "seconds"),
        ({"requests": 1, "timeout_s": 0}, "timeout_s"),
        ({"requests": 1, "arrivals": "bursts"}, "arrivals"),
        ({"requests": 1, "processes": 0}, "processes"),
        ({"requests": 1, "in_flight": 0}, "in_flight"),
    ],
)
def test_a_load_that_means_nothing_is_refused(choices: dict, name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Load(**choices)
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("choices", "name"),
    [
        ({"url": "127.0.0.1:8080"}, "url"),
        ({"kind": "tgi"}, "kind"),
        ({"lane": "laptop"}, "lane"),
        ({"rows": 0}, "rows"),
        ({"output_tokens": 0}, "output_tokens"),
        ({"kind": "openai", "rows": 2}, "rows"),
        ({"lengths": "long"}, "lengths"),
    ],
)
def test_a_target_that_means_nothing_is_refused(choices: dict, name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Target(**({"url": "http://127.0.0.1:1"} | choices))
    assert caught.value.name == name


def test_arrivals_are_those_of_the_seed() -> None:
    one = Load(rate=50, requests=400, seed=3)
    assert one.schedule() == Load(rate=50, requests=400, seed=3).schedule()
    assert one.schedule() != Load(rate=50, requests=400, seed=4).schedule()
    assert one.schedule()[:100] == Load(rate=50, requests=100, seed=3).schedule()


def test_poisson_arrivals_have_the_rate_and_its_spread() -> None:
    times = Load(rate=50, requests=5000, seed=1).schedule()
    gaps = [later - earlier for earlier, later in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    spread = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(1 / 50, rel=0.05)
    assert spread == pytest.approx(mean, rel=0.05)  # an exponential's deviation is its mean


def test_even_arrivals_are_even_and_end_with_the_seconds() -> None:
    assert Load(rate=4, seconds=1, arrivals="even").schedule() == [0, 0.25, 0.5, 0.75]
    assert all(at < 2 for at in Load(rate=100, seconds=2).schedule())


def test_a_closed_loop_has_no_schedule() -> None:
    assert Load(requests=5).schedule() == []
    assert (Load(requests=5).title, Load(clients=3, requests=5).title) == ("1 client", "3 clients")
    assert Load(rate=2.5, requests=5).title == "2.5 requests/s"


@pytest.mark.parametrize("total", [0, 1, 5, 16])
def test_shares_add_up(total: int) -> None:
    assert sum(share(total, part, 3) for part in range(3)) == total
