"""inf2lab.catalog's instances: bandwidth, links and prices, and that two price bases are never mixed."""

from __future__ import annotations

import pytest

from inf2lab import catalog
from inf2lab.errors import SettingsError

NAMES = list(catalog.instances())


@pytest.mark.parametrize("name", NAMES)
def test_every_chip_has_the_same_bandwidth_and_speed(name: str) -> None:
    entry = catalog.instance(name)
    assert entry.device_gib_per_s == 820 * entry.chips
    assert entry.f16_tflops == 190 * entry.chips
    assert entry.cores_per_chip == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_link_is_named_where_there_is_something_to_link(name: str) -> None:
    entry = catalog.instance(name)
    assert (entry.topology == "single") == (entry.chips == 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_reserved_price_is_about_two_fifths_of_the_on_demand_one(name: str) -> None:
    prices = catalog.instance(name).usd_per_hour_by_basis
    assert set(prices) in ({"on-demand", "reserved"}, set())
    if prices:
        assert 0.35 < prices["reserved"] / prices["on-demand"] < 0.45


def test_the_months_of_the_two_bases_do_not_overlap() -> None:
    first, second = catalog.price_basis("on-demand"), catalog.price_basis("reserved")
    assert first.last < second.first
    assert (first.first, first.last) == ("2023-04", "2024-07")
    assert "On-Demand hourly rate" in first.source
    assert "RI-Effective hourly rate" in second.source


def test_usd_per_hour_is_the_on_demand_price() -> None:
    entry = catalog.instance("inf2.48xlarge")
    assert entry.usd_per_hour == entry.usd_per_hour_by_basis["on-demand"] == 12.981
    assert catalog.instance("trn1n.32xlarge").usd_per_hour is None


def test_an_unknown_price_basis_is_answered_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"price_basis='spot'.*on-demand, reserved"):
        catalog.price_basis("spot")


def test_prices_cannot_be_changed_by_their_readers() -> None:
    with pytest.raises(TypeError):
        catalog.instance("inf2.xlarge").usd_per_hour_by_basis["on-demand"] = 0.0  # type: ignore[index]
