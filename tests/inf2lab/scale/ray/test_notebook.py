"""Notebook 09 on a live cluster, in a clone of its own: what `make run` left or a reader wrote stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clones import make_clone, run_tutorial

pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("scale_environment")]


def test_it_scales_the_folder_that_03_and_04_write(tmp_path: Path, free_port: int) -> None:
    """A fresh clone has no `models/opt13b`: the notebooks that write it come first."""
    done = run_tutorial(make_clone(tmp_path / "clone"), free_port, "03", "04", "09", cluster="live")
    assert done.returncode == 0, done.stdout
