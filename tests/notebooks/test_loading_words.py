"""What the texts say of a load's minutes: always with where they come from, and how sure that is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inf2lab import Settings, catalog
from inf2lab.pictures.load_steps import load_in_order
from inf2lab.planning import loading, plan_for, planned_pace, request_of

ROOT = Path(__file__).parents[2]
TEXTS = sorted(
    [*(ROOT / "notebooks" / "source").glob("*.py"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    + [path for path in (ROOT / "lib" / "inf2lab").rglob("*") if path.suffix in (".py", ".json", ".yaml")]
)
MINUTES = re.compile(r"(?:twenty|\b20) minutes(?! to read)")
DOUBT = re.compile(r"issue #?8|nobody has published|[Nn]obody has", re.IGNORECASE)


def paragraphs(path: Path) -> list[str]:
    """The paragraphs of a text, in a notebook's source without the marks of its comments."""
    text = re.sub(r"^# ?", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return re.split(r"\n\s*\n", text)


def test_twenty_minutes_are_nowhere_without_their_source_and_their_doubt() -> None:
    """They were one user's word on a smaller model, and stood there as OPT-13B's loading time."""
    parts = ((path, part) for path in TEXTS for part in paragraphs(path))
    assert [(path, part) for path, part in parts if MINUTES.search(part) and not DOUBT.search(part)] == []


@pytest.mark.parametrize("warm", [False, True])
def test_the_minutes_that_the_notebooks_say_are_the_planners(warm: bool) -> None:
    span = loading(request_of(Settings()), warm=warm).minutes
    low, _, high, _ = span.split()
    said = [
        (ROOT / "notebooks" / "source" / f"{name}.py").read_text() for name in ("03_serving_properties", "05_serve")
    ]
    assert all(re.search(rf"\b{low}\b (?:to|and) {high}\b", text) for text in said)


def test_the_seconds_of_the_articles_request_are_the_planners() -> None:
    made = plan_for("opt-13b", tensor_parallel_degree=2, batch_size=2, input_tokens=9, output_tokens=2039)
    for name, slow in (("06_call", False), ("06_call", True), ("05_serve", True)):
        text = (ROOT / "notebooks" / "source" / f"{name}.py").read_text()
        assert f"{planned_pace(made, slow=slow).seconds:.0f}" in text


def test_the_minutes_after_which_a_load_fails_are_the_planners() -> None:
    """Notebook 05 says when the cores are asked for, and when the weights are on them."""
    text = (ROOT / "notebooks" / "source" / "05_serve.py").read_text()
    steps = load_in_order(Settings())
    for known in (3, 4):
        low, high = (sum(getattr(step.seconds, end) for step in steps[:known]) / 60 for end in ("low", "high"))
        assert f"| {low:.0f} to {high:.0f} |" in text


@pytest.mark.parametrize("name", ["02_plan", "04_model_py"])
def test_the_gibibytes_that_the_notebooks_say_are_the_planners(name: str) -> None:
    host = plan_for("opt-13b", tensor_parallel_degree=2, batch_size=2, instance="inf2.8xlarge").host
    text = (ROOT / "notebooks" / "source" / f"{name}.py").read_text()
    assert re.search(rf"\b{host.worker_gib:.0f}\b", text)
    assert re.search(rf"\b{host.f32_gib:.0f}\b", text)


def test_the_second_route_is_said_to_compile_again_and_where_programs_can_be_kept() -> None:
    """The built-in handler adds a flag to the compiler's, so a program has another key under the folder's own."""
    text = (ROOT / "notebooks" / "source" / "03_serving_properties.py").read_text()
    assert "part of a program's key" in text
    assert "option.compiled_graph_path" in text
    assert catalog.options().options["compiled_graph_path"].known_in(Settings().stack.version)


def test_notebook_04_loads_once_on_the_chip() -> None:
    """It loaded twice, and a third time to fail: each start beside the first is the rehearsal's, on the next port."""
    text = (ROOT / "notebooks" / "source" / "04_model_py.py").read_text()
    starts = re.findall(r"Server\.start\((\w+), ", text)
    assert starts == ["settings", "beside", "rehearsed"]
    guard = 'if settings.lane == "rehearsal"'
    assert text.index(guard) < text.index("Server.start(beside")
    assert 'rehearsed = dataclasses.replace(settings, lane="rehearsal"' in text


def test_the_answers_record_names_a_stand_in_in_the_rehearsal_only() -> None:
    text = (ROOT / "notebooks" / "source" / "06_call.py").read_text()
    before, _, after = text.partition('if settings.lane == "rehearsal":  # on the chip')
    assert "played_by" not in before
    assert '"played_by"' in after
