"""DJL 0.25's built-in handler, its own code unchanged, on the emulation: loading, sampling, generate(), streaming."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedModel, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parents[3]

# Calls handle() as DJL's worker does: an empty input to load, then one JSON body; prints what it answers.
CALL = """
import json, logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
from djl_python import Input, Output
from djl_python.pair_list import PairList
import djl_python.transformers_neuronx as handler

properties, bodies = json.loads(sys.argv[1]), json.loads(sys.argv[2])

def call(content):
    inputs = Input()
    inputs.properties = dict(properties) if content is None else {"Content-Type": "application/json"}
    inputs.content = PairList()
    if content is not None:
        inputs.content.add(key="data", value=json.dumps(content).encode())
    return handler.handle(inputs)

call(None)
answers = []
for body in bodies:
    output = call(body)
    if output.stream_content is not None:
        answers.append("".join("".join(part) for part in output.stream_content))
    else:
        answers.append(json.loads(bytes(output.content.value_at(0))))
print(json.dumps(answers))
"""


@pytest.fixture(scope="session")
def worker_package() -> Path:
    """The folder with DJL's Python worker, fetched once by the server's own command."""
    done = subprocess.run(
        [sys.executable, "-m", "rehearsal.server.worker_package"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "lib")}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"DJL's worker cannot be fetched here: {done.stderr.strip().splitlines()[-1:]}")
    return Path(done.stdout.strip().splitlines()[-1])


def save_with_tokenizer(reference: PreTrainedModel, folder: Path) -> None:
    """A model folder as a hub holds it, with a tokenizer whose words are w3 ... w99."""
    vocabulary = {"<unk>": 0, "<pad>": 1, "</s>": 2, **{f"w{i}": i for i in range(3, 100)}}
    words = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    special = {"eos_token": "</s>", "bos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder)
    reference.save_pretrained(folder)


def answers(worker_package: Path, folder: Path, properties: dict[str, Any], *bodies: Any) -> list[Any]:
    """What the handler answers to each body after loading the model of `folder`; AssertionError with its log."""
    path = [worker_package, ROOT / "lib" / "rehearsal" / "neuron", ROOT / "lib"]
    settings = {"model_id": str(folder), "tensor_parallel_degree": "2", "n_positions": "128", "dtype": "fp16"}
    done = subprocess.run(
        [sys.executable, "-c", CALL, json.dumps({**settings, **properties}), json.dumps(bodies)],
        env={
            **os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "HF_HUB_OFFLINE": "1",
            "NEURON_CC_FLAGS": "--logfile compile.log", "SERVING_DOWNLOAD_DIR": str(folder.parent),
        },
        capture_output=True, text=True, timeout=120, cwd=folder.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def folder(opt_reference: PreTrainedModel, tmp_path: Path) -> Path:
    save_with_tokenizer(opt_reference, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("through_disk", ["false", "true"])
def test_sampling_is_the_default(worker_package: Path, folder: Path, through_disk: str) -> None:
    properties = {"batch_size": "2", "low_cpu_mem_usage": through_disk}
    body = {"inputs": ["w5 w6 w7", "w8 w9 w10"], "parameters": {"max_new_tokens": 20}}
    (texts,) = answers(worker_package, folder, properties, body)
    assert [text["generated_text"].split()[:3] for text in texts] == [["w5", "w6", "w7"], ["w8", "w9", "w10"]]
    assert max(len(text["generated_text"].split()) for text in texts) <= 20  # total, whatever the name says


def test_generate_is_used_on_request(worker_package: Path, folder: Path) -> None:
    body = {"inputs": "w5 w6 w7", "parameters": {"use_sample": False, "max_new_tokens": 5}}
    first, second = answers(worker_package, folder, {}, body, body)
    assert first == second
    assert first[0]["generated_text"].startswith("w5 w6 w7")


def test_streaming(worker_package: Path, folder: Path) -> None:
    (text,) = answers(worker_package, folder, {"enable_streaming": "true"}, {"inputs": "w5 w6 w7"})
    assert text.startswith("w")


def test_wrong_degree_is_reported_by_the_handler(worker_package: Path, folder: Path) -> None:
    with pytest.raises(AssertionError, match="nrt_load_collectives"):
        answers(worker_package, folder, {"tensor_parallel_degree": "3"}, {"inputs": "w5"})
