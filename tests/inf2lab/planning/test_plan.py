"""inf2lab.planning.plan: degrees, memory a core, copies and their devices, against the facts of the article's case."""

from __future__ import annotations

import pytest

from inf2lab import Settings, plan
from inf2lab.planning import Plan
from neuron_rules import GIB, Fit


def verdicts(made: Plan) -> dict[int, bool]:
    return {check.degree: check.ok for check in made.degrees}


def test_the_articles_case_fits_and_fills_the_instance_with_twelve_copies() -> None:
    made = plan(Settings())
    assert made.verdict.fit is not Fit.DOES_NOT_FIT
    assert made.memory.total / GIB == pytest.approx(13.53, abs=0.02)  # known to run: facebook-opt-13b sample
    assert len(made.copies) == 12
    assert made.idle_cores == 0


def test_batch_3_at_degree_2_does_not_fit() -> None:
    made = plan(Settings(batch_size=3))
    assert made.verdict.fit is Fit.DOES_NOT_FIT
    assert "higher degree" in made.verdict.text


def test_degree_8_divides_the_instance_into_three_copies_of_four_devices() -> None:
    made = plan(Settings(tensor_parallel_degree=8))
    assert [copy.cores for copy in made.copies] == [range(8), range(8, 16), range(16, 24)]
    assert [copy.devices for copy in made.copies] == [range(4), range(4, 8), range(8, 12)]
    assert made.idle_cores == 0


def test_degree_8_leaves_four_cores_of_an_inf2_24xlarge_idle() -> None:
    made = plan(Settings(instance="inf2.24xlarge", tensor_parallel_degree=8))
    assert [copy.devices for copy in made.copies] == [range(4)]
    assert made.idle_cores == 4


def test_two_copies_of_degree_1_share_one_device() -> None:
    made = plan(Settings(instance="inf2.xlarge", tensor_parallel_degree=1, model_id="facebook/opt-1.3b"))
    assert [copy.devices for copy in made.copies] == [range(1), range(1)]


@pytest.mark.parametrize("degree", [1, 2, 4, 8, 12, 24])
@pytest.mark.parametrize("instance", ["inf2.48xlarge", "inf2.24xlarge"])
def test_no_core_belongs_to_two_copies_and_every_core_is_counted(instance: str, degree: int) -> None:
    settings = Settings(instance="inf2.48xlarge", tensor_parallel_degree=degree)
    if degree <= 12:
        settings = Settings(instance=instance, tensor_parallel_degree=degree)
    made = plan(settings)
    used = [core for copy in made.copies for core in copy.cores]
    assert len(used) == len(set(used))
    assert len(used) + made.idle_cores == settings.hardware.cores
    assert all(core < settings.hardware.cores for core in used)


def test_degree_24_is_legal_only_where_heads_are_padded() -> None:
    assert verdicts(plan(Settings(profile="seed-0.21")))[24] is False
    assert verdicts(plan(Settings(profile="djl-0.25")))[24] is True


def test_a_verdict_on_each_degree_asked_for_with_its_reasons() -> None:
    made = plan(Settings(profile="seed-0.21"), degrees=(2, 3, 12, 32))
    assert verdicts(made) == {2: True, 3: False, 12: False, 32: False}
    rules = {check.degree: {reason.rule for reason in check.reasons} for check in made.degrees}
    assert rules == {2: set(), 3: {"degree", "heads"}, 12: {"degree", "heads"}, 32: {"cores", "degree", "heads"}}


def test_padding_is_counted_at_degree_24() -> None:
    assert plan(Settings(tensor_parallel_degree=24)).memory.padding > 0
    assert plan(Settings(tensor_parallel_degree=8)).memory.padding == 0


def test_half_the_positions_need_half_the_cache() -> None:
    long, short = plan(Settings(n_positions=2048)), plan(Settings(n_positions=1024))
    assert long.memory.kv_cache == 2 * short.memory.kv_cache
    assert long.memory.weights == short.memory.weights


def test_a_fit_that_other_software_showed_is_called_tight_and_not_shown() -> None:
    """Degree 2 with batch 2 said *fits*, and no run of it is known with the profile's own SDK."""
    (found,) = [text for text in plan(Settings()).warnings if text.startswith("tight, not shown")]
    assert "13.5 of 16 GiB a core" in found
    assert "in 2023-10 the sample moved to batch 1 at degree 8" in found
    assert not any("tight" in text for text in plan(Settings(tensor_parallel_degree=8)).warnings)


@pytest.mark.parametrize(("copies", "share"), [(1, 12), (3, 4), (12, 1)])
def test_the_price_is_that_of_the_copies_that_are_started(copies: int, share: int) -> None:
    """A million tokens had the price of twelve busy copies, and one device starts one."""
    made = plan(Settings(copies=copies))
    assert made.started_usd is not None
    assert made.started_usd.mid == pytest.approx(share * made.service.usd_per_million_tokens.mid)
    assert (f"with {copies} of 12 copies started" in str(made)) == (copies < 12)
