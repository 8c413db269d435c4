"""What is asked before launching: offering, quota, network. Each answer says where it comes from."""

from dataclasses import dataclass
from typing import Any

from inf2lab import catalog
from inf2lab.aws.connection import Cloud
from inf2lab.aws.errors import CloudError, NoAccess, NotAllowed, WrongRegion


@dataclass(frozen=True)
class Offering:
    """Whether a region has an instance type; `zones` is empty where AWS was not asked."""

    instance: str
    region: str
    zones: tuple[str, ...]
    source: str

    def __str__(self) -> str:
        zones = f" in {', '.join(self.zones)}" if self.zones else ""
        return f"{self.instance} is offered in {self.region}{zones} ({self.source})"


@dataclass(frozen=True)
class QuotaAnswer:
    """vCPUs that the instance needs, and that the account may run; `allowed` is None where AWS was not asked."""

    quota: catalog.Quota
    needed: int
    allowed: float | None
    source: str

    @property
    def enough(self) -> bool | None:
        """Whether the quota allows it; None if nobody knows."""
        return None if self.allowed is None else self.allowed >= self.needed

    def __str__(self) -> str:
        has = "how many are allowed is not known" if self.allowed is None else f"{self.allowed:.0f} allowed"
        return f"{self.quota.name} ({self.quota.code}): {self.needed} vCPUs needed; {has} ({self.source})"


@dataclass(frozen=True)
class Subnet:
    """A subnet to launch in: its network, its zone, and whether an instance in it gets a public address.

    Zone and answer are empty where AWS was not asked.
    """

    id: str
    vpc: str
    zone: str = ""
    public: bool | None = None

    def __str__(self) -> str:
        said = {True: "public addresses", False: PRIVATE, None: "not asked for its addresses"}[self.public]
        return f"{self.id} of {self.vpc}{f' in {self.zone}' if self.zone else ''}: {said}"


PRIVATE = "no public addresses: it needs a NAT gateway, or what deploy/cloudformation/README.md lists"


def look_up_subnet(cloud: Cloud, subnet_id: str) -> Subnet:
    """Return a subnet, whose network the security group must be in; raises NotThere."""
    if not cloud.live:
        return Subnet(subnet_id, "vpc-of-the-subnet")
    (row,) = cloud.call("ec2", "describe_subnets", SubnetIds=[subnet_id])["Subnets"]
    return Subnet(subnet_id, row["VpcId"], row["AvailabilityZone"], row["MapPublicIpOnLaunch"])


def offering(cloud: Cloud, instance: str) -> Offering:
    """Return where the region has this instance; raises WrongRegion with the regions that have it."""
    facts = catalog.cloud_facts()
    known = facts.regions.by_instance.get(instance, ())
    elsewhere = f"choose one of {', '.join(known)} (as of {facts.regions.checked})" if known else "see EC2's page"
    zones: tuple[str, ...] = ()
    source, found = f"table of {facts.regions.checked}", cloud.region in known
    if cloud.live:
        filters = [{"Name": "instance-type", "Values": [instance]}]
        asked: dict[str, Any] = {"LocationType": "availability-zone", "Filters": filters}
        try:
            rows = cloud.pages("ec2", "describe_instance_type_offerings", "InstanceTypeOfferings", **asked)
            zones = tuple(sorted(row["Location"] for row in rows))
            source, found = "AWS, now", bool(zones)
        except NotAllowed as error:
            source = f"{source}; AWS: {error.code}"
    if not found:
        raise WrongRegion(f"{instance} in {cloud.region}", "not offered", source, elsewhere)
    return Offering(instance, cloud.region, zones, source)


def quota(cloud: Cloud, instance: str, *, spot: bool = False) -> QuotaAnswer:
    """Return the vCPU quota that the instance counts against; unknown where AWS cannot be asked."""
    row = catalog.launch_quota("spot" if spot else "on-demand")
    needed = catalog.instance(instance).vcpus
    if not cloud.live:
        return QuotaAnswer(row, needed, None, "not asked")
    try:
        answer = cloud.call("service-quotas", "get_service_quota", ServiceCode=row.service, QuotaCode=row.code)
    except NoAccess:
        raise
    except CloudError as error:
        return QuotaAnswer(row, needed, None, f"AWS did not say: {error.code}")
    return QuotaAnswer(row, needed, answer["Quota"]["Value"], "AWS, now")
