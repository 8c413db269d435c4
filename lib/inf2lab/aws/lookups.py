"""What is asked before launching: image, offering, quota. Each answer says where it comes from."""

from dataclasses import dataclass
from typing import Any

from inf2lab import catalog
from inf2lab.aws.connection import Cloud
from inf2lab.aws.errors import CloudError, NoAccess, NoImage, NotAllowed, NotThere, WrongRegion


@dataclass(frozen=True)
class Image:
    """A machine image: what goes into the request as `id`, its root device, and the user who logs in."""

    id: str
    name: str
    root_device: str
    user: str
    source: str

    def __str__(self) -> str:
        return f"{self.id}\n  {self.name}\n  from {self.source}"


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


def look_up_image(cloud: Cloud, *, image_id: str = "", family: str | None = None) -> Image:
    """Return the image to launch: the given id, else the newest of a family of base Neuron images; raises NoImage.

    AWS names the newest in a public SSM parameter. If that fails, the newest by name and date is taken.
    """
    row = catalog.host_image(family)
    if not cloud.live:
        if image_id:
            return Image(image_id, "not looked up", row.root_device, row.user, "image_id")
        alias = f"resolve:ssm:{row.parameter}"  # EC2 resolves this itself
        return Image(alias, f"the newest that matches {row.name_pattern}", row.root_device, row.user, row.source)
    source = "image_id"
    if not image_id:
        try:
            answer = cloud.call("ssm", "get_parameter", Name=row.parameter)
            image_id, source = answer["Parameter"]["Value"], f"the SSM parameter {row.parameter}"
        except (NotThere, NotAllowed) as error:
            return _newest(cloud, row, f"DescribeImages, because the SSM parameter failed ({error.code})")
    return _described(cloud, row, image_id, source)


def _described(cloud: Cloud, row: catalog.HostImage, image_id: str, source: str) -> Image:
    call = "ec2 describe_images"
    try:
        found = cloud.call("ec2", "describe_images", ImageIds=[image_id], IncludeDeprecated=True)["Images"]
    except NotAllowed as error:
        return Image(image_id, "not looked up", row.root_device, row.user, f"{source}; AWS: {error.code}")
    if not found or found[0].get("State", "available") != "available":
        raise NoImage(call, "no such image", f"{image_id} from {source}", _NO_IMAGE)
    return Image(image_id, found[0].get("Name", ""), found[0]["RootDeviceName"], row.user, source)


def _newest(cloud: Cloud, row: catalog.HostImage, source: str) -> Image:
    filters = [{"Name": "name", "Values": [row.name_pattern]}, {"Name": "state", "Values": ["available"]}]
    owners = list(catalog.cloud_facts().image_owners)
    found = cloud.call("ec2", "describe_images", Owners=owners, Filters=filters, IncludeDeprecated=True)["Images"]
    if not found:
        raise NoImage("ec2 describe_images", "no such image", f"none matches {row.name_pattern}", _NO_IMAGE)
    best = max(found, key=lambda image: image["CreationDate"])
    return Image(best["ImageId"], best["Name"], best["RootDeviceName"], row.user, source)


_NO_IMAGE = "name another with image_id, or leave it empty for the newest base image"


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
