"""What a launch costs until its deadline, and what goes on costing if an instance is only stopped."""

import math
from dataclasses import dataclass

from inf2lab import catalog
from inf2lab.aws.calls import price
from inf2lab.aws.connection import Cloud
from inf2lab.aws.instance import LaunchRequest
from inf2lab.aws.kinds import volume_rate


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
        lines.append(f"{'if only stopped':{width}}  {self.usd_per_hour_stopped:7.4f}  {'':9}   goes on for ever")
        return "\n".join(lines)


def price_table(cloud: Cloud, request: LaunchRequest) -> PriceTable:
    """Return the request's price; an AWS price list that does not answer is replaced by the dated table."""
    facts, basis = catalog.cloud_facts(), catalog.price_basis()
    gib_month, address = facts.prices["gp3_usd_per_gib_month"], facts.prices["address_usd_per_hour"]
    wanted = {
        "instanceType": request.instance,
        "regionCode": request.region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }
    dated = f"table {basis.first} to {basis.last}"
    instance, instance_from = _ask(cloud, wanted, catalog.instance(request.instance).usd_per_hour or math.nan, dated)
    if request.spot:
        instance_from += "; spot is at most that"
    wanted = {"productFamily": "Storage", "volumeApiName": "gp3", "regionCode": request.region}
    disk, disk_from = _ask(cloud, wanted, gib_month.value, f"{gib_month.region}, since {gib_month.since}")
    rate = volume_rate(request.disk, usd_per_gib_month=disk)
    rows = (
        PriceRow(request.instance, instance, instance_from),
        PriceRow(f"disk, {request.disk_gib} GiB gp3, {request.disk['Throughput']} MiB/s", rate, disk_from),
        PriceRow("public IPv4 address", address.value, f"since {address.since}"),
    )
    return PriceTable(rows, request.hours, f"{request.deadline:%Y-%m-%d %H:%M:%S} UTC")


def _ask(cloud: Cloud, wanted: dict[str, str], dated: float, source: str) -> tuple[float, str]:
    """Return AWS's price and "AWS, now", or the dated price and why."""
    usd, said = price(cloud, "AmazonEC2", wanted)
    return (dated, "; ".join(filter(None, (source, said)))) if usd is None else (usd, said)
