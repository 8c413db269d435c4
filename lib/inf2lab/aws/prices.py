"""What a launch costs until its deadline, and what goes on costing if an instance is only stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from inf2lab import catalog
from inf2lab.aws.connection import Cloud
from inf2lab.aws.errors import CloudError, NoAccess
from inf2lab.aws.instance import LaunchRequest


@dataclass(frozen=True)
class PriceRow:
    """One thing that bills: US dollars an hour, and where that number comes from."""

    what: str
    usd_per_hour: float
    source: str


@dataclass(frozen=True)
class PriceTable:
    """The bill of a request: instance, disk and address, an hour and until the deadline."""

    rows: tuple[PriceRow, ...]
    hours: int
    deadline: str

    @property
    def usd_per_hour(self) -> float:
        """All rows together."""
        return sum(row.usd_per_hour for row in self.rows)

    @property
    def usd(self) -> float:
        """All rows until the deadline."""
        return self.usd_per_hour * self.hours

    @property
    def usd_per_hour_stopped(self) -> float:
        """What a stopped instance still bills: its disk. (AWS takes an address of its own choice back.)"""
        return self.rows[1].usd_per_hour

    def __str__(self) -> str:
        width = max(len(row.what) for row in self.rows)
        lines = [f"{'':{width}}  USD/h     {self.hours} h, USD"]
        for row in self.rows:
            lines.append(
                f"{row.what:{width}}  {row.usd_per_hour:7.4f}  {row.usd_per_hour * self.hours:9.2f}   {row.source}"
            )
        lines.append(f"{'together':{width}}  {self.usd_per_hour:7.4f}  {self.usd:9.2f}   until {self.deadline}")
        lines.append(f"{'if only stopped':{width}}  {self.usd_per_hour_stopped:7.4f}             goes on for ever")
        return "\n".join(lines)


def price_table(cloud: Cloud, request: LaunchRequest) -> PriceTable:
    """Return the request's price; an AWS price list that does not answer is replaced by the dated table."""
    facts = catalog.cloud_facts()
    hardware = catalog.instance(request.instance)
    basis = catalog.price_basis()
    listed = hardware.usd_per_hour
    dated = f"table {basis.first} to {basis.last}"
    instance, instance_from = _ask(cloud, _instance_filters(request), listed, dated)
    if request.spot:
        instance_from += "; spot is at most that"
    gib_month = facts.prices["gp3_usd_per_gib_month"]
    disk, disk_from = _ask(
        cloud, _disk_filters(request), gib_month.value, f"{gib_month.region}, since {gib_month.since}"
    )
    address = facts.prices["address_usd_per_hour"]
    rows = (
        PriceRow(request.instance, instance, instance_from),
        PriceRow(f"disk, {request.disk_gib} GiB gp3", disk * request.disk_gib / facts.hours_per_month, disk_from),
        PriceRow("public IPv4 address", address.value, f"since {address.since}"),
    )
    return PriceTable(rows, request.hours, f"{request.deadline:%Y-%m-%d %H:%M:%S} UTC")


def _instance_filters(request: LaunchRequest) -> dict[str, str]:
    return {
        "instanceType": request.instance,
        "regionCode": request.region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }


def _disk_filters(request: LaunchRequest) -> dict[str, str]:
    return {"productFamily": "Storage", "volumeApiName": "gp3", "regionCode": request.region}


def _ask(cloud: Cloud, wanted: dict[str, str], dated: float, source: str) -> tuple[float, str]:
    """Return the one positive price of AWS's list and "AWS, now", or the dated price and why."""
    if not cloud.live:
        return dated, source
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()]
    region = catalog.cloud_facts().pricing_region
    try:
        answer = cloud.call("pricing", "get_products", region=region, ServiceCode="AmazonEC2", Filters=filters)
    except NoAccess:
        raise
    except CloudError as error:
        return dated, f"{source}; AWS: {error.code}"
    found = set(_prices(json.loads(text) for text in answer["PriceList"]))
    if len(found) != 1:
        return dated, f"{source}; AWS lists {len(found)} prices"
    return found.pop(), "AWS, now"


def _prices(products: Iterable[dict[str, Any]]) -> Iterable[float]:
    for product in products:
        for offer in product["terms"].get("OnDemand", {}).values():
            for dimension in offer["priceDimensions"].values():
                value = float(dimension["pricePerUnit"].get("USD", 0))
                if value > 0:
                    yield value
