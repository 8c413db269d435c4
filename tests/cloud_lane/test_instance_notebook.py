"""Notebook 01 in both lanes: without an account it shows everything and asks nobody; with one it starts and 99 ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from tests.support import played_aws

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "notebooks" / "01_instance.ipynb"

# Runs the notebook's cells in one process, where any connection raises, whatever the address.
PROGRAM = f"""
import socket, nbformat
def refuse(self, address): raise SystemExit(f"a connection to {{address}}")
socket.socket.connect = socket.socket.connect_ex = refuse
variables = {{}}
for cell in nbformat.read({str(SOURCE)!r}, 4).cells:
    if cell.cell_type == "code":
        exec(compile(cell.source, cell.id, "exec"), variables)
"""

# Runs the cells of notebooks 01 and 99 for the chip in one process, where AWS is played, and says what is left there.
PLAYED = f"""
import sys, nbformat
sys.path.insert(0, {str(ROOT)!r})
from moto import mock_aws
from inf2lab.aws import connection
from tests.support import played_aws
connection.LAUNCHED_HERE = connection.LAUNCHED_HERE.with_name("nowhere")
values = dict(lane="inf2", confirm=True, instance="inf2.8xlarge")
with mock_aws():
    played_aws.put_in([played_aws.REGION])
    for name in ("01_instance", "99_clean_up"):
        variables = {{}}
        for cell in nbformat.read(f"{ROOT}/notebooks/{{name}}.ipynb", 4).cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, cell.id, "exec"), variables)
                if "parameters" in cell.metadata.get("tags", ()):
                    variables.update((key, value) for key, value in values.items() if key in variables)
    groups = played_aws.own_client("ec2").describe_instances()["Reservations"]
    print("instances:", [one["State"]["Name"] for group in groups for one in group["Instances"]])
"""


def test_a_reader_without_credentials_sees_the_request_its_price_and_the_checks(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**kept, "HOME": str(tmp_path), "INF2LAB_LOGS": str(tmp_path), "INF2LAB_ROOT": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    for said in ("ec2.run_instances(", "together", "nothing was sent", "yes botocore accepts every call"):
        assert said in done.stdout
    assert done.stdout.count("PASS") == 4
    assert "FAIL" not in done.stdout
    assert not (tmp_path / "cloud").exists(), "nothing was launched, so nothing is on record"


def test_the_cells_launch_an_instance_and_leave_nothing(tmp_path: Path, free_port: int) -> None:
    logs = {"INF2LAB_LOGS": str(tmp_path), "INF2LAB_PORT": str(free_port), "INF2LAB_ROOT": str(ROOT)}
    environment = {
        **os.environ,
        **played_aws.ENVIRONMENT,
        **logs,
        "PATH": f"{played_aws.PROGRAMS}:{os.environ['PATH']}",
    }
    done = subprocess.run([sys.executable, "-c", PLAYED], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "ec2 run_instances: done",
        "runs in us-east-2 until",
        "nothing is left, nothing bills: 0 USD/h",
        "PASS  no run on AWS is open",
        "instances: ['terminated']",
    ):
        assert said in done.stdout
    assert "FAIL" not in done.stdout


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_from_the_launch_to_the_proof_that_nothing_is_left(
    moto_server: dict[str, str], aws_left: Callable[[], list[str]], tmp_path: Path, free_port: int
) -> None:
    logs = {"INF2LAB_LOGS": str(tmp_path), "INF2LAB_PORT": str(free_port)}
    words = ["-p", "lane", "inf2", "-p", "confirm", "true", "-p", "instance", "inf2.8xlarge", "01", "99"]
    command = [sys.executable, str(ROOT / "tools" / "notebooks" / "run_notebooks.py"), *words]
    done = subprocess.run(
        command, env={**os.environ, **moto_server, **logs}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (runs,) = (tmp_path / "runs").iterdir()
    text = {}
    for path in runs.glob("*.ipynb"):
        cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
        text[path.stem] = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
    assert "ec2 run_instances: done" in text["01_instance"]
    assert "runs in us-east-2 until" in text["01_instance"]
    assert "nothing is left, nothing bills: 0 USD/h" in text["99_clean_up"]
    assert "PASS  no run on AWS is open" in text["99_clean_up"]
    assert aws_left() == []
