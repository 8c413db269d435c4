"""inf2lab.catalog's profiles and options: every release from 0.21 to 0.34, as the sources say."""

from __future__ import annotations

import re

import pytest

from inf2lab import catalog
from inf2lab.catalog.facts import parse_version
from neuron_rules import GENERATIONS

PROFILES = catalog.profiles()
OPTIONS = catalog.options().options
HYPHEN, UNDERSCORE = "djl_python.transformers-neuronx", "djl_python.transformers_neuronx"
# Release: entry point, dtypes, default dtype, seconds to load and to answer (facts on DJLServing, sections 1, 2, 8).
HANDLERS = {
    21: ("djl_python.transformer-neuronx", 2, "fp32", 240, 120),
    22: (HYPHEN, 2, "fp32", 1200, 240),
    23: (HYPHEN, 2, "fp32", 1200, 240),
    24: (UNDERSCORE, 3, "fp32", 1200, 240),
    25: (UNDERSCORE, 3, "fp32", 1200, 240),
} | dict.fromkeys(range(26, 35), (UNDERSCORE, 3, "fp16", 1200, 240))
SAGEMAKER = {
    22: "2.10.0",
    23: "2.12.0",
    24: "2.14.1",
    25: "2.15.0",
    26: "2.16.0",
    27: "2.18.1",
    28: "2.18.2",
    29: "2.19.1",
    30: "2.20.1",
}
FAMILIES = {21: 2, 22: 3, 23: 3, 24: 6, 25: 6, 26: 7} | dict.fromkeys(range(27, 35), 8)
# How many options the handler of a release reads: *properties.py in properties_manager of its tag.
HANDLER_OPTIONS = {21: 6, 22: 7, 23: 8, 24: 15, 25: 20, 26: 26, 27: 33, 28: 43, 29: 46, 30: 52, 31: 60} | dict.fromkeys(
    range(32, 35), 62
)


def minor(name: str) -> int:
    return PROFILES[name].version[1]


def test_every_release_with_neuron_has_one_profile() -> None:
    assert [minor(name) for name in PROFILES] == list(range(21, 35))


@pytest.mark.parametrize("name", PROFILES)
def test_the_handler_of_a_release(name: str) -> None:
    entry = PROFILES[name]
    found = (
        entry.entry_point,
        len(entry.handler_dtypes),
        entry.handler_default_dtype,
        entry.loading_timeout_s,
        entry.predict_timeout_s,
    )
    assert found == HANDLERS[minor(name)]
    assert len(entry.architectures) == FAMILIES[minor(name)]
    assert entry.automatic_handler is (minor(name) > 21)
    assert entry.handler_default_dtype == OPTIONS["dtype"].default_in(entry.version)


@pytest.mark.parametrize("name", PROFILES)
def test_the_images_of_a_release(name: str) -> None:
    entry = PROFILES[name]
    assert entry.image == f"deepjavalibrary/djl-serving:{entry.djl}-pytorch-inf2"
    sdk = SAGEMAKER.get(minor(name))
    assert entry.sagemaker_tag == (f"{entry.djl}-neuronx-sdk{sdk}" if sdk else None)
    if sdk:
        assert entry.sdk == sdk
    assert entry.python == ("3.8" if minor(name) < 26 else "3.9" if minor(name) < 28 else "3.10")
    assert entry.java.split()[-1] == ("11" if minor(name) < 26 else "17")


@pytest.mark.parametrize("name", PROFILES)
def test_where_an_image_sends_downloads_against_hf_home(name: str) -> None:
    """ENV of serving/docker/pytorch-inf2.Dockerfile: none in 0.21, HF_HOME itself from 0.27 on."""
    older = ("HUGGINGFACE_HUB_CACHE",) if 22 <= minor(name) < 27 else ()
    newer = ("TRANSFORMERS_CACHE",) if minor(name) > 21 else ()
    assert PROFILES[name].cache_variables == older + newer


@pytest.mark.parametrize("name", PROFILES)
def test_requests_and_errors(name: str) -> None:
    entry = PROFILES[name]
    assert entry.request.prompts == "inputs"
    assert entry.request.exact_batch is (minor(name) < 24)
    assert entry.error_codes["handler_exception"] == 424
    measured = entry.error_codes["timeout"] is not None
    assert measured is (minor(name) in (21, 25, 30))
    assert entry.degree_rules in GENERATIONS
    assert entry.degree_rules == ("0.2" if minor(name) < 24 else "0.8")  # heads padded from 0.5.58 on


def test_the_length_of_a_request_has_another_name_in_each_generation() -> None:
    first = {minor(name): PROFILES[name].request.length[0] for name in PROFILES}
    assert (first[21], first[22], first[25]) == ("seq_length", "parameters.max_length", "parameters.max_new_tokens")
    assert PROFILES["seed-0.21"].request.default_length == 50


@pytest.mark.parametrize("name", PROFILES)
def test_options_of_a_release(name: str) -> None:
    release = PROFILES[name].version
    read = [o for o in OPTIONS.values() if o.reader != "server" and o.known_in(release)]
    assert len(read) == HANDLER_OPTIONS[minor(name)]


def test_an_option_is_complete() -> None:
    for name, option in OPTIONS.items():
        assert option.reader in ("handler", "server", "both"), name
        assert option.kind in ("int", "bool", "choice", "degree", "dtype", "list", "text"), name
        since = parse_version(option.since)
        assert any(since == profile.version for profile in PROFILES.values()), name
        assert all(parse_version(later) >= since for later in (*option.defaults, *option.choices)), name
        assert (option.kind == "choice") is bool(option.choices), name
        assert re.fullmatch(r"[^.].{8,}[^.]", option.meaning), name


@pytest.mark.parametrize(
    ("name", "release", "default"),
    [
        ("n_positions", (0, 21, 0), "128"),
        ("n_positions", (0, 29, 0), "128"),
        ("n_positions", (0, 30, 0), None),
        ("rolling_batch", (0, 31, 0), "disable"),
        ("rolling_batch", (0, 32, 0), "auto"),
        ("rolling_batch", (0, 23, 0), None),
        ("max_rolling_batch_size", (0, 24, 0), None),
        ("max_rolling_batch_size", (0, 25, 0), "32"),
        ("speculative_length", (0, 28, 0), "5"),
    ],
)
def test_defaults_change_with_the_release(name: str, release: tuple[int, ...], default: str | None) -> None:
    assert OPTIONS[name].default_in(release) == default


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("0.26.0", "djl-0.26"),
        ("djl-0.22.1", "djl-0.22"),
        ("djl-0.30", "lmi-0.30"),
        ("djl-0.21", "seed-0.21"),
        ("0.25", "djl-0.25"),
    ],
)
def test_a_release_is_found_under_every_spelling(asked: str, name: str) -> None:
    assert catalog.profile(asked).name == name


@pytest.mark.parametrize(
    ("name", "removed"), [("djl-0.35", True), ("0.36.0", True), ("1.0", True), ("djl-0.34", False), ("latest", False)]
)
def test_neuron_was_removed_in_0_35(name: str, removed: bool) -> None:
    assert catalog.neuron_removed(name) is removed
