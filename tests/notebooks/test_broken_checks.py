"""tests.support.broken_checks: it tells a check that notices broken work from one that passes whatever happens."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from inf2lab.checks import check
from notebook_files import NOTEBOOKS, read_notebook
from tests.support import broken_cell, broken_checks

BROKEN = Path(__file__).with_name("broken")
BUILT = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
WORK = Path("models/opt13b/serving.properties")
CHECKS = """\
from inf2lab import check
check("the degree is 2", degree == 2, hint="set it")
check("the file says so", text == "degree=2", hint="write it")
check("it is always fine", True, hint="nothing")
check("it is a number", degree > 0, hint="a number")
"""
ITEMS = """\
# %%
# breaks: the degree is 2
degree = 3

# %%
# breaks: the file says so
from pathlib import Path
Path("models/opt13b/serving.properties").write_text("degree=3")
rerun("read_text")

# %%
# breaks: it is always fine
degree = 4

# %%
# breaks: it is a number
degree = "two"

# %%
# breaks: it was never checked
degree = 5
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model folder in it, a notebook that was run, and what breaks its work."""
    monkeypatch.chdir(tmp_path)
    WORK.parent.mkdir(parents=True)
    WORK.write_text("degree=2")
    printed = "".join(f"PASS  {claim}\n" for claim in ("the degree is 2", "the file says so", "it is always fine"))
    cells = [
        nbformat.v4.new_code_cell("text = Path('models/opt13b/serving.properties').read_text()"),
        nbformat.v4.new_code_cell(
            CHECKS,
            metadata={"tags": ["check"]},
            outputs=[nbformat.v4.new_output("stream", text=f"{printed}PASS  it is a number\n")],
        ),
    ]
    (tmp_path / "source").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "source" / "02_small.ipynb")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "02.py").write_text(ITEMS)
    return tmp_path


def said(small: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What its checks say."""
    names = {"degree": 2, "text": "degree=2", "Path": Path, "check": check}
    broken_checks.judge(names, str(small / "source" / "02_small.ipynb"), str(small / "broken" / "02.py"))
    assert names["degree"] == 2
    return json.loads(capsys.readouterr().out)


def test_each_check_is_asked_about_its_own_broken_work(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(small, capsys) == {
        "the degree is 2": "FAIL",
        "the file says so": "FAIL",
        "it is always fine": "PASS",
        "it is a number": "TypeError: '>' not supported between instances of 'str' and 'int'",
        "it was never checked": "no check of the notebook claims this",
    }
    assert WORK.read_text() == "degree=2"


def test_checks_stop_a_notebook_again_afterwards(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from inf2lab import checks

    real = checks.check
    said(small, capsys)
    assert checks.check is real


def test_a_run_s_extra_cell_is_taken_off_again(small: Path) -> None:
    made = broken_cell.inject(small / "source", small / "made", small / "broken")
    notebook = nbformat.read(made / "02_small.ipynb", as_version=4)
    assert len(notebook.cells) == 3
    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text='{"a": "FAIL"}')]
    plain, found = broken_cell.split(notebook)
    assert len(plain.cells) == 2
    assert found == {"a": "FAIL"}


@pytest.mark.parametrize("text", ["# %%\ndegree = 3\n", "# %%\n# breaks: a\n# %%\n# breaks: a\n"])
def test_a_cell_that_names_no_claim_or_one_again_is_refused(small: Path, text: str) -> None:
    (small / "broken" / "02.py").write_text(text)
    with pytest.raises(AssertionError, match=r"02\.py: "):
        broken_checks.read_items(small / "broken" / "02.py")


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.stem)
def test_every_check_of_a_notebook_has_its_broken_work(path: Path) -> None:
    """What the checks then say, tests/notebooks/test_tutorial.py looks at."""
    items = BROKEN / f"{path.stem[:2]}.py"
    assert set(broken_checks.read_items(items)) == set(broken_checks.claims(read_notebook(path)))
