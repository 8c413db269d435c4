"""inf2lab prove: without an account it shows the plan and its price and asks nobody; what it refuses, and its codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from inf2lab import aws, catalog
from inf2lab.cli import app

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Proving


def run(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, ["prove", *words])


def test_the_plan_names_steps_price_and_end_and_asks_nobody() -> None:
    result = run()
    assert result.exit_code == 0, result.output
    for said in ("prove djl-0.25 on inf2.xlarge", "USD as planned", "5  OPT-1.3B loads", "nothing was sent"):
        assert said in result.stdout


@pytest.mark.parametrize("profile", catalog.profiles())
def test_every_profile_can_be_planned(profile: str) -> None:
    result = run("--profile", profile)
    assert result.exit_code == 0, result.output
    assert catalog.profile(profile).image in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--confirm",), "use --lane inf2 to spend money"),
        (("--max-usd", "0.1"), "max_usd=0.1"),
        (("--max-minutes", "5"), "max_minutes=5"),
        (("--region", "us-west-1"), "not offered"),
    ],
)
def test_what_it_refuses_is_one_sentence_and_code_2(words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert said in result.stderr


def test_a_step_that_fails_is_code_1_with_nothing_left(
    proving: Proving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proving.exchange(gone=True)
    here = proving.cloud
    monkeypatch.setattr(aws, "connect", lambda settings, *, region: here)
    result = run("--lane", "inf2", "--confirm", "--out", str(tmp_path / "out"))
    assert result.exit_code == 1, result.output
    assert "a sweep finds nothing left" in result.stdout
    assert len(list((tmp_path / "out").glob("*.json"))) == 1
    assert proving.left() == []
