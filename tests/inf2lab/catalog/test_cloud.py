"""inf2lab.catalog's launch facts: each has a source, and names agree with the rest of the catalog."""

from __future__ import annotations

import pytest

from inf2lab import catalog
from inf2lab.catalog.facts import UnitPrice
from inf2lab.errors import SettingsError

FACTS = catalog.cloud_facts()


@pytest.mark.parametrize("name", FACTS.images)
def test_an_image_is_a_base_neuron_image(name: str) -> None:
    image = catalog.host_image(name)
    assert image.parameter.startswith("/aws/service/neuron/dlami/base/")
    assert image.parameter.endswith("/latest/image_id")
    assert image.name_pattern.startswith("Deep Learning Base Neuron AMI")
    assert image.root_device.startswith("/dev/")
    assert image.source


def test_the_default_image_is_one_of_them() -> None:
    assert catalog.host_image().name == FACTS.default_image == "ubuntu-24.04"
    with pytest.raises(SettingsError, match=r"ubuntu-24\.04"):
        catalog.host_image("ubuntu-18.04")


@pytest.mark.parametrize("price", FACTS.prices.values())
def test_a_price_says_where_and_since_when(price: UnitPrice) -> None:
    assert 0 < price.value < 1
    assert price.region
    assert price.since
    assert price.source


def test_every_inf2_size_has_regions() -> None:
    regions_of = FACTS.regions.by_instance
    sizes = {name for name, row in catalog.instances().items() if row.family == "inf2"}
    assert set(regions_of) == sizes
    assert all("us-east-2" in regions for regions in regions_of.values())
    assert "ap-northeast-2" in regions_of["inf2.xlarge"]
    assert "ap-northeast-2" not in regions_of["inf2.48xlarge"]


def test_a_quota_has_a_code_for_each_way_of_buying() -> None:
    assert {catalog.launch_quota(kind).code for kind in ("on-demand", "spot")} == {"L-1945791B", "L-B5D1601B"}
    with pytest.raises(SettingsError, match="on-demand, spot"):
        catalog.launch_quota("capacity-block")
