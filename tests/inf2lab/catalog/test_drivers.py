"""inf2lab.catalog's drivers: which of a host's go with the runtime in an image, in both directions."""

from __future__ import annotations

import pytest

from inf2lab import catalog
from inf2lab.catalog.facts import parse_version
from inf2lab.errors import SettingsError

PROFILES = catalog.profiles()
# aws-neuronx-runtime-lib in install_inferentia2.sh of each release; 0.21 leaves it open.
RUNTIMES = {22: "2.12.16", 23: "2.14", 24: "2.17", 25: "2.18", 26: "2.19.5", 27: "2.20.22", 28: "2.20.22"} | {
    29: "2.21.41",
    **dict.fromkeys((30, 31), "2.22.14"),
    **dict.fromkeys((32, 33, 34), "2.23.112"),
}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_no_image_of_this_stack_goes_with_the_driver_of_the_newest_machine_image(profile: catalog.Profile) -> None:
    """Driver 2.29 and later refuse a runtime before 2.33: the newest base image is the wrong host for every profile."""
    accepted = catalog.accepted_drivers(profile.runtime)
    newest = next(iter(catalog.driver_facts().releases.values())).driver
    assert accepted.below == "2.29"
    assert accepted.is_too_new(newest)
    assert not accepted.accepts(newest)
    assert accepted.accepts("2.25.4.0-8a6fdf292607dccc3b7059ebbe2fb24c60dfc7c4")
    assert "nrt_init() fails" in accepted.source


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_the_runtime_is_the_one_that_the_image_s_script_installs(profile: catalog.Profile) -> None:
    assert profile.runtime == RUNTIMES.get(profile.version[1], "2.11")


def test_the_default_profile_s_drivers_begin_with_its_own_sdk_s() -> None:
    accepted = catalog.accepted_drivers(PROFILES["djl-0.25"].runtime)
    assert str(accepted) == "2.14.5.0 or later, below 2.29"
    assert not accepted.accepts("2.13.4.0")
    assert not accepted.is_too_new("2.13.4.0")
    assert [accepted.accepts(driver) for driver in ("2.14.5.0", "2.28.0.0", "2.29.0.0", "2.31.7.0")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_successor_s_image_needs_the_opposite_host() -> None:
    """An instance that is pinned for this tutorial is the wrong host for AWS's newer images, and the reverse."""
    successor = catalog.accepted_drivers("2.33.10")
    assert (successor.least, successor.below) == ("2.29.0.0", "")
    assert not successor.accepts("2.25.4.0")
    assert catalog.accepted_drivers("2.32.31").least == "2.28.0.0"


@pytest.mark.parametrize(
    ("runtime", "refused", "unsaid"),
    [("2.30.51", ["2.29.0.0"], ["2.25.4.0"]), ("2.32.31", ["2.26.10.0", "2.29.0.0"], ["2.27.4.0"])],
)
def test_what_a_release_note_refuses_is_told_from_what_nobody_says(
    runtime: str, refused: list[str], unsaid: list[str]
) -> None:
    accepted = catalog.accepted_drivers(runtime)
    assert not any(accepted.accepts(driver) for driver in (*refused, *unsaid))
    assert [accepted.refuses(driver) for driver in (*refused, *unsaid)] == [True] * len(refused) + [False]


@pytest.mark.parametrize("row", catalog.successor_images(), ids=lambda row: row.tag)
def test_the_tag_of_a_successor_s_image_names_its_sdk(row: catalog.SuccessorImage) -> None:
    release = catalog.release_in_tag(row.name)
    assert (release.sdk if release else "") == row.sdk


def test_the_releases_are_in_order_and_the_newest_is_first() -> None:
    releases = list(catalog.driver_facts().releases.values())
    assert [row.sdk for row in releases] == sorted((row.sdk for row in releases), key=parse_version, reverse=True)
    drivers = [parse_version(row.driver) for row in releases]
    assert drivers == sorted(drivers, reverse=True)


def test_an_unknown_runtime_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"2\.36.*known are 2\.35\.30, 2\.34\.10\.0"):
        catalog.accepted_drivers("2.36")
