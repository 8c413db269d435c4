"""neuron-monitor's documents: recorded ones of three generations, and groups that are null or failed."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from inf2lab.errors import MeasureError
from inf2lab.measure import read_document, read_monitor, recorded, watching
from inf2lab.measure.chip import CONFIGURATION

FIXTURES = Path(__file__).with_name("fixtures")


def lines(name: str) -> list[str]:
    return recorded() if name == "inf2_2026" else (FIXTURES / f"{name}.jsonl").read_text().splitlines()


def test_a_document_of_inf2() -> None:
    (moment,) = read_monitor(lines("inf2_2026")).moments
    assert moment.utilisation == pytest.approx({0: 89.4009, 1: 0}, abs=1e-4)
    assert (moment.device_bytes, moment.host_bytes) == (141649980, 1166249984)
    assert (moment.completed, moment.failed, moment.ecc_uncorrected) == (816, 0, 0)
    assert moment.p50_ms == pytest.approx(1.1218, abs=1e-4)
    assert moment.problems == ()


def test_a_document_with_total_latency_and_the_older_key_for_memory() -> None:
    (moment,) = read_monitor(lines("inf1_2023")).moments
    assert moment.device_bytes == 63118912
    assert moment.p50_ms == pytest.approx(3.279, abs=1e-3)  # total, which includes the host's part
    assert len(moment.utilisation) == 4


def test_the_first_guides_document_says_inference() -> None:
    (moment,) = read_monitor(lines("guide_v1")).moments
    assert (moment.completed, moment.failed) == (123, 0)
    assert moment.p50_ms == pytest.approx(11.00008)
    assert moment.ecc_uncorrected is None  # its counters stood with the runtime


def test_what_is_null_or_failed_is_not_zero() -> None:
    nothing, idle, half = read_monitor(lines("nulls")).moments
    assert nothing.utilisation == {}
    assert (nothing.completed, nothing.device_bytes, nothing.ecc_uncorrected) == (None, None, None)
    assert (idle.completed, idle.p50_ms, idle.device_bytes, idle.utilisation) == (0, None, None, {})
    assert half.utilisation == {2: 50.5}
    assert (half.completed, half.failed) == (5, 3)
    assert half.problems == ("runtime 8: could not read the runtime", "memory_used: no memory report")


def test_two_processes_on_one_chip_add_up() -> None:
    document = json.loads(lines("inf2_2026")[0])
    document["neuron_runtime_data"] *= 2
    moment = read_document(document)
    assert (moment.completed, moment.device_bytes) == (1632, 283299960)


def test_a_line_that_is_no_json_is_named() -> None:
    with pytest.raises(MeasureError, match="line 2"):
        read_monitor([lines("inf2_2026")[0], "neuron-monitor: command failed"])


def test_the_program_is_run_beside_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of that name that checks its configuration and prints recorded documents until it is ended."""
    program = tmp_path / "neuron-monitor"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, sys, time\n"
        f"assert json.load(open(sys.argv[2])) == {CONFIGURATION!r}\n"
        f"line = {recorded()[0]!r}\n"
        "while True:\n"
        "    print(line, flush=True)\n"
        f"    open({str(tmp_path / 'printed')!r}, 'w').close()\n"
        "    print('{\"cut', end='', flush=True)\n"
        "    time.sleep(60)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with watching() as seen:
        until = time.monotonic() + 20
        while not (tmp_path / "printed").exists() and time.monotonic() < until:
            time.sleep(0.02)
    assert len(read_monitor(seen).moments) == 1  # the line that was cut off is left out


def test_where_there_is_no_chip_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MeasureError, match="aws-neuronx-tools"), watching():
        pass
