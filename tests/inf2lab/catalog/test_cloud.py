"""inf2lab.catalog's launch facts: each has a source, and names agree with the rest of the catalog."""

from __future__ import annotations

import pytest

from inf2lab import catalog
from inf2lab.catalog.facts import UnitPrice
from inf2lab.errors import SettingsError
from inf2lab.planning import plan_for

FACTS = catalog.cloud_facts()


@pytest.mark.parametrize("name", FACTS.images)
def test_an_image_is_a_base_neuron_image(name: str) -> None:
    image = catalog.host_image(name)
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


def test_what_is_launched_is_the_smallest_that_loads_opt_13b_and_the_first_try_is_smaller_still() -> None:
    """The article's size has twelve chips, and this lane's container starts one copy of the model on one of them."""
    plans = {
        name: plan_for("facebook/opt-13b", instance=name, tensor_parallel_degree=2)
        for name in FACTS.regions.by_instance
    }
    fit = [name for name, made in plans.items() if made.host.once_gib <= made.request.hardware.host_gib]
    assert min(fit, key=lambda name: catalog.instance(name).usd_per_hour) == FACTS.instance == "inf2.8xlarge"
    small = FACTS.first_try
    tried = plan_for(small.model_id, instance=small.instance, tensor_parallel_degree=2)
    assert tried.host.once_gib <= tried.request.hardware.host_gib
    assert catalog.instance(small.instance).usd_per_hour < 1


def test_the_disk_is_bought_faster_than_its_size_brings() -> None:
    """A gp3 volume without a choice writes 125 MiB/s: the 26 GB of a first load, written and read twice, crawl."""
    assert FACTS.disk_mib_per_s > FACTS.disk_free["Throughput"] == 125
    assert FACTS.disk_iops > FACTS.disk_free["Iops"] == 3000
    assert FACTS.disk_mib_per_s <= 0.25 * FACTS.disk_iops, "gp3 gives a quarter of a MiB/s for each"


def test_a_quota_has_a_code_for_each_way_of_buying() -> None:
    assert {catalog.launch_quota(kind).code for kind in ("on-demand", "spot")} == {"L-1945791B", "L-B5D1601B"}
    with pytest.raises(SettingsError, match="on-demand, spot"):
        catalog.launch_quota("capacity-block")
