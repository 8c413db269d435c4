"""inf2lab.planning's loading time: bounds by size, disk and programs, and what is waited for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inf2lab import Settings, catalog
from inf2lab.folder import ARTICLE as ARTICLE_FILES
from inf2lab.planning import loading, planned_pace, request_of

if TYPE_CHECKING:
    from .conftest import PlanOf

ARTICLE = request_of(Settings())


@pytest.mark.parametrize("warm", [False, True])
def test_what_is_allowed_is_more_than_the_slowest_load_of_opt_13b(warm: bool) -> None:
    """1200 s were allowed for 26 GB to fetch, split and compile five times."""
    found = loading(ARTICLE, warm=warm)
    assert found.allow_s == (3600 if warm else 7200)
    assert 1200 < 2 * found.seconds.high < found.allow_s


def test_the_article_itself_allows_as_much_as_a_first_load_is_given() -> None:
    assert f"MODEL_LOADING_TIMEOUT={catalog.loading_facts().first_load_s}" in ARTICLE_FILES["built-in"]["run.sh"]
    assert f"PREDICT_TIMEOUT={catalog.loading_facts().predict_s}" in ARTICLE_FILES["built-in"]["run.sh"]


def test_a_slow_disk_is_seen_in_the_bounds() -> None:
    slow, fast = loading(ARTICLE, disk_mib_per_s=125), loading(ARTICLE, disk_mib_per_s=500)
    assert slow.seconds.low > fast.seconds.low
    assert slow.steps["disk"].low == pytest.approx(4 * fast.steps["disk"].low)


def test_the_plan_says_how_long_and_how_sure(plan_of: PlanOf) -> None:
    assert "7 to 55 minutes the first time, 3 to 14 minutes with" in str(plan_of())
    assert "nobody has published it; 7200 s are allowed" in str(plan_of())


def test_a_model_that_may_outlast_the_allowance_is_named(plan_of: PlanOf) -> None:
    assert "7200 s may be too short" in str(plan_of("opt-66b", tensor_parallel_degree=24))


def test_the_slow_case_of_the_articles_answer_is_within_the_servers_patience(plan_of: PlanOf) -> None:
    """240 s left no room above the planner's slow case, and passing them costs a reload."""
    made = plan_of(batch_size=2, input_tokens=9, output_tokens=2039)
    assert 200 < planned_pace(made, slow=True).seconds < catalog.loading_facts().predict_s
    assert not any("predict_timeout" in warning for warning in made.warnings)


def test_an_answer_that_may_outlast_the_server_is_named(plan_of: PlanOf) -> None:
    made = plan_of("opt-30b", input_tokens=9, output_tokens=2039)
    assert any("after 360 s the server ends the worker" in warning for warning in made.warnings)
