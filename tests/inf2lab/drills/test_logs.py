"""What logs of people say, and what `explain` makes of them: logs/*.json has the lines, in own words, and whence."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from inf2lab import drills
from inf2lab.drills.drill import terminal
from inf2lab.errors import LabError
from tests.support.golden.launch import GOLDEN

LOGS = Path(__file__).with_name("logs")
RULES = Path(__file__).parents[3] / "lib" / "neuron_rules"
NEURON = Path(__file__).parents[3] / "lib" / "rehearsal" / "neuron"
EXCERPTS = json.loads((LOGS / "excerpts.json").read_text(encoding="utf-8"))
REPORTS = json.loads((LOGS / "reports.json").read_text(encoding="utf-8"))
HEALTHY = json.loads((LOGS / "healthy.json").read_text(encoding="utf-8"))
# What a message's placeholders may be, where `x` is not enough to recognise it by.
SHOWN = {
    "amp": "fp16",
    "error": "got an unexpected keyword argument 'x'",
    "_RUNTIME_CALLS[reason.rule]": "nrt_tensor_copy status=2",
    "refusal": "refusal",
    "visible.start": "0",
    "visible.stop - 1": "7",
    "cores": "2",
    "cores - 1": "1",
    "str(error)": "REHEARSAL_TNX_GENERATION='x': use one of 0.2",
    "tuple(input_ids.shape)": "(3, 9)",
}
# Handlers may raise anything; the recorded ones say this, and no row can know it.
OWN = ("boom: bad value", "Invalid output type", "prediction failure")


def text_of(log: list[str]) -> str:
    """A log's text."""
    return "\n".join(log) + "\n"


@pytest.mark.parametrize("excerpt", EXCERPTS, ids=lambda excerpt: excerpt["source"])
def test_a_log_of_a_public_report_leads_to_its_cause(excerpt: dict) -> None:
    first, *others = drills.explain(text_of(excerpt["log"]))
    assert first.name == excerpt["finds"]
    assert {match.level for match in others} <= {"consequence", "harmless"}, others


def test_there_are_sixty_excerpts_and_twenty_healthy_logs() -> None:
    assert len(EXCERPTS) >= 60
    assert len(HEALTHY) >= 20


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report["really"][:50])
def test_a_report_is_told_what_really_happened(report: dict) -> None:
    matches = drills.explain(text_of(report["log"]))
    said = re.sub(r"\s+", " ", " ".join(map(str, matches)))
    assert all(re.search(pattern, said, re.IGNORECASE) for pattern in report["says"]), said
    assert not any(re.search(pattern, said, re.IGNORECASE) for pattern in report["never"]), said
    assert any(match.level != "harmless" for match in matches) == bool(report["exit"])


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_start_gives_nothing(name: str) -> None:
    assert drills.explain(text_of(HEALTHY[name])) == []


def raised() -> Iterator[tuple[str, str]]:
    """Yield place and words of everything that the emulated library raises, read from its code."""
    for path in sorted(NEURON.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and node.exc is not None:
                said, place = words(node.exc), f"{path.relative_to(NEURON)}:{node.lineno}"
                refused = sentences() if said.endswith(": refusal") else [""]
                yield from ((place, said.replace("refusal", sentence)) for sentence in refused)


def sentences() -> list[str]:
    """Every sentence in which neuron_rules refuses something: what is raised with `refusal`."""
    tree = ast.parse((RULES / "limits.py").read_text(encoding="utf-8"))
    told = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return | ast.Yield) and node.value]
    told = [node.body if isinstance(node, ast.IfExp) else node for node in told]
    return [shown(node) for node in told if isinstance(node, ast.JoinedStr)]


def words(raised: ast.expr) -> str:
    """What a traceback's last line says of an exception."""
    if not isinstance(raised, ast.Call):
        return ast.unparse(raised)
    (message, *_) = [*raised.args, None]
    text = shown(message) if message is not None else ""
    kind = ast.unparse(raised.func)
    return f"{kind}: {text!r}" if kind == "KeyError" else f"{kind}: {text}"


def shown(message: ast.expr) -> str:
    """A message with something in each placeholder."""
    match message:
        case ast.Constant(value=value):
            return str(value)
        case ast.JoinedStr(values=parts):
            return "".join(shown(part) for part in parts)
        case ast.FormattedValue(value=value):
            return SHOWN.get(ast.unparse(value), "x")
        case _:
            return SHOWN.get(ast.unparse(message), "x")


RAISED = list(raised())


def test_what_the_emulated_library_raises_is_read_from_its_code() -> None:
    assert len(RAISED) > 35
    assert ("StopIteration") in dict(RAISED).values()


@pytest.mark.parametrize(("place", "line"), RAISED, ids=[place for place, _ in RAISED])
def test_what_the_emulated_library_raises_is_known(place: str, line: str) -> None:
    if line.startswith("AttributeError") and ("has no attribute" in line or line.endswith(": x")):
        pytest.skip("Python's own words for a name that a module does not have")
    (match,) = drills.explain(f"WARN  PyProcess W-12-m-stderr: {line}\n")
    assert match.level == "cause", line


def answers() -> Iterator[str]:
    """Yield each different error that DJLServing 0.25 was recorded to answer."""
    seen = set()
    for line in (GOLDEN / "exchanges.jsonl").read_text(encoding="utf-8").splitlines():
        body = (json.loads(line).get("response") or {}).get("body") or ""
        if '"code"' not in body or body in seen:
            continue
        seen.add(body)
        yield body


@pytest.mark.parametrize("body", list(answers()), ids=lambda body: " ".join(body.split())[:60])
def test_every_error_of_the_recorded_contract_is_known(body: str) -> None:
    answer = json.loads(body)
    if answer.get("error", None) in ("", *OWN):
        return  # a handler's own
    matches = drills.explain(body + "\n")
    assert matches, body
    assert matches[0].level in ("cause", "wrapper"), body


def test_what_a_terminal_shows_of_a_failed_load_is_known() -> None:
    text = terminal(
        LabError("m did not load: RuntimeError: [enforce fail at inline_container.cc:659] . unexpected pos 8 vs 7")
    )
    assert drills.explain(text.replace("LabError", "LoadFailed"))[0].name == "disk-full"
