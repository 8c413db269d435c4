"""What the chip does meanwhile: documents of `neuron-monitor`, which prints one JSON object a period.

A group that the monitor could not read carries an `error` or is null; it is left out, and never counted as zero.
Format: Neuron Monitor user guide, and documents recorded on inf1 and inf2 (tests/inf2lab/measure/fixtures).
"""

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inf2lab.errors import MeasureError

PROGRAM = "neuron-monitor"
GROUPS = ("neuroncore_counters", "memory_used", "execution_stats")
CONFIGURATION = {
    "period": "1s",
    "neuron_runtimes": [{"tag_filter": ".*", "metrics": [{"type": group} for group in GROUPS]}],
    "system_metrics": [{"type": "memory_info"}, {"type": "neuron_hw_counters"}],
}


@dataclass(frozen=True)
class ChipMoment:
    """One document: utilisation in per cent by NeuronCore, memory in bytes, executions and their p50 in ms.

    None is what the document does not say.
    """

    utilisation: Mapping[int, float]
    device_bytes: int | None
    host_bytes: int | None
    completed: int | None
    failed: int | None
    p50_ms: float | None
    ecc_uncorrected: int | None
    problems: tuple[str, ...]


@dataclass(frozen=True)
class ChipView:
    """All documents of a load."""

    moments: tuple[ChipMoment, ...]


def read_monitor(lines: Iterable[str]) -> ChipView:
    """Return what `neuron-monitor` printed, one document a line; raises MeasureError for a line that is no JSON."""
    moments = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                document = json.loads(line)
            except ValueError as error:
                raise MeasureError(f"line {number} of {PROGRAM}'s output is no JSON: {line[:60]!r}") from error
            moments.append(read_document(document))
    return ChipView(tuple(moments))


def recorded() -> list[str]:
    """Return what `neuron-monitor` printed on an inf2.xlarge in 2026, for machines without the chip."""
    return Path(__file__).with_name("neuron_monitor.jsonl").read_text(encoding="utf-8").splitlines()


def read_document(document: Mapping[str, Any]) -> ChipMoment:
    """Return what one document says, summed over the runtimes of all processes."""
    problems: list[str] = []
    utilisation: dict[int, float] = {}
    found: defaultdict[str, list[int]] = defaultdict(list)
    medians: list[float] = []
    for runtime in document.get("neuron_runtime_data") or ():
        if runtime.get("error"):
            problems.append(f"runtime {runtime.get('pid', '?')}: {runtime['error']}")
            continue
        report = runtime.get("report") or {}
        for core, counters in (_group(report, "neuroncore_counters", problems).get("neuroncores_in_use") or {}).items():
            used = (counters or {}).get("neuroncore_utilization")
            if used is not None:
                utilisation[int(core)] = utilisation.get(int(core), 0.0) + float(used)
        used_bytes = _group(report, "memory_used", problems).get("neuron_runtime_used_bytes") or {}
        # The guide says `neuron_device`; a document of 2026 from inf2 says `device`.
        found["device"] += _numbers(used_bytes, "neuron_device", "device")
        found["host"] += _numbers(used_bytes, "host")
        stats = _group(report, "execution_stats", problems) or _group(report, "inference_stats", problems)
        summary = stats.get("execution_summary") or stats.get("inference_summary") or {}
        found["completed"] += _numbers(summary, "completed")
        found["failed"] += [value for key, value in summary.items() if key != "completed" and value is not None]
        latencies = stats.get("latency_stats") or {}
        latency = latencies.get("total_latency") or latencies.get("device_latency") or {}
        if latency.get("p50") is not None:
            medians.append(1e3 * float(latency["p50"]))
    hardware = _group(document.get("system_data") or {}, "neuron_hw_counters", problems)
    for device in hardware.get("neuron_devices") or ():
        found["ecc"] += [n for name, n in device.items() if name.endswith("_uncorrected") and n is not None]
    sums = {name: sum(values) for name, values in found.items() if values}  # what nobody says is not zero
    return ChipMoment(
        utilisation=utilisation,
        device_bytes=sums.get("device"),
        host_bytes=sums.get("host"),
        completed=sums.get("completed"),
        failed=sums.get("failed"),
        p50_ms=max(medians, default=None),
        ecc_uncorrected=sums.get("ecc"),
        problems=tuple(problems),
    )


@contextlib.contextmanager
def watching() -> Iterator[list[str]]:
    """Run `neuron-monitor` beside a block, and collect its lines in the list that is given.

    Raises MeasureError where the program is not installed: it comes with the Neuron tools, on the instance only.
    """
    program = shutil.which(PROGRAM) or shutil.which(f"/opt/aws/neuron/bin/{PROGRAM}")
    if program is None:
        raise MeasureError(f"{PROGRAM} is not installed: it is part of aws-neuronx-tools, on an inf2 instance")
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="inf2lab-monitor-") as scratch:
        configuration = Path(scratch) / "monitor.conf"
        configuration.write_text(json.dumps(CONFIGURATION))
        out = Path(scratch) / "documents"
        with out.open("wb") as sink:
            process = subprocess.Popen([program, "-c", str(configuration)], stdout=sink, stderr=subprocess.DEVNULL)
            try:
                yield lines
            finally:
                process.terminate()
                process.wait()
        whole = out.read_text(errors="replace").split("\n")
        lines += whole[:-1]  # the last line may have been cut off


def _group(report: Mapping[str, Any], name: str, problems: list[str]) -> Mapping[str, Any]:
    found = report.get(name) or {}
    if found.get("error"):
        problems.append(f"{name}: {found['error']}")
        return {}
    return found


def _numbers(values: Mapping[str, Any], *names: str) -> list[int]:
    return [int(values[name]) for name in names if values.get(name) is not None][:1]
