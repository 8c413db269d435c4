"""The raw logs of notebook 08: each has its cause, and nothing of the machine that wrote it."""

from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest

import count_notebooks
import record_comparison
import write_logs
from inf2lab import drills
from inf2lab.drills import Result, Sighting
from notebook_files import NOTEBOOKS, read_notebook

every_log = pytest.mark.parametrize("letter", write_logs.CAUSED_BY)


@every_log
def test_a_raw_log_leads_to_its_cause(letter: str) -> None:
    name = write_logs.CAUSED_BY[letter]
    text = (write_logs.LOGS / f"{letter}.txt").read_text(encoding="utf-8")
    assert drills.explain(text)[0].name == name
    assert re.search(drills.find(name).log, text, re.MULTILINE)
    assert drills.find(name).how not in text


@every_log
def test_it_tells_nothing_about_the_machine(letter: str) -> None:
    text = (write_logs.LOGS / f"{letter}.txt").read_text(encoding="utf-8")
    assert not re.search(r"/(?:home|Users|root|work|wt|private)/|inf2lab-", text)
    assert set(re.findall(r"W-(\d+)-", text)) == {"123"}


def test_a_log_is_written_with_the_paths_of_an_instance() -> None:
    log = 'W-77-drill-stderr:   File "/mnt/me/.cache/inf2lab/worker/0.25.0-f526d2/djl_python_engine.py", line 117\n'
    told = write_logs.text_of(Result(drills.find("queue-full"), Sighting("HTTP/1.1 424 no", log)))
    assert told.startswith("CLIENT  HTTP/1.1 424 no\n\nW-123-drill-stderr: ")
    assert 'File "/tmp/.djl.ai/python/0.25.0/djl_python_engine.py", line 117' in told


def test_the_exception_that_the_first_question_asks_for_is_one_that_its_list_shows() -> None:
    """What the client was told names its own exception, which no reader can pick from the list."""
    cells = {cell.id: cell for cell in read_notebook(NOTEBOOKS / "08_break_it.ipynb").cells}
    listed = set(re.findall(r"(?m)^A +\d+ +(\w+):", cells["nb08-c05"].outputs[0].text))
    assert any(f"It is {name}." in cells["nb08-c08"].outputs[0].data["text/html"] for name in listed)


@pytest.mark.parametrize("tool", [count_notebooks, record_comparison, write_logs], ids=lambda tool: tool.__name__)
@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("--no-such-option", 2)])
def test_a_tool_that_takes_nothing_does_nothing_when_it_is_asked(
    tool: ModuleType, word: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked write_logs for its options had the committed logs written anew."""
    monkeypatch.setattr(sys, "argv", [tool.__name__, word])
    with pytest.raises(SystemExit) as ended:
        tool.main()
    assert ended.value.code == code
