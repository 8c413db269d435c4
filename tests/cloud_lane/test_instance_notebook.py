"""Notebook 01 in both lanes: without an account it shows everything and asks nobody; with one it starts and 99 ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from moto import mock_aws

from inf2lab.serving.registry import Published
from tests.support import played_aws
from tests.support.cells import run_cells

REGION = "us-east-2"
ROOT = Path(__file__).resolve().parents[2]

# Runs the notebook's cells in one process, where any connection raises, whatever the address.
PROGRAM = """
import socket
def refuse(self, address): raise SystemExit(f"a connection to {address}")
socket.socket.connect = socket.socket.connect_ex = refuse
from tests.support.cells import run_cells
run_cells("01_instance", {})
"""


def test_a_reader_without_credentials_sees_the_request_its_price_and_the_checks(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**kept, "HOME": str(tmp_path), "INF2LAB_LOGS": str(tmp_path), "INF2LAB_ROOT": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for said in ("ec2.run_instances(", "together", "nothing was sent", "yes botocore accepts every call"):
        assert said in done.stdout
    assert done.stdout.count("PASS") == 4
    assert "FAIL" not in done.stdout
    assert not (tmp_path / "cloud").exists(), "nothing was launched, so nothing is on record"


def test_the_cells_launch_an_instance_and_leave_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, free_port: int
) -> None:
    logs = {"INF2LAB_LOGS": str(tmp_path), "INF2LAB_ROOT": str(ROOT)}
    for name, value in {**played_aws.ENVIRONMENT, **logs}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(played_aws.PROGRAMS), prepend=os.pathsep)
    monkeypatch.setattr("inf2lab.aws.connection.LAUNCHED_HERE", Path("/nowhere"))
    there = Published("image", True, "the registry has it")
    monkeypatch.setattr("inf2lab.serving.registry.ask_registry", lambda image: there)
    monkeypatch.chdir(tmp_path)  # a cell goes elsewhere
    with mock_aws():
        played_aws.put_in([REGION])
        run_cells("01_instance", {"lane": "inf2", "confirm": True, "instance": "inf2.8xlarge"})
        run_cells("99_clean_up", {"lane": "inf2", "port": free_port})
        groups = played_aws.own_client("ec2").describe_instances()["Reservations"]
    assert [one["State"]["Name"] for group in groups for one in group["Instances"]] == ["terminated"]
    printed = capsys.readouterr().out
    for said in ("ec2 run_instances: done", "runs in us-east-2 until", "nothing is left, nothing bills: 0 USD/h"):
        assert said in printed
    assert "PASS  no run on AWS is open" in printed
    assert "FAIL" not in printed
