"""The machine image of an instance: the one whose Neuron driver goes with the container's runtime, not the newest."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from inf2lab import catalog
from inf2lab.aws.connection import Cloud
from inf2lab.aws.errors import NoImage, NotAllowed

DESCRIBE = "ec2 describe_images"
REMEDY = (
    "name one with image_id (--image) whose description says an SDK that fits, or try another region; "
    "the newest image is no way out"
)


@dataclass(frozen=True)
class Image:
    """A machine image: what goes into the request as `id`, its root device, the user who logs in, and its driver.

    It is the host of one profile's container. `release` is None where nobody says which driver the image has.
    """

    id: str
    name: str
    root_device: str
    user: str
    source: str
    profile: str = field(default_factory=catalog.default_profile)
    release: catalog.DriverRelease | None = None

    @property
    def stack(self) -> catalog.Profile:
        """What is known of the container that it is the host of."""
        return catalog.profile(self.profile)

    @property
    def accepted(self) -> catalog.DriverRange:
        """The drivers that go with the container."""
        return catalog.accepted_drivers(self.stack.runtime)

    def __str__(self) -> str:
        has = str(self.release) if self.release else "its driver is not known: the first boot looks at it"
        needed = f"{self.profile}'s container (runtime {self.stack.runtime}) needs a driver {self.accepted}"
        return f"{self.id}\n  {self.name}\n  {has}; {needed}\n  from {self.source}"


def look_up_image(cloud: Cloud, *, image_id: str = "", family: str | None = None, profile: str | None = None) -> Image:
    """Return the image to launch: the given id, else the base Neuron image whose driver fits the profile's container.

    Raises NoImage where none fits, and for an id whose driver does not: the newest is never taken instead.
    """
    row = catalog.host_image(family)
    host = Image(image_id, "", row.root_device, row.user, "image_id", profile or catalog.default_profile())
    if image_id:
        return _named(cloud, host) if cloud.live else replace(host, name="not looked up")
    if cloud.live:
        return _best(cloud, host, row.name_pattern)
    best = catalog.fitting_releases(host.accepted)[0]
    return replace(host, id=f"ami-of-neuron-sdk-{best.sdk}", name=row.name_pattern, source=row.source, release=best)


def _named(cloud: Cloud, host: Image) -> Image:
    """Return the image of the host's id, if it is there and its driver is not known to be wrong."""
    try:
        found = cloud.call("ec2", "describe_images", ImageIds=[host.id], IncludeDeprecated=True)["Images"]
    except NotAllowed as error:
        return replace(host, name="not looked up", source=f"image_id; AWS: {error.code}")
    if not found or found[0].get("State", "available") != "available":
        raise NoImage(DESCRIBE, "no such image", host.id, REMEDY)
    image = _described(host, found[0], "image_id")
    if image.release and not image.accepted.accepts(image.release.driver):
        raise NoImage(DESCRIBE, "the driver does not fit", f"{host.id} has {image.release}; {_rule(host)}", REMEDY)
    return image


def _best(cloud: Cloud, host: Image, pattern: str) -> Image:
    """Return the best image of that name by the SDK in its description; AWS hides those that it has deprecated."""
    filters = [{"Name": "name", "Values": [pattern]}, {"Name": "state", "Values": ["available"]}]
    owners = list(catalog.cloud_facts().image_owners)
    rows = cloud.call("ec2", "describe_images", Owners=owners, Filters=filters, IncludeDeprecated=True)["Images"]
    rows.sort(key=lambda row: row["CreationDate"], reverse=True)
    found = [_described(host, row, f"DescribeImages, {len(rows)} of that name") for row in rows]
    for release in catalog.fitting_releases(host.accepted):
        for image in found:
            if image.release == release:
                return image
    seen = ", ".join(sorted({str(image.release or image.id) for image in found})) or "none at all"
    raise NoImage(DESCRIBE, "no image fits", f"{pattern!r} in {cloud.region}: {seen}; {_rule(host)}", REMEDY)


def _described(host: Image, row: dict[str, Any], source: str) -> Image:
    """Return a host as AWS describes it; the catalog knows the driver of the SDK that the description names."""
    named = re.search(r"Neuron SDK (\d+\.\d+\.\d+)", row.get("Description", ""))
    release = catalog.driver_facts().releases.get(named[1]) if named else None
    shown = {"id": row["ImageId"], "name": row.get("Name", ""), "root_device": row["RootDeviceName"]}
    return replace(host, **shown, source=source, release=release)


def _rule(host: Image) -> str:
    accepted = host.accepted
    return f"runtime {accepted.runtime} in {host.profile}'s container needs a driver {accepted} ({accepted.source})"
