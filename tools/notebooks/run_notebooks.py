"""Runs the tutorial's notebooks in order and shows the endpoint's answer: what `make run` calls.

    run_notebooks.py                             the way to an answer: 00 to 06, and 99
    run_notebooks.py --all                       what comes after it too: measure, break, scale out
    run_notebooks.py -p tensor_parallel_degree 8 with a parameter changed where it is declared
    run_notebooks.py 02 03                       some of them
    run_notebooks.py --model smollm2-135m        with a model that speaks for itself, fetched first

The executed copies stay in logs/runs/<time>/ (the last five runs); the notebooks themselves are not changed.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import papermill
from nbformat import NotebookNode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tools/warm_worker.py

import sparing_engine
from inf2lab import catalog, paths
from inf2lab.errors import LabError
from inf2lab.settings import Settings
from inf2lab.weights import fetch
from neuron_rules import GENERATIONS, check_degree
from notebook_files import (
    NOTEBOOKS,
    ROOT,
    Failure,
    NotebookToolError,
    Parameter,
    failure_of,
    find_notebooks,
    is_clean_up,
    kernel_class,
    parameters_of,
    parse_parameters,
    read_notebook,
    title_of,
)
from warm_worker import importing_at_once

ANSWER = "answer.json"  # in the logs folder, written by the notebook that calls the endpoint
SHOWN_WORDS = 120  # of each text; the article asks for 2048 tokens
MAIN_PATH_ENDS = (
    "06"  # the notebook that calls the endpoint; later ones need minutes, and the answer does not need them
)
KEPT_RUNS = 5
KERNEL_LOG = "kernels.log"
QUICK_CELL_S = 900  # of a cell in the rehearsal
# A laptop draws 2048 tokens of a real model in minutes: with --model less is asked of it, by default.
LESS = {"seq_length": 256, "output_tokens": 8}
_STAMP = re.compile(r"\d{8}-\d{6}(-\d+)?")


@dataclass(frozen=True)
class Run:
    """One run of the tutorial: where its executed notebooks go and how its kernels are started."""

    out: Path
    cwd: Path
    cell_timeout_s: int
    started: float  # time.time(): tells this run's answer and server logs from older ones
    model: dict[str, Any] = field(default_factory=dict)  # parameters that --model stands for


def new_run_folder(runs: Path, *, keep: int) -> Path:
    """A new folder named by the time; older ones beyond `keep` (this one counted) are removed."""
    stamp, number = time.strftime("%Y%m%d-%H%M%S"), 1
    folder = runs / stamp
    while folder.exists():
        number += 1
        folder = runs / f"{stamp}-{number}"
    folder.mkdir(parents=True)
    older = sorted(path for path in runs.iterdir() if path.is_dir() and _STAMP.fullmatch(path.name) and path != folder)
    for path in older[: max(0, len(older) - (keep - 1))]:
        shutil.rmtree(path, ignore_errors=True)
    return folder


def execute(path: Path, run: Run, values: dict[str, Any]) -> Failure | None:
    """Executes one notebook into the run's folder, with those values it declares; returns where it failed."""
    notebook = read_notebook(path)
    declared = parameters_of(notebook)
    given = {**run.model, **values} if "model_name" in declared else values
    mine = {name: value for name, value in given.items() if name in declared}
    target, error = run.out / path.name, None
    try:
        papermill.execute_notebook(
            path,
            target,
            engine_name=sparing_engine.NAME,
            parameters=mine,
            cwd=run.cwd,
            kernel_name="python3",
            progress_bar=False,
            execution_timeout=run.cell_timeout_s,
            coalesce_streams=True,  # outputs look as in the built notebooks
            kernel_manager_class=kernel_class(run.out / KERNEL_LOG),
        )
    except Exception as caught:  # a failing cell, a dead kernel, a time-out: each is reported with its cell
        error = caught
    executed = read_notebook(target) if target.exists() else notebook
    return failure_of(executed, error)


def on_main_path(path: Path) -> bool:
    """Whether a notebook is one of those that `make run` takes from nothing to the endpoint's answer."""
    return path.stem[:2] <= MAIN_PATH_ENDS or is_clean_up(path)


def run_in_order(notebooks: list[Path], run: Run, values: dict[str, Any]) -> int:
    """Runs the notebooks until one fails; the clean-up notebook among them runs in any case.

    Returns 0, 1 when one failed, 130 when interrupted.
    """
    code = 0
    for number, path in enumerate(notebooks, 1):
        if code and not is_clean_up(path):
            continue
        ended = 0
        try:
            ended = run_one(path, f"[{number:>{len(str(len(notebooks)))}}/{len(notebooks)}]", run, values)
        except KeyboardInterrupt:
            print("interrupted; cleaning up (interrupt again to leave at once)", flush=True)
            ended = 130
        if ended and is_clean_up(path):
            stop_server()
        code = code or ended
    return code


def run_one(path: Path, number: str, run: Run, values: dict[str, Any]) -> int:
    """Runs one notebook and prints its progress line, or its failure; returns 0 or 1."""
    print(f"{number} {path.stem}: {title_of(read_notebook(path))} ... ", end="", flush=True)
    started = time.monotonic()
    failure = execute(path, run, values)
    print(f"{'FAILED after ' if failure else ''}{time.monotonic() - started:.1f} s", flush=True)
    if failure is None:
        return 0
    report(failure, path, run)
    return 1


def report(failure: Failure, path: Path, run: Run) -> None:
    """Prints what a person needs after a failure: the cell, the error, the files to look at."""
    print(failure.text())
    print(f"  executed notebook: {paths.shown(run.out / path.name)}")
    for log in server_logs(run.started):
        print(f"  server log: {paths.shown(log)}")
    print(f"  in short: {failure.message}", flush=True)


def server_logs(since: float) -> list[Path]:
    """The server's log files under logs/ that were written since then, newest first, at most two."""
    logs = [path for path in paths.logs().glob("**/*.log") if path.name != KERNEL_LOG]
    dated = sorted(((path.stat().st_mtime, path) for path in logs), reverse=True)
    return [path for written, path in dated if written >= since][:2]


def stop_server() -> None:
    """Stops what the notebooks started when the clean-up notebook could not."""
    command = Path(sys.executable).with_name("inf2lab")
    if command.exists():
        subprocess.run([command, "stop"], cwd=ROOT, check=False, timeout=60)


def show_answer(answer: Path, since: float) -> None:
    """Prints the endpoint's answer that this run's notebook wrote, or says that there is none."""
    if not answer.exists() or answer.stat().st_mtime < since:
        print(f"This run wrote no answer to {paths.shown(answer)}.")
        return
    content = json.loads(answer.read_text(encoding="utf-8"))
    where = ""
    if content.get("lane") == "rehearsal":
        speaker = content.get("played_by")
        itself = speaker is not None and speaker == content.get("model")
        where = f" on this machine's processor, {f'by {speaker} itself' if itself else 'with small stand-in weights'}"
    print(f"\nThe endpoint's answer ({content['seconds']:.1f} s{where}):")
    for prompt, text in zip(content["prompt"], content["text"], strict=True):
        words = text.split()
        more = len(words) - SHOWN_WORDS
        rest = f" [{more} more words in {paths.shown(answer)}]" if more > 0 else ""
        print(f"\n  prompt: {prompt}")
        wrapped = textwrap.wrap(" ".join(words[:SHOWN_WORDS]) + rest, width=100)
        print(textwrap.indent("\n".join(wrapped), " " * 10).replace(" " * 10, "  answer: ", 1))


def model_parameters(name: str) -> dict[str, Any]:
    """Fetches the model that a person means, says what its heads allow, and returns the parameters it stands for.

    Raises LabError: an unknown name, weights that cannot be had.
    """
    standin = fetch(name)
    print("\n".join(degrees(standin.model_id)))
    folder = re.sub(r"\W+", "_", standin.model_id.rpartition("/")[2].lower())
    print(f"Notebooks with a model folder write and serve models/{folder}; the others keep OPT-13B,")
    print("and so does the text around the cells: where it speaks of OPT-13B, this model answers.\n", flush=True)
    return {"model_id": standin.model_id, "model_name": folder, **LESS}


def degrees(model_id: str) -> list[str]:
    """Lines that say which tensor parallel degrees suit the model's heads: later rules, and the article's."""
    settings = Settings(model_id=model_id, tensor_parallel_degree=1)
    model = settings.model
    lines = [f"It has {model.heads} attention heads, and keys and values for {model.kv_heads}:"]
    for degree in (1, 2, 3, 4):
        verdict = check_degree(degree, model, generation=settings.generation, cores=settings.hardware.cores)
        said = [reason.text for reason in verdict.reasons] or list(verdict.notes) or ["whole heads on every core"]
        divides = verdict.reasons and model.heads % degree == 0
        lines.append(f"  degree {degree}: {'it divides the heads, but ' if divides else ''}{'; '.join(said)}")
    older = GENERATIONS["0.2"]
    if model.architecture not in older.architectures:
        lines.append(f"  The article's release has no {model.family.title} at all, at any degree.")
    used = Settings().tensor_parallel_degree
    return [*lines, f"This run uses degree {used}, unless -p tensor_parallel_degree changes it."]


def cell_timeout_s(lane: str | None, wanted: int | None = None) -> int:
    """How long a cell may take: on the chip one may pull the image, load, and load again what was killed.

    Raises NotebookToolError where less is wanted than one load may take: the run would fail while it bills.
    """
    load_s = catalog.loading_facts().first_load_s
    if lane == "inf2" and wanted and wanted < load_s:
        raise NotebookToolError(f"--cell-timeout {wanted}: a first load on the chip may take {load_s} s, leave it out")
    return wanted or (2 * load_s if lane == "inf2" else QUICK_CELL_S)


def all_parameters(notebooks: list[NotebookNode]) -> dict[str, Parameter]:
    """Every parameter that a notebook declares; raises NotebookToolError when two disagree on a type."""
    found: dict[str, Parameter] = {}
    for parameter in (p for notebook in notebooks for p in parameters_of(notebook).values()):
        first = found.setdefault(parameter.name, parameter)
        if first.type_name != parameter.type_name:
            raise NotebookToolError(
                f"parameter {parameter.name!r} is {first.type_name} in one notebook and "
                f"{parameter.type_name} in another; give it one type"
            )
    return found


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line of this tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NOTEBOOK",
        help="notebooks to run, as 06 or 06_call; the way to the endpoint's answer when none is given",
    )
    parser.add_argument("--all", action="store_true", help="every notebook, in order")
    parser.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="change a parameter wherever it is declared",
    )
    parser.add_argument(
        "--model", metavar="NAME", help="fetch this model and serve it: smollm2-135m, or a name on the hub"
    )
    parser.add_argument("--source", type=Path, default=NOTEBOOKS, help="folder of the notebooks")
    parser.add_argument("--out", type=Path, help="folder that holds one folder a run (logs/runs)")
    parser.add_argument("--answer", type=Path, help=f"where a notebook leaves the answer (logs/{ANSWER})")
    parser.add_argument("--cwd", type=Path, default=ROOT, help="folder that the kernels start in")
    parser.add_argument("--keep", type=int, default=KEPT_RUNS, metavar="N", help="runs to keep, this one included")
    parser.add_argument(
        "--cell-timeout",
        type=int,
        metavar="SECONDS",
        help=f"a cell that takes longer fails ({QUICK_CELL_S}; on the chip twice a first load)",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 when every notebook ran, 1 when one failed, 2 when none could start, 130 when interrupted."""
    options = parse_arguments(arguments)
    for library in ("papermill", "asyncio"):  # they repeat each failure, which `report` shows in short
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        notebooks = find_notebooks(options.source, options.names)
        if not (options.names or options.all):
            notebooks = [path for path in notebooks if on_main_path(path)]
        values = parse_parameters(
            [tuple(pair) for pair in options.p], all_parameters([read_notebook(path) for path in notebooks])
        )
        lane = values.get("lane") or paths.parameter_from_environment("lane")
        cell_s = cell_timeout_s(lane, options.cell_timeout)
        model = model_parameters(options.model) if options.model else {}
    except (NotebookToolError, LabError) as error:
        print(error, file=sys.stderr)
        return 2
    run = Run(
        new_run_folder(options.out or paths.logs() / "runs", keep=options.keep), options.cwd, cell_s, time.time(), model
    )
    # A large model of `--model` wants all threads, which a fork has not; on the chip the workers are elsewhere. Where
    # notebooks are named, a server may have to outlive this run.
    quick = not (options.names or options.model or lane == "inf2")
    with importing_at_once() if quick else nullcontext():
        code = run_in_order(notebooks, run, values)
    if code == 0 and not options.names:
        show_answer(options.answer or paths.logs() / ANSWER, run.started)
    print(f"\nExecuted notebooks: {paths.shown(run.out)}/ ({time.time() - run.started:.0f} s in all)")
    if code == 0 and not options.names:
        print("Read and change them yourself: `make lab` opens the first one in JupyterLab.")
    return code


if __name__ == "__main__":
    for stop in (signal.SIGTERM, signal.SIGHUP):  # a stopped run is cleaned up like an interrupted one
        signal.signal(stop, signal.default_int_handler)
    sys.exit(main())
