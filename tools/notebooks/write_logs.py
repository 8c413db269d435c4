"""Writes the raw logs that notebook 08 reads, notebooks/logs/A.txt to D.txt: causes four failures and masks paths.

python tools/notebooks/write_logs.py
"""

from __future__ import annotations

import argparse
import re

from inf2lab import drills
from inf2lab.drills import Result
from inf2lab.drills.recorded import mask
from inf2lab.files import write_file
from notebook_files import NOTEBOOKS

LOGS = NOTEBOOKS / "logs"
CAUSED_BY = {
    "A": "out-of-device-memory",
    "B": "dtype-of-the-library",
    "C": "n-positions-too-small",
    "D": "prompt-beyond-the-model",
}
# Paths of the machine that wrote them, as they are on an instance; what differs from run to run.
_MASKS = (
    (r"/\S*/worker/0\.25\.0-\w+/", "/tmp/.djl.ai/python/0.25.0/"),
    (r"/\S*/emulated_neuron/", "/opt/lab/emulated_neuron/"),
    (r"/\S*/lib/python3\.\d+/", "/usr/lib/python3/"),
    (r"/\S*/inf2lab-djl-\S*/djl_sock", "/tmp/djl_sock"),
    (r"(_HOME: |log-dir )/\S*", r"\1/opt/djl/logs"),
    (r"(home: |directory: |_DIR: )/\S*", r"\1/opt/djl"),
    (r"-1:\d+", "-1:123"),
    (r"stdout: \d+ - djl", "stdout: 123 - djl"),
    (r"memory: \d+ MB", "memory: 20000 MB"),
    (r"port \d+", "port 8080"),
)


def text_of(result: Result) -> str:
    """Return what the client got, and the whole log of its server, or what that gained by the request."""
    text = mask(f"CLIENT  {result.sighting.answer}\n\n{result.sighting.log}".rstrip() + "\n")
    for pattern, shown in _MASKS:
        text = re.sub(pattern, shown, text)
    return text


def main() -> None:
    """Cause the four failures and write their logs."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    LOGS.mkdir(exist_ok=True)
    found = drills.run(drills.find(name) for name in CAUSED_BY.values())
    for letter, result in zip(CAUSED_BY, found, strict=True):
        write_file(LOGS / f"{letter}.txt", text_of(result))
        print(f"{result.verdict}  {letter}: {result.drill.title}")


if __name__ == "__main__":
    main()
