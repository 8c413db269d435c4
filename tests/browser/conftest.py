"""A person's desk: a copy of the clone, JupyterLab as `make lab` starts it, a server that runs, a browser."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inf2lab import write_properties
from tests.support import ports

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "logs" / "browser"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LAB_SETTINGS = {  # one notebook wholly in the page, and no look-up of news
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False},
}


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """None of these tests is a quick one, and reading them takes a second in each process."""
    return config.option.markexpr == "not thorough" or None


@dataclass(frozen=True)
class Desk:
    """A copy of the clone, and where JupyterLab shows it."""

    clone: Path
    logs: Path
    address: str
    token: str

    def notebook(self, name: str) -> str:
        """The page of a notebook; JupyterLab shows the folder of the file that it was started with."""
        return f"{self.address}/lab/tree/{name}.ipynb?token={self.token}&reset"

    def kernel_is_idle(self, name: str) -> bool:
        """Whether JupyterLab's server has a kernel for the notebook, and it waits for work."""
        with urllib.request.urlopen(f"{self.address}/api/sessions?token={self.token}", timeout=30) as reply:
            sessions = json.load(reply)
        return any(
            session["path"] == f"{name}.ipynb" and session["kernel"]["execution_state"] == "idle"
            for session in sessions
        )


def needed(name: str, *candidates: str) -> str:
    """The path of a program, or a skip with the reason; a failure where the programs are promised."""
    found = next((path for each in (name, *candidates) if (path := shutil.which(each))), None)
    if found is None:
        reason = f"no {name} on this machine: `apt-get install chromium chromium-driver` brings it"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clone, with copies of what a session changes: JupyterLab saves notebooks by itself."""
    copy = tmp_path_factory.mktemp("desk") / "clone"
    (copy / "models").mkdir(parents=True)
    shutil.copytree(ROOT / "notebooks", copy / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for name in ("lib", "tools", "tests", "docs", "docker", "deploy", "requirements.txt", "Makefile", ".venv"):
        if (ROOT / name).exists():
            (copy / name).symlink_to(ROOT / name)
    for path in (ROOT / "models").iterdir():
        if path.name.startswith("tiny"):
            (copy / "models" / path.name).symlink_to(path)
    path = copy / "notebooks" / "06_call.ipynb"
    text, long = path.read_text(encoding="utf-8"), "seq_length: int = 2048"
    assert long in text
    path.write_text(text.replace(long, "seq_length: int = 128", 1), encoding="utf-8")  # its length is not tested here
    for path in (copy / "notebooks").rglob("[0-9]*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":  # what is seen afterwards was made here
                cell["outputs"], cell["execution_count"] = [], None
        path.write_text(json.dumps(notebook), encoding="utf-8")
    return copy


@pytest.fixture(scope="session")
def desk(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """JupyterLab, started with the very command of `make lab`; its kernels find the server of `serving`."""
    needed("chromium", *BROWSERS)
    scratch = tmp_path_factory.mktemp("jupyter")
    for name, values in LAB_SETTINGS.items():
        path = scratch / "settings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    port, token, logs = ports.free_port(1), secrets.token_hex(8), scratch / "logs"
    recipe = subprocess.run(
        ["make", "--no-print-directory", "-n", "lab"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    command = recipe.stdout.strip().splitlines()[-1]
    assert "jupyter-lab --ip=127.0.0.1" in command
    if not (ROOT / ".venv").exists():  # an environment of another name: the one that runs this test
        command = command.replace(".venv/bin/jupyter-lab", f"{sys.executable} -m jupyterlab")
    command += f" --no-browser --port={port} --ServerApp.port_retries=0 --IdentityProvider.token={token}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("INF2LAB_") or "CACHE" in name},
        "PYTHONPATH": str(ROOT / "lib"),
        "INF2LAB_PORT": str(ports.free_port(1)),
        "INF2LAB_LOGS": str(logs),
        "JUPYTERLAB_SETTINGS_DIR": str(scratch / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(scratch / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(scratch / "config"),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
        "IPYTHONDIR": str(scratch / "ipython"),
    }
    with (scratch / "jupyter.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec env {command}"],
            cwd=clone,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    made = Desk(clone, logs, f"http://127.0.0.1:{port}", token)
    try:
        wait_for(f"{made.address}/api?token={token}", process, scratch / "jupyter.log")
        serve(made, environment)
        yield made
    finally:
        inf2lab("stop", made, environment)
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until JupyterLab answers."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(url, timeout=30):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not answer: {log.read_text()[-2000:]}")


def serve(desk: Desk, environment: dict[str, str]) -> None:
    """Write the folder as notebook 04 does, and serve it as notebook 05 does."""
    folder = desk.clone / "models" / "opt13b"
    folder.mkdir()
    (folder / "model.py").write_text(written_handler(desk.clone))
    options = {"model_id": "facebook/opt-13b", "tensor_parallel_degree": 2, "batch_size": 2, "n_positions": 2048}
    values = {f"option.{name}": value for name, value in {**options, "dtype": "f16"}.items()}
    write_properties(folder / "serving.properties", {"engine": "Python", **values})
    done = inf2lab("serve models/opt13b", desk, environment)
    assert done.returncode == 0, done.stdout + done.stderr


def inf2lab(words: str, desk: Desk, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command in the copy of the clone."""
    command = [sys.executable, "-m", "inf2lab.cli", *words.split()]
    return subprocess.run(command, cwd=desk.clone, env=environment, capture_output=True, text=True, check=False)


def written_handler(clone: Path) -> str:
    """The model.py that notebook 04's cells write."""
    notebook = json.loads((clone / "notebooks" / "04_model_py.ipynb").read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    parts = [source.split("\n", 1) for source in sources if source.startswith("%%writefile")]
    return "\n".join(text for magic, text in parts if magic.endswith("model.py")) + "\n"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """A headless Chromium with an empty profile and nothing that calls home; it logs every request.

    One for all tests, as a person has: it has compiled JupyterLab's scripts when the second notebook is opened.
    """
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = needed("chromium", *BROWSERS)
    quiet = "--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update"
    for word in f"--headless {quiet} --disable-sync --hide-scrollbars --disable-dev-shm-usage".split():
        options.add_argument(word)
    if os.geteuid() == 0:  # Chromium refuses its sandbox to root, as in a container
        options.add_argument("--no-sandbox")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.add_argument("--window-size=1400,1000")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(needed("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def picture(browser: WebDriver, request: pytest.FixtureRequest) -> Iterator[None]:
    """Keeps what the browser showed at the end of a test, whether it passed or not."""
    yield
    PICTURES.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(PICTURES / f"{request.node.name}.png"))
