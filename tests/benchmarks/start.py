"""How long a reader waits from `serve` to ready, and where the time goes: `python tests/benchmarks/start.py`.

Two folders are served in turns, that of notebook 04 with its own model.py and the built-in handler's, five times each.
Seconds on the clock mean something on a quiet machine only; the processors' seconds of server and worker are printed
beside them, and on a busy machine they are compared with those of another commit, in turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from inf2lab import ModelFolder, Settings, paths, write_properties
from inf2lab.serving import RehearsalServer
from inf2lab.serving.ports import free_port

NOTEBOOK = paths.root() / "notebooks" / "04_model_py.ipynb"
OPTIONS = {"engine": "Python", "option.model_id": "facebook/opt-13b", "option.tensor_parallel_degree": 2}
OWN = {**OPTIONS, "option.batch_size": 2, "option.n_positions": 2048, "option.dtype": "f16"}
BUILT_IN = {
    **OPTIONS,
    "option.entryPoint": "djl_python.transformers_neuronx",
    "option.batch_size": 2,
    "option.n_positions": 128,
    "option.dtype": "fp16",
}


def handler() -> str:
    """Return model.py as notebook 04 writes it, cell by cell."""
    cells = ("".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"])
    parts = [cell.split("\n", 1) for cell in cells if cell.startswith("%%writefile")]
    return "\n".join(text for first, text in parts if first.endswith("/model.py"))


def write_folders(store: Path) -> list[ModelFolder]:
    """Write both folders into `store`."""
    made = []
    for name, properties in (("own", OWN), ("built_in", BUILT_IN)):
        folder = ModelFolder(store / name)
        write_properties(folder.properties_path, properties)
        if properties is OWN:
            folder.handler_path.write_text(handler(), encoding="utf-8")
        made.append(folder)
    return made


def serve(folder: ModelFolder) -> tuple[float, float, list[str]]:
    """Serve a folder until it is ready, stop it, and return seconds, the processors' seconds, and the steps."""
    server, steps = RehearsalServer(Settings(port=free_port()), folder), []
    began = time.monotonic()
    server.start(lambda line: None)
    before = time.monotonic() - began
    try:
        server.wait_ready(report=steps.append)
        seconds = time.monotonic() - began
        process = server.process()
        assert process is not None
        times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    finally:
        server.stop()
    return seconds, sum(each.user + each.system for each in times), [f"{before:.1f} s  before the process", *steps]


def main() -> None:
    """Print the median of some starts of each folder, and the steps of the last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=5, help="starts of each folder")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as store:
        for folder in write_folders(Path(store)):
            runs = [serve(folder) for _ in range(times)]
            clock, processors = (statistics.median(run[kind] for run in runs) for kind in (0, 1))
            print(f"{folder.name}: {clock:.1f} s to ready, {processors:.1f} s of the processors, medians of {times}")
            print("\n".join(f"  {step}" for step in runs[-1][2]))


if __name__ == "__main__":
    main()
