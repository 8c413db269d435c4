"""inf2lab.widgets: the planner follows its sliders, and leaves a picture and words where nothing runs."""

from __future__ import annotations

import base64

import pytest

from inf2lab import Settings, plan
from inf2lab.pictures import Picture
from inf2lab.widgets import Planner, planner

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def shown() -> Planner:
    """The planner at the article's setting."""
    return planner(Settings())


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> Planner:
    """The same, whose pictures are described and not drawn: it is asked for its plan and its words."""
    monkeypatch.setattr(Picture, "to_png", lambda self: b"")
    return planner(Settings())


def test_it_starts_at_the_settings(unseen: Planner) -> None:
    found = (unseen.instance.value, unseen.degree.value, unseen.batch_size.value, unseen.n_positions.value)
    assert found == ("inf2.48xlarge", 2, 2, 2048)
    assert unseen.plan.memory == plan(Settings()).memory


def test_a_slider_changes_plan_and_picture(shown: Planner) -> None:
    before = shown.children[-1].value
    shown.batch_size.value = 3
    assert shown.plan.verdict.fit == "does not fit"
    assert shown.children[-1].value != before
    assert bytes(shown.children[-1].value).startswith(b"\x89PNG")
    shown.degree.value = 8
    assert shown.plan.verdict.fit == "fits"


def test_an_illegal_degree_is_judged_and_not_refused(unseen: Planner) -> None:
    unseen.degree.value = 3
    assert "is not supported by the Neuron runtime" in unseen.plan.problems[0]
    assert "degree: tensor parallel degree 3 is not supported" in repr(unseen._shown)


def test_a_smaller_instance_offers_its_own_degrees(unseen: Planner) -> None:
    unseen.degree.value = 24
    unseen.instance.value = "inf2.24xlarge"
    assert unseen.degree.options == (1, 2, 3, 4, 6, 8, 12)
    assert unseen.plan.request.tensor_parallel_degree == unseen.degree.value == 12
    unseen.degree.value = 4
    unseen.instance.value = "inf2.48xlarge"
    assert unseen.degree.value == 4  # what still exists is kept
    assert unseen.degree.options[-1] == 24


def test_positions_end_at_the_models_own(unseen: Planner) -> None:
    options = planner(Settings(model_id="HuggingFaceTB/SmolLM2-135M", n_positions=300)).n_positions.options
    assert options[0] == 128
    assert 300 in options
    assert options[-1] == 8192


def test_it_leaves_a_picture_and_its_words(shown: Planner) -> None:
    bundle, sizes = shown._repr_mimebundle_()
    assert set(bundle) == {VIEW, "image/png", "text/plain"}
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert sizes["image/png"] == {"width": 768}
    assert bundle["text/plain"].startswith("[picture: facebook/opt-13b on inf2.48xlarge: degree 2, batch 2")


@pytest.mark.thorough
def test_two_planners_of_one_setting_leave_the_same_words() -> None:
    texts = {planner(made)._repr_mimebundle_()[0]["text/plain"] for made in (Settings(), plan(Settings()))}
    assert len(texts) == 1
