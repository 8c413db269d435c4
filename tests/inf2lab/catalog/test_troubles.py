"""inf2lab.catalog's table of troubles: each row has all its parts, and a pattern that finds the row's own words."""

from __future__ import annotations

import re

import pytest

from inf2lab import catalog
from inf2lab.catalog.facts import Trouble
from inf2lab.catalog.rows import files_in, read_file
from inf2lab.drills import DRILLS
from inf2lab.errors import SettingsError


def refusal(runtime: int, driver: str) -> str:
    """What nrt_init says of a runtime's id and a driver's range, as aws-neuron-sdk's issue 655 quotes it."""
    return (
        f"ERROR NRT:nrt_init This Neuron Runtime (compatibility id: {runtime}) is not compatible with the installed "
        "aws-neuron-dkms package.\n2023-Apr-21 11:17:54.0589 8816:8816 ERROR NRT:nrt_init "
        f"Installed aws-neuron-dkms supports Runtime compatibility id range: {driver}.\n"
    )


ROWS = list(catalog.troubles().values())


def is_whole(row: Trouble) -> bool:
    """Tell whether a row has all its parts."""
    said = all(len(text) > 2 for text in (row.symptom, row.cause, row.fix, row.source))
    known = row.level in ("cause", "consequence", "wrapper", "harmless")
    return said and known and re.fullmatch(r"[a-z0-9-]+", row.id) is not None


def test_a_row_says_symptom_cause_fix_and_source() -> None:
    assert [row for row in ROWS if not is_whole(row)] == []


def test_a_pattern_finds_the_rows_own_line_by_its_words() -> None:
    rows = [row for row in ROWS if row.pattern]
    unfound = [row.id for row in rows if not any(re.search(row.pattern, line) for line in row.line.splitlines())]
    assert unfound == []
    assert [row.id for row in rows if "(?i)" in row.pattern] == []


def test_an_id_is_given_once_and_what_a_row_replaces_is_there() -> None:
    given = [row["id"] for name in files_in("troubles") for row in read_file(name)["rows"]]
    assert sorted(given) == sorted(set(given))
    assert {name for row in ROWS for name in row.replaces} <= {*given, *DRILLS}


def test_a_log_leads_to_its_row_and_a_clean_one_to_none() -> None:
    found = catalog.recognise("INFO  one line\nOSError: [Errno 28] No space left on device\n")
    assert found == catalog.trouble("disk-full")
    assert catalog.recognise("INFO  PyProcess Model [opt13b] initialized.") is None


@pytest.mark.parametrize(
    ("driver", "row"), [("2 - 4", "driver-too-old"), ("7 - 9", "driver-too-new"), ("10 - 12", "driver-too-new")]
)
def test_the_runtimes_own_words_tell_a_driver_too_old_from_one_too_new(driver: str, row: str) -> None:
    """The pattern missed the real message, and updating a driver that is too new makes it worse."""
    found = catalog.recognise(refusal(6, driver))
    assert found == catalog.trouble(row)


def test_no_advice_on_a_driver_asks_for_the_newest_there_is() -> None:
    for row in (catalog.trouble("driver-too-old"), catalog.trouble("driver-too-new")):
        assert not re.search(r"Update the driver|to the latest|upgrade to", row.fix)
    assert "makes it worse" in catalog.trouble("driver-too-new").fix


def test_the_stack_is_covered_by_component_and_an_unknown_row_is_refused_with_the_names() -> None:
    assert len(ROWS) > 200
    assert len({row.component for row in ROWS}) == len(files_in("troubles")) == 15
    assert catalog.trouble("disk-full").symptom.startswith("no space left")
    with pytest.raises(SettingsError, match="not in the catalog; use one of "):
        catalog.trouble("nothing")
