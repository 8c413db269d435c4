"""What evidence must not tell: each kind of identity is taken out, and what looks like one and is none stays."""

from __future__ import annotations

import pytest

from inf2lab.prove.scrubber import PATTERNS, Scrubber, find_identities

TOLD = {
    "key": "AKIAIOSFODNN7EXAMPLE",
    "token": "hf_" + "aB3" * 12,
    "e-mail": "somebody@example.org",
    "arn": "arn:aws:iam::123456789012:role/inf2lab/x",
    "host": "ip-10-0-3-7.us-east-2.compute.internal",
    "id": "i-0abc123def4567890",
    "uuid": "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f",
    "hardware address": "06:1f:aa:bb:cc:dd",
    "address": "52.14.3.201",
    "account": "123456789012",
    "secret": "ab12" * 12,
}
KEPT = [
    "http://127.0.0.1:8080/predictions/opt1b3",
    "torch-neuronx 1.13.1.1.12.0",
    "deepjavalibrary/djl-serving@sha256:" + "0a" * 32,
    "a load of 12853473280 parameters at 12:35:07",
    "us-east-2 inf2.xlarge 0.25.0-pytorch-inf2",
    "6.17.0-1009-aws",
]


def test_each_kind_has_an_example() -> None:
    assert set(TOLD) == set(PATTERNS)


@pytest.mark.parametrize("kind", TOLD)
def test_an_identity_is_replaced_by_its_kind_wherever_it_stands(kind: str) -> None:
    text = f"seen {TOLD[kind]} here"
    assert find_identities([{"a": text}]) == {kind}
    clean = Scrubber.of(()).scrub({"seen": [text, ("x", text)]})
    assert clean == {"seen": [f"seen <{kind}> here", ["x", f"seen <{kind}> here"]]}
    assert find_identities(clean) == set()


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_identity_stays(text: str) -> None:
    assert Scrubber.of(()).scrub(text) == text


def test_a_version_of_four_numbers_stays_where_it_was_read_as_one() -> None:
    scrubber = Scrubber.of((), kept=["2.25.4.0"])
    assert scrubber.scrub("driver 2.25.4.0 at 10.0.0.1") == "driver 2.25.4.0 at <address>"
    assert find_identities("2.25.4.0") == {"address"}
    assert find_identities("2.25.4.0", kept=["2.25.4.0"]) == set()


def test_known_words_go_whatever_they_look_like_and_numbers_stay() -> None:
    scrubber = Scrubber.of(["moon", "moonlight", ""])
    assert scrubber.scrub({"text": "by moonlight, moon", "bytes": 123456789012}) == {
        "text": "by <removed>, <removed>",
        "bytes": 123456789012,
    }
