"""A tutorial of three small notebooks, as source files, to try the notebook tools on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

START = """\
# %% [markdown] id="nb00-c01"
# # Start a server

# %% id="nb00-c02" tags=["parameters"]
port: int = 8081
ratio: float = 1.5
fast: bool = False

# %% [markdown] id="nb00-c03"
# It outlives this kernel, as the rehearsal server does.

# %% id="nb00-c04"
import subprocess
import sys
from pathlib import Path

server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"], start_new_session=True)
_ = Path("server.pid").write_text(str(server.pid))
print(port, ratio, fast)

# %% [markdown] id="nb00-c05"
# A file that is not Python is commented out in the source.

# %% id="nb00-c06" active="ipynb"
# %%writefile serving.properties
# # a comment
# option.model_id=facebook/opt-13b
"""

CALL = """\
# %% [markdown] id="nb06-c01"
# # Call it

# %% id="nb06-c02" tags=["parameters"]
port: int = 8081
mode: str = "answer"

# %% [markdown] id="nb06-c03"
# The server is another process, started by another notebook.

# %% id="nb06-c04" tags=["check"]
import json
import os
import sys
import time
from pathlib import Path

os.kill(int(Path("server.pid").read_text()), 0)
if mode == "raise":
    raise ValueError("degree is 3; it must be even: take 2")
if mode == "exit":
    sys.exit(0)
if mode == "die":
    os._exit(3)
if mode == "sleep":
    Path("asleep").touch()
    time.sleep(60)
answer = {"prompt": ["Hello,", mode], "text": ["Hello, world", f"port {port + 1}"], "seconds": 0.25}
_ = Path("answer.json").write_text(json.dumps(answer))
print("PASS")

# %% [markdown] id="nb06-c05"
# One more cell, which is only reached when the one above runs to its end.

# %% id="nb06-c06"
print(sys.executable)
"""

CLEAN_UP = """\
# %% [markdown] id="nb99-c01"
# # Clean up

# %% id="nb99-c02"
import os
import signal
from pathlib import Path

os.kill(int(Path("server.pid").read_text()), signal.SIGTERM)
Path("server.pid").unlink()
print("stopped")
"""


@dataclass(frozen=True)
class Tutorial:
    """Folders of a small tutorial; its notebooks write into `work`."""

    source: Path
    notebooks: Path
    work: Path
    logs: Path

    def edit(self, name: str, old: str, new: str) -> None:
        """Replaces a text of the source file `name`, which must hold it."""
        path = self.source / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def build_arguments(self) -> list[str]:
        """What points tools/notebooks/build_notebooks.py at this tutorial."""
        folders = {"source": self.source, "out": self.notebooks, "cwd": self.work, "logs": self.logs}
        return [word for name, folder in folders.items() for word in (f"--{name}", str(folder))]

    def run_arguments(self) -> list[str]:
        """What points tools/notebooks/run_notebooks.py at this tutorial."""
        folders = {
            "source": self.notebooks,
            "out": self.logs / "runs",
            "cwd": self.work,
            "answer": self.work / "answer.json",
        }
        return [word for name, folder in folders.items() for word in (f"--{name}", str(folder))]


@pytest.fixture
def tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tutorial:
    """The small tutorial, not built yet."""
    made = Tutorial(*(tmp_path / name for name in ("source", "notebooks", "work", "logs")))
    monkeypatch.setenv("INF2LAB_LOGS", str(made.logs))  # a changed notebook is kept there
    for folder in (made.source, made.notebooks, made.work, made.logs):
        folder.mkdir()
    for name, text in (("00_start.py", START), ("06_call.py", CALL), ("99_clean_up.py", CLEAN_UP)):
        (made.source / name).write_text(text)
    return made
