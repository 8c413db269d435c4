"""The tutorial's inf2 lane from the first cell to the last: launch, serve, call, clean up, with nothing left.

AWS is played by moto, and the instance by this machine: its Docker engine, and device files that lead nowhere. The
command, the waiting and the answers are the notebooks' own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from inf2lab import ModelFolder, write_properties
from tests.support import chip_image
from tests.support.written import written_by

OPTIONS = {
    "engine": "Python",
    "option.model_id": "facebook/opt-13b",
    "option.tensor_parallel_degree": 2,
    "option.batch_size": 2,
    "option.n_positions": 2048,
    "option.dtype": "f16",
}


def printed(notebook: Path) -> str:
    """Everything that an executed notebook shows as text."""
    cells = [cell for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "code"]
    return "".join(output.get("text", "") for cell in cells for output in cell.outputs)


@pytest.fixture
def instance(engine: str, tmp_path: Path, root: Path, free_port: int, moto_server: dict[str, str]) -> dict[str, str]:
    """The environment of a clone on a played inf2.48xlarge, with the folder that notebook 04 writes."""
    clone = tmp_path / "clone"
    (clone / "models").mkdir(parents=True)
    for name in ("lib", "notebooks", "models/tiny-opt"):
        (clone / name).symlink_to(root / name)
    folder = ModelFolder(clone / "models" / "opt13b")
    folder.path.mkdir()
    write_properties(folder.properties_path, OPTIONS)
    folder.handler_path.write_text(written_by(root / "notebooks" / "04_model_py.ipynb", "model.py"))
    chip_image.put_weights("facebook/opt-13b", clone / "cache" / "huggingface")
    return {
        **os.environ,
        **moto_server,
        "INF2LAB_ROOT": str(clone),
        "INF2LAB_LOGS": str(clone / "logs"),
        "INF2LAB_PORT": str(free_port),
        "INF2LAB_IMAGE": chip_image.build("inf2lab-chip-rehearsal:notebooks"),
        "INF2LAB_NETWORK": "host",
        "INF2LAB_DOCKER_OPTIONS": chip_image.docker_options(),
        "INF2LAB_DEVICES": str(chip_image.make_devices(tmp_path / "dev", 12)),
    }


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_the_inf2_lane_runs_from_the_first_cell_to_the_last(
    instance: dict[str, str], aws_left: Callable[[], list[str]], root: Path
) -> None:
    clone = Path(instance["INF2LAB_ROOT"])
    folder = ModelFolder(clone / "models" / "opt13b")
    before = folder.fingerprint()
    words = ["-p", "lane", "inf2", "-p", "confirm", "true", "-p", "seq_length", "256", "--cwd", str(clone)]
    command = [sys.executable, str(root / "tools" / "notebooks" / "run_notebooks.py"), *words, "01", "05", "06", "99"]
    done = subprocess.run(command, env=instance, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    (runs,) = (clone / "logs" / "runs").iterdir()
    text = {path.name[:2]: printed(path) for path in runs.glob("*.ipynb")}
    assert "AWS-StartPortForwardingSession" in text["01"]
    assert "docker run --detach --init --name inf2lab-opt13b" in text["05"]
    assert f"ready at http://127.0.0.1:{instance['INF2LAB_PORT']}" in text["05"]
    assert "PASS  serving changed no byte of the folder" in text["05"]
    assert "PASS  each text begins with its prompt" in text["06"]
    assert "PASS  no run on AWS is open" in text["99"]
    answer = json.loads((clone / "logs" / "answer.json").read_text())
    assert (answer["lane"], len(answer["text"])) == ("inf2", 2)

    assert aws_left() == []
    label = f"label=inf2lab.owner={clone / 'logs'}"
    listed = subprocess.run(["docker", "ps", "--all", "-q", "--filter", label], capture_output=True, check=True)
    assert listed.stdout == b""
    subprocess.run(["docker", "rmi", instance["INF2LAB_IMAGE"]], capture_output=True, check=True)
    assert folder.fingerprint() == before
