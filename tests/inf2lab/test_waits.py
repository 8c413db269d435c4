"""inf2lab.waits: a line now and then, for as long as something takes and no longer."""

from __future__ import annotations

import threading

import pytest

from inf2lab.waits import told


def test_a_long_wait_says_now_and_then_what_it_waits_for() -> None:
    """Silence looks like a program that hangs."""
    said: list[str] = []
    thrice = threading.Event()

    def report(line: str) -> None:
        said.append(line)
        if len(said) == 3:
            thrice.set()

    with told(report, lambda: f"{len(said)} layers are here", every_s=0.001):
        assert thrice.wait(60)
    after = len(said)
    assert [line.partition("s  still ")[2] for line in said[:3]] == [f"{count} layers are here" for count in range(3)]
    assert len(said) == after


def test_a_short_one_says_nothing_and_a_failure_ends_it() -> None:
    said: list[str] = []
    before = threading.active_count()
    with pytest.raises(ValueError, match="no room"), told(said.append, lambda: "copying"):
        raise ValueError("no room")
    assert said == []
    assert threading.active_count() == before
