"""What the planner's tests share: a plan by name, with the choices of the article unless others are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from inf2lab.planning import Plan, Request, plan_for
from inf2lab.planning.request import request_for

ARTICLE = {"tensor_parallel_degree": 2, "batch_size": 2, "n_positions": 2048}

PlanOf = Callable[..., Plan]
RequestOf = Callable[..., Request]


@pytest.fixture
def plan_of() -> PlanOf:
    """plan_of("opt-13b", batch_size=3): a plan of the article's setting with changes."""

    def make(model: str = "opt-13b", **choices: Any) -> Plan:
        return plan_for(model, **(ARTICLE | choices))

    return make


@pytest.fixture
def request_of() -> RequestOf:
    """request_of("opt-13b", batch_size=3): the request alone."""

    def make(model: str = "opt-13b", **choices: Any) -> Request:
        return request_for(model, **(ARTICLE | choices))

    return make
