"""What launching takes: images, quotas, regions, prices of what is not the instance; all dated snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from inf2lab.catalog._access import one, read_file


@dataclass(frozen=True)
class HostImage:
    """A family of machine images: the SSM parameter that names the newest, the pattern of its names, its login user."""

    name: str
    parameter: str
    name_pattern: str
    user: str
    root_device: str
    source: str


@dataclass(frozen=True)
class Quota:
    """A service quota that counts vCPUs of running instances in one region."""

    kind: str  # on-demand or spot
    service: str
    code: str
    name: str
    source: str


@dataclass(frozen=True)
class UnitPrice:
    """A dated price of something other than an instance, in US dollars."""

    value: float
    region: str
    since: str
    source: str


@dataclass(frozen=True)
class CloudFacts:
    """The rest of the launch facts; `regions` is a snapshot by instance, dated `regions_checked`."""

    checked: str
    default_image: str
    image_owners: tuple[str, ...]
    regions: Mapping[str, tuple[str, ...]]
    regions_checked: str
    pricing_region: str
    gp3_gib_month: UnitPrice
    snapshot_gib_month: UnitPrice
    address_hour: UnitPrice
    hours_per_month: int
    disk_gib: int
    longest_hours: int
    jupyter_port: int
    inference_port: int
    tunnel_document: str


def host_image(name: str | None = None) -> HostImage:
    """Return one family of images, the default one without a name; raises SettingsError with the known names."""
    rows = read_file("cloud")["images"]
    name = name or read_file("cloud")["default_image"]
    return HostImage(name, **one("image", name, rows))


def launch_quota(kind: str) -> Quota:
    """Return the quota that `on-demand` or `spot` instances count against; raises SettingsError."""
    return Quota(kind, **one("quota", kind, read_file("cloud")["quotas"]))


@cache
def cloud_facts() -> CloudFacts:
    """Return the launch facts of the data file."""
    data = read_file("cloud")
    regions = {name: tuple(row) for name, row in data["regions"]["by_instance"].items()}
    return CloudFacts(
        checked=data["checked"],
        default_image=data["default_image"],
        image_owners=tuple(data["image_owners"]),
        regions=MappingProxyType(regions),
        regions_checked=data["regions"]["checked"],
        pricing_region=data["pricing_region"],
        gp3_gib_month=_price("gp3_usd_per_gib_month"),
        snapshot_gib_month=_price("snapshot_usd_per_gib_month"),
        address_hour=_price("address_usd_per_hour"),
        hours_per_month=data["hours_per_month"],
        disk_gib=data["disk_gib"],
        longest_hours=data["longest_hours"],
        jupyter_port=data["jupyter_port"],
        inference_port=data["inference_port"],
        tunnel_document=data["tunnel_document"],
    )


def _price(name: str) -> UnitPrice:
    row = read_file("cloud")["prices"][name]
    return UnitPrice(row["value"], row["region"], row["from"], row["source"])
