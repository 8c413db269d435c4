"""Image, offering, quota and price: what AWS says, what the catalog says when AWS does not, and who said it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from inf2lab import Settings, aws, catalog

if TYPE_CHECKING:
    from conftest import Launching, PlayedAws

PARAMETER = catalog.host_image().parameter


@pytest.fixture
def offline(no_network: None) -> aws.Cloud:
    """The rehearsal lane; a connection would be an error."""
    return aws.connect(Settings(), region="us-east-2")


def test_the_image_is_the_parameter_s(played: PlayedAws) -> None:
    image = aws.look_up_image(played.cloud())
    assert (image.id, image.root_device, image.user) == ("ami-0ubuntu2026new", "/dev/sda1", "ubuntu")
    assert PARAMETER in image.source


@pytest.mark.parametrize("code", ["ParameterNotFound", "AccessDeniedException"])
def test_without_the_parameter_it_is_the_newest_by_name(played: PlayedAws, code: str) -> None:
    played.fail("ssm.GetParameter", code)
    image = aws.look_up_image(played.cloud())
    assert image.id == "ami-0ubuntu2026new"
    assert image.name == "Deep Learning Base Neuron AMI (Ubuntu 24.04) 20260814"
    assert f"DescribeImages, because the SSM parameter failed ({code})" in image.source


def test_an_image_of_one_s_own_goes_before(played: PlayedAws) -> None:
    image = aws.look_up_image(played.cloud(), image_id="ami-0ubuntu2026old")
    assert (image.id, image.source) == ("ami-0ubuntu2026old", "image_id")


def test_another_family_has_another_root_device_and_user(played: PlayedAws) -> None:
    image = aws.look_up_image(played.cloud(), family="amazon-linux-2023")
    assert (image.id, image.root_device, image.user) == ("ami-0amazon2026new", "/dev/xvda", "ec2-user")


def test_an_image_that_may_not_be_described_is_taken_by_the_catalog_s_word(played: PlayedAws) -> None:
    played.fail("ec2.DescribeImages", "UnauthorizedOperation")
    image = aws.look_up_image(played.cloud())
    assert (image.id, image.root_device) == ("ami-0ubuntu2026new", "/dev/sda1")
    assert "UnauthorizedOperation" in image.source


def test_no_image_at_all_says_what_to_name(played: PlayedAws) -> None:
    with pytest.raises(aws.NoImage, match="none matches Deep Learning Base Neuron AMI"):
        aws.look_up_image(played.cloud("eu-west-1"))


def test_the_rehearsal_s_image_is_an_alias_that_ec2_resolves(offline: aws.Cloud) -> None:
    assert aws.look_up_image(offline).id == f"resolve:ssm:{PARAMETER}"
    assert aws.look_up_image(offline, image_id="ami-1").id == "ami-1"


def test_an_offering_names_its_zones(played: PlayedAws) -> None:
    offered = aws.offering(played.cloud(), "inf2.48xlarge")
    assert offered.zones == ("us-east-2a", "us-east-2b", "us-east-2c")
    assert "AWS, now" in str(offered)


def test_who_may_not_ask_gets_the_dated_table(played: PlayedAws) -> None:
    played.fail("ec2.DescribeInstanceTypeOfferings", "UnauthorizedOperation")
    offered = aws.offering(played.cloud(), "inf2.48xlarge")
    assert offered.zones == ()
    assert offered.source == "table of 2026-11-22; AWS: UnauthorizedOperation"


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
    assert disk.usd_per_hour == pytest.approx(512 * 0.09 / 730)
    assert table.usd == pytest.approx(0.76 + 512 * 0.09 / 730 + address.usd_per_hour)


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
    assert table.usd == pytest.approx(4 * (12.981 + 512 * 0.08 / 730 + 0.005))
    assert table.usd_per_hour_stopped == pytest.approx(512 * 0.08 / 730)
    assert "if only stopped" in str(table)


def test_expired_credentials_are_no_reason_to_use_a_table(played: PlayedAws, launching: Launching) -> None:
    played.fail("pricing.GetProducts", "ExpiredTokenException")
    played.fail("service-quotas.GetServiceQuota", "ExpiredTokenException")
    here = played.cloud()
    with pytest.raises(aws.NoAccess):
        aws.quota(here, "inf2.xlarge")
    with pytest.raises(aws.NoAccess):
        aws.price_table(here, launching.request(here))
