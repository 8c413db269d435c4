"""A clone of its own for whoever runs notebooks: two that ran in one would write each other's model folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_ITS_OWN = {"models", "logs", "cache", ".git"}


def make_clone(folder: Path) -> Path:
    """Return `folder` as a clone: its models, logs and cache are its own, all else and the weights are linked."""
    (folder / "models").mkdir(parents=True)
    for path in ROOT.iterdir():
        if path.name not in _ITS_OWN:
            (folder / path.name).symlink_to(path)
    for path in (ROOT / "models").iterdir():
        if path.name.startswith("tiny"):  # weights
            (folder / "models" / path.name).symlink_to(path)
    return folder


def run_tutorial(
    clone: Path, port: int, *arguments: str, cluster: str = "recorded"
) -> subprocess.CompletedProcess[str]:
    """Run notebooks as `make run` does, in a clone; what was printed is in `stdout`.

    Notebook 09 shows what was recorded unless its `cluster` is "live".
    """
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "notebooks" / "run_notebooks.py"), "--cwd", str(clone), *arguments],
        env={
            **os.environ,
            "INF2LAB_ROOT": str(clone),
            "INF2LAB_LOGS": str(clone / "logs"),
            "INF2LAB_PORT": str(port),
            "INF2LAB_CLUSTER": cluster,
            "INF2LAB_COMPARISON": "recorded",  # `make test-migrate` compares with the real vLLM
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
