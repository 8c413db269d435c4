"""Offering, network, quota and price: what AWS says, what the catalog says when AWS does not, and who said it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from inf2lab import Settings, aws, catalog

if TYPE_CHECKING:
    from conftest import Launching, PlayedAws

FAST_USD = (500 - 125) * 0.04 + (6000 - 3000) * 0.005  # a month of the speed that is bought for the disk


@pytest.fixture
def offline(no_network: None) -> aws.Cloud:
    """The rehearsal lane; a connection would be an error."""
    return aws.connect(Settings(), region="us-east-2")


def test_an_offering_names_its_zones(played: PlayedAws) -> None:
    offered = aws.offering(played.cloud(), "inf2.48xlarge")
    assert offered.zones == ("us-east-2a", "us-east-2b", "us-east-2c")
    assert "AWS, now" in str(offered)


def test_who_may_not_ask_gets_the_dated_table(played: PlayedAws) -> None:
    played.fail("ec2.DescribeInstanceTypeOfferings", "UnauthorizedOperation")
    offered = aws.offering(played.cloud(), "inf2.48xlarge")
    assert offered.zones == ()
    assert offered.source == "table of 2026-11-22; AWS: UnauthorizedOperation"


def test_a_subnet_brings_its_network_and_says_whether_it_has_a_way_out(played: PlayedAws, offline: aws.Cloud) -> None:
    """Without the choice, an account that has no default network cannot launch at all."""
    here, ec2 = played.cloud(), played.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone="us-east-2b")["Subnet"]["SubnetId"]
    subnet = aws.look_up_subnet(here, made)
    assert (subnet.vpc, subnet.zone, subnet.public) == (vpc, "us-east-2b", False)
    assert "NAT gateway" in str(subnet)
    with pytest.raises(aws.NotThere):
        aws.look_up_subnet(here, "subnet-0123456789abcdef0")
    assert aws.look_up_subnet(offline, "subnet-1").public is None


@pytest.mark.parametrize("instance", catalog.cloud_facts().regions.by_instance)
def test_the_table_of_regions_is_the_one_that_moto_carries(played: PlayedAws, instance: str) -> None:
    """Both are the same snapshot; a later moto may know more, and then the table is due."""
    regions = {"us-east-1", "us-west-1", "us-west-2", "ap-northeast-2", "ca-central-1", "eu-west-1"}
    filters = [{"Name": "instance-type", "Values": [instance]}]
    offered = {
        region
        for region in regions
        if played.client("ec2", region).describe_instance_type_offerings(
            LocationType="availability-zone", Filters=filters
        )["InstanceTypeOfferings"]
    }
    assert offered == regions & set(catalog.cloud_facts().regions.by_instance[instance])


def _quota(code: str, value: float) -> dict[str, Any]:
    return {"Quota": {"ServiceCode": "ec2", "QuotaCode": code, "Value": value}}


@pytest.mark.parametrize(
    ("spot", "code", "value", "enough"),
    [(False, "L-1945791B", 0.0, False), (False, "L-1945791B", 192.0, True), (True, "L-B5D1601B", 64.0, False)],
)
def test_the_quota_counts_vcpus(played: PlayedAws, spot: bool, code: str, value: float, enough: bool) -> None:
    """moto knows no EC2 quotas: botocore's own stub answers, and checks what is asked."""
    here = played.cloud()
    with Stubber(here.client("service-quotas")) as stub:
        stub.add_response("get_service_quota", _quota(code, value), {"ServiceCode": "ec2", "QuotaCode": code})
        limit = aws.quota(here, "inf2.48xlarge", spot=spot)
    assert (limit.needed, limit.allowed, limit.enough) == (192, value, enough)


def test_a_quota_that_nobody_tells_is_not_known(played: PlayedAws, offline: aws.Cloud) -> None:
    limit = aws.quota(played.cloud(), "inf2.xlarge")
    assert (limit.needed, limit.allowed, limit.enough) == (4, None, None)
    assert "AWS did not say" in str(limit)
    assert "not asked" in str(aws.quota(offline, "inf2.xlarge"))


def _listed(*usd: str) -> dict[str, Any]:
    """A price list with one product a price, as the Pricing API writes it."""
    products = [
        {"product": {}, "terms": {"OnDemand": {"o": {"priceDimensions": {"d": {"pricePerUnit": {"USD": price}}}}}}}
        for price in usd
    ]
    return {"PriceList": [json.dumps(product) for product in products]}


def test_the_price_is_aws_s_when_it_answers(played: PlayedAws, launching: Launching) -> None:
    here = played.cloud()
    request = launching.request(here)
    with Stubber(here.client("pricing", "us-east-1")) as stub:
        stub.add_response("get_products", _listed("0.7600000000", "0.0000000000"))
        stub.add_response("get_products", _listed("0.09"))
        table = aws.price_table(here, request)
    instance, disk, address = table.rows
    assert (instance.usd_per_hour, instance.source) == (0.76, "AWS, now")
    assert disk.usd_per_hour == pytest.approx((512 * 0.09 + FAST_USD) / 730)
    assert table.usd == pytest.approx(0.76 + (512 * 0.09 + FAST_USD) / 730 + address.usd_per_hour)


def test_a_price_list_with_two_prices_is_not_guessed_at(played: PlayedAws, launching: Launching) -> None:
    here = played.cloud()
    request = launching.request(here)
    with Stubber(here.client("pricing", "us-east-1")) as stub:
        stub.add_response("get_products", _listed("0.76", "0.99"))
        stub.add_client_error("get_products", "AccessDeniedException")
        table = aws.price_table(here, request)
    assert table.rows[0].usd_per_hour == catalog.instance("inf2.xlarge").usd_per_hour
    assert "AWS lists 2 prices" in table.rows[0].source
    assert "AWS: AccessDeniedException" in table.rows[1].source


def test_the_rehearsal_s_price_is_the_article_s_instance_for_four_hours(offline: aws.Cloud) -> None:
    request = aws.launch_request(offline, "inf2.48xlarge", aws.look_up_image(offline), hours=4)
    table = aws.price_table(offline, request)
    assert table.usd == pytest.approx(4 * (12.981 + (512 * 0.08 + FAST_USD) / 730 + 0.005))
    assert table.usd_per_hour_stopped == pytest.approx((512 * 0.08 + FAST_USD) / 730)
    *_, together, stopped = str(table).splitlines()
    assert stopped.startswith("if only stopped")
    assert stopped.index("goes on") == together.index("until")  # one column


def test_expired_credentials_are_no_reason_to_use_a_table(played: PlayedAws, launching: Launching) -> None:
    played.fail("pricing.GetProducts", "ExpiredTokenException")
    played.fail("service-quotas.GetServiceQuota", "ExpiredTokenException")
    here = played.cloud()
    with pytest.raises(aws.NoAccess):
        aws.quota(here, "inf2.xlarge")
    with pytest.raises(aws.NoAccess):
        aws.price_table(here, launching.request(here))
