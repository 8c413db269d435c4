"""Instances: chips, NeuronCores, memory, bandwidth, links and dated prices, one row an EC2 size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from inf2lab.catalog._access import one, read_file
from inf2lab.errors import SettingsError

DEFAULT_PRICE_BASIS = "on-demand"


@dataclass(frozen=True)
class PriceBasis:
    """What a price counts: two bases differ by a factor of more than two and are never mixed."""

    name: str
    first: str  # month of the first table that has it
    last: str
    region: str
    source: str


@dataclass(frozen=True)
class Topology:
    """How an instance's chips are joined, and how many of them a container may have (None: any number)."""

    name: str
    columns: int | None  # of a torus: device d stands in row d // columns, linked within row and column
    container_devices: tuple[int, ...] | None
    source: str


@dataclass(frozen=True)
class Instance:
    """One EC2 size: NeuronCores, memory in GiB, bandwidth in GiB/s, TFLOPS in f16, price in US dollars an hour."""

    name: str
    family: str
    chips: int
    cores: int
    vcpus: int
    host_gib: int
    device_gib: int
    device_gib_per_s: int
    f16_tflops: int
    topology: str  # how the chips are joined: single, ring, 2D torus
    link_gib_per_s: int | None  # of one chip; None where there is one chip only
    usd_per_hour_by_basis: Mapping[str, float]

    @property
    def usd_per_hour(self) -> float | None:
        """The on-demand price; None where no table names one."""
        return self.usd_per_hour_by_basis.get(DEFAULT_PRICE_BASIS)

    @property
    def cores_per_chip(self) -> int:
        """NeuronCores of one device."""
        return self.cores // self.chips


def instances() -> Mapping[str, Instance]:
    """Return every instance by name."""
    return _instances()


def instance(name: str) -> Instance:
    """Return one instance; raises SettingsError with the known names."""
    return one("instance", name, _instances())


def topology(name: str) -> Topology:
    """Return what is known of a topology by the name that an instance's row gives it; raises SettingsError."""
    row = one("topology", name, read_file("instances")["topologies"])
    sizes = row["container_devices"]
    return Topology(name, row["columns"], tuple(sizes) if sizes else None, row["source"])


def price_basis(name: str = DEFAULT_PRICE_BASIS) -> PriceBasis:
    """Return what a price of that basis counts, with its months and source; raises SettingsError."""
    rows = read_file("instances")["price_bases"]
    if name not in rows:
        raise SettingsError("price_basis", name, f"not in the catalog; use one of {', '.join(rows)}")
    row = rows[name]
    return PriceBasis(name, row["from"], row["to"], row["region"], row["source"])


@cache
def _instances() -> Mapping[str, Instance]:
    rows = read_file("instances")["instances"]
    return MappingProxyType({name: _row(name, row) for name, row in rows.items()})


def _row(name: str, row: dict) -> Instance:
    prices = MappingProxyType(row["usd_per_hour_by_basis"])
    return Instance(name=name, **(row | {"usd_per_hour_by_basis": prices}))
