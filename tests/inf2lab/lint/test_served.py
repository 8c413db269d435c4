"""The linter and the server agree: what has an error does not load, and what has none does.

One warm server of the emulated chip, over a store of its own: each drawn folder is registered in it and taken out.
SERVED_EXAMPLES=200 draws as many.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from inf2lab import ModelFolder, Settings
from inf2lab.lint import Target, lint
from inf2lab.lint.finding import Severity
from inf2lab.serving.rehearsal import RehearsalServer
from inf2lab.weights import prepare_standin
from tests.support import ports

PROFILE, INSTANCE, CORES = "djl-0.25", "inf2.24xlarge", 12
PATIENCE_S = 120
ENTRY = "djl_python.transformers_neuronx"
ECHO = """\
from djl_python import Input, Output


def handle(inputs):
    if inputs.is_empty():
        return None
    return Output().add_as_json(inputs.get_as_json())
"""
# Loads as notebook 04's handler does, and answers with the first row's tokens.
OWN = """\
import tempfile

import torch
from djl_python import Input, Output
from transformers import AutoModelForCausalLM
from transformers_neuronx.module import save_pretrained_split
from transformers_neuronx.opt.model import OPTForSampling

model = None


def load(properties):
    split = tempfile.mkdtemp()
    save_pretrained_split(AutoModelForCausalLM.from_pretrained(properties["model_id"], torch_dtype="auto"), split)
    loaded = OPTForSampling.from_pretrained(
        split,
        amp=properties.get("dtype", "f16"),
        tp_degree=int(properties.get("tensor_parallel_degree", 1)),
        n_positions=int(properties.get("n_positions", 2048)),
        batch_size=int(properties.get("batch_size", 1)),
    )
    loaded.to_neuron()
    return loaded


def handle(inputs):
    global model
    if model is None:
        model = load(inputs.get_properties())
    if inputs.is_empty():
        return None
    rows = torch.tensor([[2, 3]] * model.batch_size)
    if len(rows) != model.batch_size:
        raise ValueError(len(rows))
    return Output().add_as_json(model.sample(rows, 8)[0].tolist())
"""
# What a folder says, the usual first: (the handler's line, model.py).
HANDLERS = {
    "built-in": (f"option.entryPoint={ENTRY}", None),
    "chosen by the server": ("", None),
    "echo": ("", ECHO),
    "own": ("option.dtype=f16", OWN),
    "own, by its file": ("option.entryPoint=model.py\noption.dtype=f16", OWN),
    "own, in the other's words": ("option.dtype=fp16", OWN),
    "own, of a degree": ("option.dtype=f16", OWN.replace('int(properties.get("tensor_parallel_degree", 1))', "2")),
    "another release's": (f"option.entryPoint={ENTRY.replace('s_', 's-')}", None),
    "another file": ("option.entryPoint=handler.py", ECHO),
    "no function": ("", ECHO.replace("handle", "predict")),
    "no syntax": ("", ECHO.replace("(inputs):", "(inputs)")),
    "a later library's": ("", f"from transformers_neuronx.mistral.model import MistralForSampling\n{ECHO}"),
}
# Keys of the file, each with its usual value and others.
OPTIONS: dict[str, list[str | None]] = {
    "engine": ["Python", None, "python", "MPI"],
    "option.model_id": ["facebook/opt-1.3b", "facebook/opt-13b", "facebook/opt-66b", None],
    "option.tensor_parallel_degree": ["2", "1", "3", "8", "24", "max", "two", None],
    "option.dtype": ["fp16", "fp32", "bf16", "f16", "int4", None],
    "option.n_positions": ["256", "2048", "4096", "0", "-1", None],
    "option.batch_size": ["1", "2", "x", "0", None],
    "option.load_in_8bit": [None, "true", "True", "false"],
    "option.unroll": [None, "24", "none"],
    "job_queue_size": [None, "100", "many"],
    "option.model_loading_timeout": [None, "0", "1200", "long"],
}
ODD = [(key, value) for key, values in OPTIONS.items() for value in values[1:]]
# Where they differ, and why: of a folder without `option.model_id` the linter only warns, because a variable of the
# container may name the model.

Load = Callable[[str, str | None], tuple[Path, int]]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    """A function that registers a folder of these files with the one server and gives it with the answer's status."""
    place = tmp_path_factory.mktemp("served")
    store = place / "store"
    store.mkdir()
    for model in OPTIONS["option.model_id"]:
        prepare_standin(model or "facebook/opt-1.3b")
    port, numbers = ports.free_port(), itertools.count()
    wanted = Settings(profile=PROFILE, instance=INSTANCE, port=port)
    environment = RehearsalServer(wanted, ModelFolder(store)).environment() | {
        "REHEARSAL_INSTANCE": str(place / "cores"),
        "TMPDIR": str(place),
    }
    command = [sys.executable, "-m", "rehearsal.server", "--model-store", str(store), "--port", str(port)]
    command += ["--djl-version", "0.25.0", "--neuron-cores", str(CORES), "--worker-limit", "1"]
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=subprocess.STDOUT)
    client, address = requests.Session(), f"http://127.0.0.1:{port}"

    def register(properties: str, handler: str | None) -> tuple[Path, int]:
        folder = store / f"m{next(numbers)}"
        write(folder, properties, handler)
        status = client.post(f"{address}/models", params={"url": str(folder)}, timeout=PATIENCE_S).status_code
        client.delete(f"{address}/models/{folder.name}", timeout=PATIENCE_S)
        return folder, status

    try:
        while server.poll() is None and not answers(client, address):
            time.sleep(0.05)
        yield register
    finally:
        client.close()
        server.terminate()
        server.wait(PATIENCE_S)


def answers(client: requests.Session, address: str) -> bool:
    try:
        return client.get(f"{address}/ping", timeout=PATIENCE_S).ok
    except requests.ConnectionError:
        return False


def write(folder: Path, properties: str, handler: str | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "serving.properties").write_text(properties)
    if handler is not None:
        (folder / "model.py").write_text(handler)


def properties_of(line: str, odd: dict[str, str | None]) -> str:
    """serving.properties: the handler's line where nothing odd stands for it, and the usual values."""
    own = dict(part.split("=") for part in line.splitlines())
    said = {key: values[0] for key, values in OPTIONS.items()} | own | odd
    return "\n".join([*(f"{key}={value}" for key, value in said.items() if value is not None), ""])


@settings(
    max_examples=int(os.environ.get("SERVED_EXAMPLES", "10")),
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
)
@given(
    handler=st.one_of(st.just("built-in"), st.sampled_from(list(HANDLERS))),
    odd=st.lists(st.sampled_from(ODD), max_size=2, unique_by=lambda pair: pair[0]),
)
def test_a_folder_loads_exactly_where_the_linter_finds_no_error(
    handler: str, odd: list[tuple[str, str | None]], load: Load
) -> None:
    line, code = HANDLERS[handler]
    properties = properties_of(line, dict(odd))
    folder, status = load(properties, code)
    findings = lint(folder, Target(PROFILE, INSTANCE)).findings
    errors = [str(one) for one in findings if one.severity is Severity.ERROR]
    if "option.model_id" in properties:  # see above
        assert (status == 200) == (errors == []), f"{status}: {errors}\n{properties}"
