"""The exercises by name, each with its judge."""

from collections.abc import Mapping
from typing import Any

from inf2lab.checks import check
from inf2lab.errors import LabError
from inf2lab.grading.judges import (
    client,
    fleet,
    handler,
    loads,
    measurement,
    price,
    project,
    properties_file,
    split,
    trouble,
)
from inf2lab.grading.points import Judge, judged

EXERCISES: Mapping[str, Judge] = {
    "01_instance": price.judge,
    "02_plan": split.judge,
    "03_serving_properties": properties_file.judge,
    "04_model_py": handler.judge,
    "05_serve": loads.judge,
    "06_call": client.judge,
    "07_measure": measurement.judge,
    "08_break_it": trouble.judge,
    "09_scale_out": fleet.judge,
    "10_where_next": project.judge,
}


def check_exercise(name: str, names: Mapping[str, Any]) -> None:
    """Print PASS for each claim about the answers among `names`; the first that fails prints FAIL and stops."""
    if name not in EXERCISES:
        raise LabError(f"no exercise is called {name!r}: take one of {', '.join(EXERCISES)}")
    for result in judged(EXERCISES[name], names):
        check(result.claim, result.holds, hint=result.hint)
