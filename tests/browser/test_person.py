"""The tutorial as a person sees it: JupyterLab in a browser, Run All, the sliders, the page of a report."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from nbformat import NotebookNode
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from inf2lab import Settings, measure
from inf2lab.measure import Load, Result, Row, Target
from inf2lab.planning import plan
from notebook_files import NOTEBOOKS, read_notebook

if TYPE_CHECKING:
    from conftest import Desk

pytestmark = [pytest.mark.timeout(1500), pytest.mark.thorough, pytest.mark.usefixtures("picture")]
RUN = ("06_call", "ja/00_start_here", "02_plan")
PROMPTS = "return [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(e => e.textContent.trim())"
FAILED = "return ['error', 'stderr'].flatMap(kind => [...document.querySelectorAll(" + (
    "`[data-mime-type='application/vnd.jupyter.${kind}']`)]).map(e => e.textContent)"
)


def open_notebook(browser: WebDriver, desk: Desk, name: str) -> int:
    """Open a notebook and wait until its kernel has started; returns its number of code cells."""
    browser.get(desk.notebook(name))
    shown = WebDriverWait(browser, 240, poll_frequency=1)
    shown.until(lambda driver: driver.execute_script(PROMPTS))
    shown.until(lambda driver: accept_kernel(driver) or (desk.kernel_is_idle(name) and said_idle(driver)))
    return len(code_cells(desk, name))


def said_idle(browser: WebDriver) -> bool:
    """Whether the status bar says that the kernel is idle."""
    return any("| Idle" in element.text for element in browser.find_elements(By.CSS_SELECTOR, ".jp-StatusBar-TextItem"))


def accept_kernel(browser: WebDriver) -> None:
    """Take the kernel that is offered, if JupyterLab asks: it does where one runs a cell before its kernel is there."""
    for button in browser.find_elements(By.CSS_SELECTOR, ".jp-Dialog .jp-mod-accept"):
        button.click()


def run_all(browser: WebDriver, cells: int, patience_s: float) -> None:
    """Click Run, Run All Cells, and wait until each cell has run; an error in an output fails at once."""
    click_menu(browser, "Run", "Run All Cells")
    until = again = time.monotonic()
    until += patience_s
    while time.monotonic() < until:
        accept_kernel(browser)
        prompts = browser.execute_script(PROMPTS)
        failed = browser.execute_script(FAILED)
        assert not failed, f"an output is an error: {failed[0][:1500]}"
        if len(prompts) == cells and all(text.strip("[]:").isdigit() for text in prompts):
            return
        if any(text.strip("[]:") for text in prompts):
            again = time.monotonic()
        elif time.monotonic() - again > 10:  # the click came before the kernel
            click_menu(browser, "Run", "Run All Cells")
            again = time.monotonic()
        time.sleep(1)
    pytest.fail(f"cells that did not end in {patience_s} s: {prompts}")


def click_menu(browser: WebDriver, menu: str, item: str) -> None:
    """Click an item of a menu, as a person would."""
    wait = WebDriverWait(browser, 300, poll_frequency=0.2)
    wait.until(lambda d: labelled(d, ".lm-MenuBar-itemLabel", menu)).click()
    wait.until(lambda d: labelled(d, ".lm-Menu-itemLabel", item)).click()


def labelled(browser: WebDriver, selector: str, text: str):
    """The element of that selector whose text it is, or None."""
    found = [element for element in browser.find_elements(By.CSS_SELECTOR, selector) if element.text == text]
    return found[0] if found else None


def code_cells(desk: Desk, name: str) -> list[dict]:
    """The code cells of a notebook as it is saved."""
    notebook = json.loads((desk.clone / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def save(browser: WebDriver, desk: Desk, name: str) -> list[dict]:
    """Press Ctrl+S, wait until the file is written, and return its code cells."""
    path = desk.clone / "notebooks" / f"{name}.ipynb"
    before = path.stat().st_mtime_ns
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("s").key_up(Keys.CONTROL).perform()
    wait = WebDriverWait(browser, 300, poll_frequency=0.2, ignored_exceptions=[json.JSONDecodeError])
    # It is written in pieces: until all of them are there, it is no JSON.
    return wait.until(lambda _: path.stat().st_mtime_ns != before and code_cells(desk, name))


def kinds(notebook: NotebookNode) -> set[str]:
    """What its outputs are for who shows them: text of a stream, tables, pictures."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return {kind for output in outputs for kind in output.get("data", [output.get("name", "error")])}


def test_what_any_notebook_shows_is_shown_by_those_that_are_run_here() -> None:
    """What the cells do is tested without a browser; 00 is run in another language, whose code is the same."""
    shown = set().union(*(kinds(read_notebook(NOTEBOOKS / f"{name}.ipynb")) for name in RUN))
    for path in NOTEBOOKS.glob("[0-9]*.ipynb"):
        assert kinds(read_notebook(path)) <= shown, path.name


def test_run_all_ends_without_an_error(browser: WebDriver, desk: Desk) -> None:
    name = "06_call"
    cells = open_notebook(browser, desk, name)
    run_all(browser, cells, 900)
    saved = save(browser, desk, name)
    assert [cell["execution_count"] for cell in saved] == list(range(1, cells + 1))
    outputs = [output for cell in saved for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    printed = "".join("".join(output.get("text", "")) for output in outputs)
    assert "FAIL" not in printed
    assert "PASS" in printed


def test_a_notebook_of_another_language_runs_with_its_own_words(browser: WebDriver, desk: Desk) -> None:
    cells = open_notebook(browser, desk, "ja/00_start_here")
    assert "ノートブック" in browser.find_element(By.CSS_SELECTOR, ".jp-Notebook").text
    run_all(browser, cells, 700)
    saved = save(browser, desk, "ja/00_start_here")
    assert [cell["execution_count"] for cell in saved] == list(range(1, cells + 1))
    assert "PASS" in "".join("".join(output.get("text", "")) for cell in saved for output in cell["outputs"])


def test_a_slider_of_the_planner_changes_the_picture(browser: WebDriver, desk: Desk) -> None:
    cells = open_notebook(browser, desk, "02_plan")
    run_all(browser, cells, 900)
    wait = WebDriverWait(browser, 300, poll_frequency=0.2)
    handles = wait.until(lambda d: d.find_elements(By.CSS_SELECTOR, ".jp-OutputArea .noUi-handle"))
    image = "return document.querySelector('.jp-OutputArea .widget-image')?.src"
    before = wait.until(lambda d: d.execute_script(image))
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", handles[0])
    handles[0].send_keys(Keys.ARROW_RIGHT)
    wait.until(lambda d: d.execute_script(image) not in (None, before))
    assert not browser.execute_script(FAILED)


def requested(browser: WebDriver) -> list[str]:
    """The address of every request that the page made."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
    return [message["params"]["request"]["url"] for message in sent]


def made_up(clients: int, latency_s: float) -> Result:
    """A result for the page; what it says does not matter here."""
    rows = tuple(Row(n, 0.0, 0.0, latency_s * (1 + n / 50), "200", 9, 24, None, ()) for n in range(40))
    target = Target(url="http://127.0.0.1:8080/predictions/opt13b", rows=2, lane="rehearsal")
    return Result(target, Load(clients=clients, requests=40), rows, 4.0, "0123456789ab")


def test_the_report_opens_with_no_request_to_anywhere(browser: WebDriver, tmp_path: Path) -> None:
    path = tmp_path / "load.html"
    measure.write_report(path, [made_up(1, 0.1), made_up(2, 0.2)], plan=plan(Settings()))
    browser.get("about:blank")  # no page of another test, which may ask for more
    for name in ("performance", "browser"):
        browser.get_log(name)
    browser.set_window_size(1100, 2600)
    browser.get(path.as_uri())
    widths = browser.execute_script("return [...document.images].map(i => [i.naturalWidth, i.clientWidth])")
    assert len(widths) == 4
    assert all(natural > 600 and 0 < shown <= 1100 for natural, shown in widths)
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    addresses = requested(browser)
    assert path.as_uri() in addresses
    assert {urlsplit(address).scheme for address in addresses} <= {"file", "data"}
    assert browser.get_log("browser") == []  # nothing was refused by the page's own policy either
