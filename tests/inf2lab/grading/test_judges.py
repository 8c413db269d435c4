"""Every exercise and every question: right work passes, and wrong work of several kinds does not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache

import pytest

import build_exercises
from inf2lab import Settings, drills, plan, planning
from inf2lab.grading import EXERCISES, PASSED, Graded, grade, questions
from inf2lab.grading.judges import fleet, loads, project, trouble
from inf2lab.planning import capacity, plan_for
from tests.support import seats

LONG = 300.0  # seconds: beside other tests a cell may take long
# The exercise, what is changed in its solution, and a word of the hint that a reader then sees.
WRONG = [
    ("01_instance", "64 * price.usd_per_hour_stopped", "64 * price.usd_per_hour", "two prices"),
    ("01_instance", " + 64 * price.usd_per_hour_stopped", "", "two prices"),
    ("01_instance", "usd = 4 *", "usd = 'about' and 68 *", "two prices"),
    ("01_instance", "usd = 4 * price.usd_per_hour + 64 * price.usd_per_hour_stopped", "usd = 'ten'", "TypeError"),
    ("02_plan", '== "fits"', '!= "does not fit"', "uncertain"),
    ("02_plan", "batch * len(made.copies)", "batch", "copies"),
    ("02_plan", "max(degrees, key=rows_at_once)", "2", "compare all five"),
    ("03_serving_properties", "djl_python.transformers_neuronx", "djl_python.transformers-neuronx", "spellings"),
    ("03_serving_properties", "option.entryPoint", "option.entrypoint", "capital"),
    ("03_serving_properties", "dtype=fp16", "dtype=f16", "different words"),
    ("03_serving_properties", "option.batch_size", "batch_size", "six sentences"),
    ("03_serving_properties", "option.batch_size=4", "option.batch_size=4\nbatch_size=4", "two settings"),
    ("03_serving_properties", "n_positions=1024", "n_positions=2048", "six sentences"),
    ("03_serving_properties", "timeout=3600", "timeout=60", "seconds"),
    ("04_model_py", "[0] * start + row", "row + [0] * start", "each its own"),
    ("04_model_py", "start_ids = [longest - len(row) for row in rows]", "start_ids = [0] * len(rows)", "each its own"),
    ("04_model_py", '    rows += [encode("")] * (ROWS - len(rows))\n', "", "fill up"),
    ("04_model_py", "texts = texts[: len(prompts)]", "texts = texts", "as many texts"),
    (
        "04_model_py",
        'raise ValueError("at most %d prompts, got %d" % (ROWS, len(prompts)))',
        "rows = rows[:4]",
        "raise",
    ),
    ("04_model_py", "        return None\n", "        return Output().add_as_json({})\n", "is_empty"),
    ("05_serve", '1: "d"', '1: "e"', "prediction failure"),
    ("05_serve", '2: "g", 3: "a"', '2: "f", 3: "a"', "which memory"),
    ("05_serve", '5: "b"', '5: "c"', "look for an error"),
    ("05_serve", '3: "a"', "3: ...", "three dots"),
    ("06_call", "answer.status == 503", "answer.status != 200", "only 503"),
    ("06_call", " and sent < most", "", "count the requests"),
    ("06_call", "pause_s *= 2", "pause_s *= 1", "multiply"),
    ("06_call", "        time.sleep(pause_s)\n", "", "multiply"),
    ("06_call", "answer.status == 503 and", "False and", "while the status"),
    ("06_call", '2: "e"', '2: "b"', "no error"),
    ("07_measure", "math.ceil(", "math.floor(", "rounded up"),
    ("07_measure", "* mean_ms / 1000", "* mean_ms", "seconds"),
    ("07_measure", "next_rate < 1.1 * rate", "next_rate < 2 * rate", "a tenth"),
    ("07_measure", "clients = here\n", "clients = here + 1\n", "a tenth"),
    ("07_measure", '"largest"', '"middle"', "eight sorted values"),
    ("08_break_it", '1: "b"', '1: "a"', "no next one"),
    ("08_break_it", "4: 36", "4: 37", "consequence"),
    ("08_break_it", "1: 9", "1: 13", "consequence"),
    ("08_break_it", "loads = 3", "loads = 1", "only a load"),
    ("09_scale_out", " / 0.8", "", "80 %"),
    ("09_scale_out", "math.ceil(replicas / len(made.copies))", "replicas // len(made.copies)", "whole instances"),
    ("09_scale_out", "instances * made.service", "made.service", "times price"),
    ("09_scale_out", "min(sizes", "max(sizes", "compare dollars"),
    ("09_scale_out", "(rate * tokens * 3600)", "(5 * len(sizes) * tokens * 3600)", "clients ask for"),
    ("10_where_next", "at_once = int(words[", "at_once = str(words[", "number of sequences"),
    ("10_where_next", "if row.verdict.lost", "if not row.verdict.lost", "verdict is lost"),
    ("10_where_next", "option.n_positions=256", "option.n_positions=128", "one text"),
    ("10_where_next", "option.dtype=fp16", "option.dtype=f16", "linter"),
    ("10_where_next", 'slow_instance = "inf2.24xlarge"', 'slow_instance = "inf2.xlarge"', "both memories"),
    ("10_where_next", 'slow_instance = "inf2.24xlarge"', 'slow_instance = "inf2.8xlarge"', "other sizes"),
    ("10_where_next", '"degree=2", "degree=4"', '"degree=4", "degree=4"', "higher degree"),
    ("10_where_next", '"slow": look(slow, slow_instance, 20)', '"slow": 10.0', "by `look`"),
    ("10_where_next", ").launch.words\n", ").launch.words[1:]\n", "launch.words"),
]
# What `inf2lab explain` calls the causes that the raw logs show.
OF_LOADS = {1: "dtype-of-the-library", 2: "device-memory", 3: "degree-beyond-cores", 4: "host-memory"}
OF_LINES = {
    1: "n-positions-too-small",
    2: "article-body-to-the-built-in-handler",
    3: "predict-timeout",
    4: "host-memory",
}


FIRST = [[name for name, *_ in WRONG].index(name) for name in EXERCISES]  # one of each exercise
OTHERS = [number for number in range(len(WRONG)) if number not in FIRST]
Marked = dict[str, list[dict[str, str]]]


@pytest.fixture(scope="module")
def class_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Marked]:
    """Wrong work, the first of each exercise or all other, as a class of its own, graded once."""

    @cache
    def marked(first: bool) -> Marked:
        folder = tmp_path_factory.mktemp("class")
        for number in FIRST if first else OTHERS:
            name, old, new, _ = WRONG[number]
            seats.write(folder / f"{number:03}", {name: seats.changed(seats.solved(name), old, new)})
        # In a process of its own: each exercise is a fork, which takes as long as its parent is large.
        words = ["-m", "inf2lab.cli", "grade", folder, "--json", "--seconds", str(LONG)]
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
        return {seat["name"]: seat["results"] for seat in json.loads(done.stdout)["seats"]}

    return marked


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> tuple[Graded, ...]:
    """A seat where everything is right."""
    folder = tmp_path_factory.mktemp("right") / "one"
    (seat,) = grade(seats.write(folder, {name: seats.solved(name) for name in (*EXERCISES, "quiz")}), seconds=LONG)
    return seat.results


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, id=f"{name}-{new.strip()[:30]}", marks=() if number in FIRST else pytest.mark.thorough)
        for number, (name, _, new, _) in enumerate(WRONG)
    ],
)
def test_wrong_work_does_not_pass_and_gets_a_hint(class_of: Callable[[bool], Marked], number: int) -> None:
    name, _, _, word = WRONG[number]
    (result,) = [one for one in class_of(number in FIRST)[f"{number:03}"] if one["exercise"] == name]
    assert result["state"] == "not passed"
    assert word in result["hint"]


@pytest.mark.parametrize("name", [*EXERCISES, "quiz"])
def test_right_work_passes(right: tuple[Graded, ...], name: str) -> None:
    (result,) = [one for one in right if one.exercise == name]
    assert (result.state, result.right, result.hint) == (PASSED, result.of, "")


@pytest.mark.parametrize("name", EXERCISES)
def test_every_exercise_has_wrong_work_of_several_kinds(name: str) -> None:
    assert len([one for one in WRONG if one[0] == name]) >= 3


@pytest.mark.parametrize("question", questions(), ids=lambda question: question.ask[:40])
def test_a_question_takes_its_answer_however_it_is_typed_and_no_other(question: object) -> None:
    (one,) = [one for one in questions() if one is question]
    assert one.accepts(one.answer)
    assert one.accepts(f" {one.answer} ".upper())
    if isinstance(one.answer, int):
        assert one.accepts(one.answer + one.within)
        assert not one.accepts(one.answer + 2 * one.within)
        return
    others = {letter for letter in one.choices if letter != one.answer} or {"djl_python.transformers-neuronx"}
    assert not [other for other in others if one.accepts(other)]
    assert not one.accepts(one.answer[::-1]) or len(one.answer) == 1


def test_a_question_offers_its_answer_among_three_or_four() -> None:
    assert len(questions()) == 12
    for one in questions():
        assert (build_exercises.SOURCES / f"{one.taught}.py").exists(), one.taught
        if one.choices:
            assert len(one.choices) in (3, 4)
            assert set(str(one.answer)) <= set(one.choices)


def test_the_numbers_of_the_quiz_are_the_planners() -> None:
    """Weights and cache of the article's configuration; a million tokens of one copy where twelve could start."""
    rules = planning.article_rules(2, plan_for("opt-13b").request.model, batch_size=2, n_positions=2048)
    one, twelve = (plan(Settings(copies=copies)) for copies in (1, 12))
    assert questions()[1].accepts(rules.size_gb)
    assert questions()[10].accepts(one.started_usd.mid)
    assert f"{twelve.started_usd.mid:.1f}" in questions()[10].ask


def blocks(name: str) -> Iterator[str]:
    """The raw logs of an exercise, as its reader sees them."""
    text = "\n\n".join(cell.source for cell in build_exercises.exercise(seats.SOURCES[name]).cells)
    yield from re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def causes(log: str) -> list[str]:
    return [match.name for match in drills.explain(log) if match.level == "cause"]


@pytest.mark.parametrize("number", sorted(loads.TRUTH))
def test_the_raw_logs_of_loads_have_the_cause_that_is_asked_for(number: int) -> None:
    assert causes(list(blocks("05_serve"))[number - 1]) == ([OF_LOADS[number]] if number in OF_LOADS else [])


@pytest.mark.parametrize("number", sorted(trouble.LINES))
def test_the_raw_log_of_an_evening_has_each_cause_on_its_line(number: int) -> None:
    lines = list(blocks("08_break_it"))[-1].splitlines()
    line = lines[trouble.LINES[number] - 1]
    assert line.split()[0] == str(trouble.LINES[number])
    assert OF_LINES[number] in causes(line.partition("  ")[2])
    assert sum("Start loading the model" in line for line in lines) == trouble.LOADS


def test_no_raw_log_says_what_to_do() -> None:
    """A log that holds the remedy leaves nothing to read."""
    for name in ("05_serve", "06_call", "08_break_it"):
        for log in blocks(name):
            assert not re.search(r"use a higher|Fix:|did you mean", log)


def test_the_best_prices_of_the_project_are_the_best_there_are() -> None:
    for name, seconds in project.P99_S.items():
        found = []
        for size in ("inf2.xlarge", "inf2.8xlarge", "inf2.24xlarge", "inf2.48xlarge"):
            for degree in (1, 2, 4, 8, 12, 24):
                text = build_text(degree)
                made = project.planned(text, size)
                host = made.host.once_gib <= made.request.hardware.host_gib
                if made.verdict.fit == "fits" and not made.problems and host:
                    price = capacity(made, rate=project.RATE, p99_s=seconds).usd_per_hour
                    found += [price] if price is not None else []
        assert min(found) == pytest.approx(project.BEST_USD[name])


def build_text(degree: int) -> str:
    """The project's own file at another degree."""
    notebook = seats.solved("10_where_next")
    text = next(cell.source for cell in notebook.cells if 'slow = """' in cell.source)
    return text.partition('slow = """')[2].partition('"""')[0].replace("degree=2", f"degree={degree}")


def test_the_rule_of_the_price_exercise_is_the_planners() -> None:
    """At most 80 % busy decides there, so that a reader's arithmetic and the planner agree."""
    for size in fleet.SIZES:
        choices = {"instance": size, "batch_size": 1, "input_tokens": fleet.TOKENS, "output_tokens": fleet.TOKENS}
        found = capacity(plan_for("opt-13b", tensor_parallel_degree=2, **choices), rate=fleet.RATE, p99_s=30.0)
        assert found.fleet is not None
        assert found.fleet.decided_by == "use"
