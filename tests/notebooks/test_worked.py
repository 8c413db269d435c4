"""The worked solutions that stand in where a reader wrote nothing."""

from __future__ import annotations

import pytest

from inf2lab import ModelFolder, Settings, lint
from inf2lab.planning import plan_of
from notebook_files import NOTEBOOKS

ORDER = Settings(instance="inf2.xlarge", model_id="meta-llama/Llama-2-7b-hf", batch_size=4)
WORKED = ModelFolder(NOTEBOOKS / "worked" / "llama7b")


def test_the_worked_folder_loads_on_the_cores_and_one_warning_is_left_which_the_notebook_explains() -> None:
    found = {(finding.rule, str(finding.severity)) for finding in lint(WORKED.path, ORDER).findings}
    assert found == {("T006", "warning"), ("O003", "note")}
    made = plan_of(WORKED, ORDER)
    assert (made.problems, made.verdict.fit, len(made.copies)) == ((), "fits", 1)


def test_a_built_in_handler_is_not_told_to_change_its_code() -> None:
    """The fix named arguments of a call that stands in the container."""
    (warning,) = (finding for finding in lint(WORKED.path, ORDER).findings if finding.rule == "T006")
    assert "from_pretrained" not in warning.fix
    assert "option.load_split_model=true" in warning.fix


@pytest.mark.parametrize("instance", ["inf2.8xlarge", "inf2.48xlarge"])
def test_the_larger_instance_that_the_notebook_names_takes_it(instance: str) -> None:
    at = Settings(instance=instance, model_id=ORDER.model_id, batch_size=4)
    assert not [finding for finding in lint(WORKED.path, at).findings if finding.rule == "T006"]
