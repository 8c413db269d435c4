"""Where each claim about the chip stands: the table is what data and evidence say, and a file moves a claim."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import write_claims
from inf2lab import catalog
from inf2lab.errors import LabError
from inf2lab.prove import Evidence, Outcome, all_evidence, evidence_folder, find_identities, read_evidence, standings
from inf2lab.prove.evidence import Shown, write_evidence
from inf2lab.prove.standing import BASES
from inf2lab.prove.steps import CLEAN_UP, LAUNCH, STEPS

ROOT = Path(__file__).resolve().parents[3]
ALL = [LAUNCH, *STEPS, CLEAN_UP]


def evidence(day: str = "2026-12-01", **outcomes: Outcome) -> Evidence:
    """A proof whose steps passed, but for the named ones."""
    steps = tuple(Shown(step.name, step.asks, outcomes.get(step.name, Outcome.PASSED)) for step in ALL)
    return Evidence(
        day, "djl-0.25", "inf2.xlarge", "us-east-2", "facebook/opt-1.3b", "image", "machine", 20, 0.3, steps=steps
    )


def status_of(name: str, files: dict[str, Evidence]) -> tuple[str, str]:
    """How a claim stands, and by what."""
    place = [row.id for row in catalog.claims()].index(name)
    found = standings(files)[place]
    return found.status, found.by


@pytest.mark.parametrize("row", catalog.claims(), ids=lambda row: row.id)
def test_a_claim_names_its_basis_its_places_and_a_step_that_there_is(row: catalog.Claim) -> None:
    assert row.basis in BASES
    assert row.step in {"", *(step.name for step in ALL)}
    assert [name for name in row.said_in if not (ROOT / name).is_file()] == []


def test_each_step_of_a_proof_shows_a_claim() -> None:
    shown = {row.step for row in catalog.claims()}
    assert {step.name for step in ALL} - shown == {"driver"}  # it notes versions; nrt_init is the judge


def test_without_evidence_a_claim_stands_on_its_source() -> None:
    assert status_of("loads", {})[0] == "reasoned"
    status, by = status_of("driver-goes-with-runtime", {})
    assert status == "documented by AWS"
    assert "runtime.rst" in by


def test_a_file_of_evidence_moves_a_claim_and_the_newest_decides() -> None:
    assert status_of("loads", {"a.json": evidence()}) == ("proven", "a.json")
    later = evidence("2026-12-02", load=Outcome.FAILED)
    assert status_of("loads", {"a.json": evidence(), "b.json": later}) == ("contradicted", "b.json")
    assert status_of("prices", {"a.json": evidence()})[0] == "documented by AWS"


@pytest.mark.parametrize("outcome", [Outcome.STOPPED, Outcome.NOT_REACHED])
def test_a_step_without_a_verdict_moves_nothing(outcome: Outcome) -> None:
    assert status_of("loads", {"a.json": evidence(load=outcome)})[0] == "reasoned"


def test_a_sweep_after_a_launch_that_failed_shows_nothing() -> None:
    assert status_of("nothing-left", {"a.json": evidence()})[0] == "proven"
    assert status_of("nothing-left", {"a.json": evidence(launch=Outcome.STOPPED)})[0] == "reasoned"


def test_a_proof_of_another_profile_moves_nothing() -> None:
    assert status_of("loads", {"a.json": replace(evidence(), profile="djl-0.26")})[0] == "reasoned"


def test_the_pages_are_what_data_and_evidence_say() -> None:
    files = all_evidence(write_claims.EVIDENCE)
    assert write_claims.PAGE.read_text() == write_claims.page(files), "run tools/pages/write_claims.py"
    readme = write_claims.README.read_text()
    assert readme == write_claims.readme(readme, files), "run tools/pages/write_claims.py"
    assert all(row.claim in readme for row in catalog.claims())
    for path, text in write_claims.notebooks(files).items():
        assert path.read_text() == text, f"{path.name}: run tools/pages/write_claims.py"


def test_the_tables_link_a_proof() -> None:
    files = {"a.json": evidence()}
    assert "| proven | [a.json](evidence/a.json) |" in write_claims.page(files)
    assert "(proven)." in write_claims.notebooks(files)[ROOT / "notebooks" / "source" / "06_call.py"]
    marks = f"{write_claims.BEGIN}\n{write_claims.END}"
    assert "| proven by [a.json](docs/evidence/a.json) |" in write_claims.readme(marks, files)


def test_every_committed_proof_can_be_read_and_names_nobody() -> None:
    for path in write_claims.EVIDENCE.glob("*.json"):
        kept = read_evidence(path).versions
        assert find_identities(json.loads(path.read_text()), kept=kept) == set(), path.name


def test_what_a_proof_writes_is_what_is_read_and_replaces_no_other(tmp_path: Path) -> None:
    names = [write_evidence(evidence(), tmp_path).name for _ in range(2)]
    assert names == ["2026-12-01-djl-0.25-inf2.xlarge.json", "2026-12-01-djl-0.25-inf2.xlarge-2.json"]
    assert all_evidence(tmp_path) == dict.fromkeys(sorted(names), evidence())
    assert evidence_folder() == ROOT / "docs" / "evidence"


@pytest.mark.parametrize(
    ("text", "said"),
    [("[", "is no evidence"), ("{}", "is no evidence"), ('{"schema": 9}', "schema 9, and this release reads 1")],
)
def test_a_file_that_is_no_evidence_says_so(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(LabError, match=said):
        read_evidence(path)
