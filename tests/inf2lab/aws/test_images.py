"""The machine image: one whose driver goes with the container, or none; never the newest for being the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from inf2lab import Settings, aws, catalog
from tests.support import played_aws

if TYPE_CHECKING:
    from conftest import PlayedAws


def forget(*images: str, region: str = "us-east-2") -> None:
    """Take these images out of the played AWS."""
    from moto.ec2.models import ec2_backends

    for name in images:
        del ec2_backends[played_aws.ACCOUNT][region].amis[name]


def test_the_newest_base_image_is_passed_over_because_its_driver_refuses_the_container(played: PlayedAws) -> None:
    """SDK 2.32's driver 2.30 refuses runtime 2.18: nothing would load, at up to 13 dollars an hour."""
    image = aws.look_up_image(played.cloud())
    assert image.id == "ami-0ubuntu2026fit"
    assert image.name == "Deep Learning Base Neuron AMI (Ubuntu 24.04) 20260120"
    assert (image.release.sdk, image.release.driver) == ("2.27.1", "2.25.4.0")
    assert (image.root_device, image.user) == ("/dev/sda1", "ubuntu")
    assert "DescribeImages" in image.source
    assert "needs a driver 2.14.5.0 or later, below 2.29" in str(image)


def test_deprecated_images_are_asked_for_too(played: PlayedAws) -> None:
    """AWS hides an image two years after its making from who does not ask so."""
    asked: list[dict[str, Any]] = []
    played.session.events.register(
        "before-parameter-build.ec2.DescribeImages", lambda params, **event: asked.append(dict(params))
    )
    aws.look_up_image(played.cloud())
    (parameters,) = asked
    assert parameters["IncludeDeprecated"] is True
    assert parameters["Owners"] == ["amazon"]


def test_a_driver_below_2_28_is_preferred_and_the_last_that_fits_is_taken_before_none(played: PlayedAws) -> None:
    forget("ami-0ubuntu2026fit", "ami-0ubuntu2026old")
    assert aws.look_up_image(played.cloud()).release.driver == "2.28.0.0"
    ranked = [row.driver for row in catalog.fitting_releases(catalog.accepted_drivers("2.18"))]
    assert (ranked[0], ranked[-1]) == ("2.25.4.0", "2.28.0.0")


def test_where_no_image_fits_the_launch_ends_before_it_begins(played: PlayedAws) -> None:
    """The value, the rule and the remedy; and nothing is there that bills."""
    forget("ami-0ubuntu2026fit", "ami-0ubuntu2026old", "ami-0ubuntu2026may")
    with pytest.raises(aws.NoImage) as caught:
        aws.look_up_image(played.cloud())
    said = str(caught.value)
    assert "SDK 2.32.0 (driver 2.30.2.0)" in said
    assert "runtime 2.18 in djl-0.25's container needs a driver 2.14.5.0 or later, below 2.29" in said
    assert "image_id" in said
    assert "the newest image is no way out" in said
    assert played.left() == []


def test_no_image_at_all_says_so(played: PlayedAws) -> None:
    with pytest.raises(aws.NoImage, match=r"Ubuntu 24\.04.*eu-west-1: none at all"):
        aws.look_up_image(played.cloud("eu-west-1"))


def test_an_image_that_nobody_may_look_for_is_not_guessed(played: PlayedAws) -> None:
    played.fail("ec2.DescribeImages", "UnauthorizedOperation")
    with pytest.raises(aws.NotAllowed):
        aws.look_up_image(played.cloud())
    named = aws.look_up_image(played.cloud(), image_id="ami-0ubuntu2026old")
    assert (named.id, named.root_device, named.release) == ("ami-0ubuntu2026old", "/dev/sda1", None)
    assert "UnauthorizedOperation" in named.source
    assert "the first boot looks at it" in str(named)


def test_an_image_of_one_s_own_goes_before_but_not_with_a_driver_that_refuses(played: PlayedAws) -> None:
    image = aws.look_up_image(played.cloud(), image_id="ami-0ubuntu2026old")
    assert (image.id, image.source) == ("ami-0ubuntu2026old", "image_id")
    with pytest.raises(aws.NoImage, match=r"ami-0ubuntu2026new has SDK 2\.32\.0 \(driver 2\.30\.2\.0\)"):
        aws.look_up_image(played.cloud(), image_id="ami-0ubuntu2026new")


def test_another_family_has_another_root_device_and_user(played: PlayedAws) -> None:
    image = aws.look_up_image(played.cloud(), family="amazon-linux-2023")
    assert (image.id, image.root_device, image.user) == ("ami-0amazon2026fit", "/dev/xvda", "ec2-user")


def test_the_rehearsal_names_the_sdk_that_it_would_look_for(no_network: None) -> None:
    offline = aws.connect(Settings(), region="us-east-2")
    assert aws.look_up_image(offline).id == "ami-of-neuron-sdk-2.27.1"
    assert aws.look_up_image(offline, image_id="ami-1").id == "ami-1"
