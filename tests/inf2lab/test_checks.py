"""inf2lab.checks: PASS, FAIL with the hint, and failures that a notebook expects."""

from __future__ import annotations

import pytest

from inf2lab import check, expect_failure
from inf2lab.checks import CheckFailed, wrap
from inf2lab.errors import LabError, SettingsError


def test_a_claim_that_holds_prints_pass(capsys: pytest.CaptureFixture[str]) -> None:
    check("two texts came back", True, hint="look at the log")
    assert capsys.readouterr().out == "PASS  two texts came back\n"


def test_a_claim_that_does_not_hold_prints_the_hint_and_stops_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CheckFailed, match="two texts came back: look at the log"):
        check("two texts came back", False, hint="look at the log")
    assert capsys.readouterr().out == "FAIL  two texts came back\n      look at the log\n"


def test_an_expected_failure_is_printed_and_the_run_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with expect_failure(SettingsError, about="24"):
        raise SettingsError("tensor_parallel_degree", 24, "40 heads")
    assert capsys.readouterr().out == "SettingsError: tensor_parallel_degree=24: 40 heads\n"


def test_a_failure_of_a_subclass_counts_and_shows_its_own_name(capsys: pytest.CaptureFixture[str]) -> None:
    with expect_failure(LabError, about=""):
        raise SettingsError("port", 0, "")
    assert capsys.readouterr().out.startswith("SettingsError: ")


def test_a_failure_without_a_message_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with expect_failure(StopIteration, about=""):
        raise StopIteration
    assert capsys.readouterr().out == "StopIteration: (no message)\n"


def test_a_failure_about_something_else_is_an_error_with_its_cause() -> None:
    said = pytest.raises(CheckFailed, match="about 'heads', and it says: port=0")
    with said as caught, expect_failure(SettingsError, about="heads"):
        raise SettingsError("port", 0, "must be 1 or more")
    assert isinstance(caught.value.__cause__, SettingsError)


def test_a_block_that_succeeds_is_an_error() -> None:
    said = pytest.raises(CheckFailed, match="expected a SettingsError about 'heads', and nothing was raised")
    with said, expect_failure(SettingsError, about="heads"):
        pass


def test_a_failure_of_another_kind_comes_through() -> None:
    with pytest.raises(ZeroDivisionError), expect_failure(SettingsError, about=""):
        _ = 1 / 0


def test_a_long_message_is_broken_between_words_and_its_lines_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    words = " ".join(["nrt_tensor_allocate"] * 9)
    with expect_failure(LabError, about=""):
        raise LabError(f'{words}\n{{\n  "code": 404\n}}')
    *first, brace, code, end = capsys.readouterr().out.splitlines()
    assert (brace, code, end) == ("{", '  "code": 404', "}")
    assert len(first) == 2
    assert max(map(len, first)) <= 100
    assert " ".join(first) == f"LabError: {words}"


def test_what_is_broken_off_a_line_may_stand_further_in() -> None:
    assert (
        wrap("fix:   " + "raise it " * 14, indent="  ", hanging=" " * 7).splitlines()[1].startswith(" " * 9 + "raise")
    )


def test_what_is_broken_off_an_indented_line_does_not_stand_at_the_page_s_edge() -> None:
    first, below = wrap(" " * 17 + "nobody has published it " * 4).splitlines()
    assert first.startswith(" " * 17 + "nobody")
    assert below.startswith(" " * 17 + "published")
