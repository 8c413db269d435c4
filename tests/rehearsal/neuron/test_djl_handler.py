"""DJL 0.25's built-in handler, its own code unchanged, on the emulation: every architecture and way of generating."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

import warm_worker
from inf2lab.weights import standins
from neuron_rules import GENERATIONS

ROOT = Path(__file__).resolve().parents[3]

# Serves one session for each line of its input: loads with an empty input as DJL's worker does, then answers each
# list of bodies; a session's answers, or its error, are one line of output. One process for all: imports take long.
WORKER = """
import json, logging, os, sys
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
from djl_python import Input
from djl_python.pair_list import PairList
import djl_python.transformers_neuronx as handler

def content_of(output):
    if output.stream_content is not None:
        return ["".join(part) for part in output.stream_content]
    values = [output.content.value_at(i) for i in range(output.content.size())]
    return [json.loads(value) if isinstance(value, (bytes, bytearray, str)) else value for value in values]

def call(bodies):
    inputs = Input()
    inputs.properties = {"batch_size": str(len(bodies))}
    for i, body in enumerate(bodies):
        inputs.properties[f"batch_{i:03d}.Content-Type"] = "application/json"
        inputs.content.add(key=f"batch_{i:03d}.data", value=json.dumps(body).encode())
    return content_of(handler.handle(inputs))

for line in sys.stdin:
    properties, calls = json.loads(line)
    handler._service = handler.TransformersNeuronXService()
    try:
        load = Input()
        load.properties = properties
        assert handler.handle(load) is None
        answer = [call(bodies) for bodies in calls]
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    print(json.dumps(answer), flush=True)
"""

Serve = Callable[..., Any]


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A process with DJL's worker package and the emulation on its path; its log is in the temporary folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
    fetched = subprocess.run(
        [sys.executable, "-m", "rehearsal.server.workers.package"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if fetched.returncode != 0:
        pytest.skip(f"DJL's worker cannot be fetched here: {fetched.stderr.strip().splitlines()[-1:]}")
    folder = tmp_path_factory.mktemp("worker")
    path = [fetched.stdout.strip().splitlines()[-1], ROOT / "lib" / "rehearsal" / "neuron", ROOT / "lib"]
    environment |= {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        **standins.worker_environment(),
        "OMP_NUM_THREADS": "1",
        "REHEARSAL_INSTANCE": str(folder / "instance"),
        "NEURON_CC_FLAGS": "--logfile compile.log",
        "SERVING_DOWNLOAD_DIR": str(folder),
    }
    with (
        (folder / "worker.log").open("w") as log,
        subprocess.Popen(
            [warm_worker.python(), "-c", WORKER],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
        ) as process,
    ):
        yield process
        process.stdin.close()
        process.wait(300)


@pytest.fixture
def serve(worker: subprocess.Popen[str], tmp_path: Path) -> Serve:
    """Answers of the handler to lists of bodies, for a model saved with a tokenizer and some options."""

    def run(reference: PreTrainedModel, *calls: list[dict[str, Any]], **options: str) -> Any:
        save_with_tokenizer(reference, tmp_path / "model")
        properties = {
            "model_id": str(tmp_path / "model"),
            "tensor_parallel_degree": "2",
            "n_positions": "128",
            "dtype": "fp16",
        }
        worker.stdin.write(json.dumps([properties | options, calls]) + "\n")
        worker.stdin.flush()
        return json.loads(worker.stdout.readline())

    return run


def save_with_tokenizer(reference: PreTrainedModel, folder: Path) -> None:
    """A model folder as a hub holds it, with a tokenizer whose words are w3 ... w99."""
    vocabulary = {"<unk>": 0, "<pad>": 1, "</s>": 2, **{f"w{i}": i for i in range(3, 100)}}
    words = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    special = {"eos_token": "</s>", "bos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    names = ["input_ids", "attention_mask"]
    PreTrainedTokenizerFast(tokenizer_object=words, model_input_names=names, **special).save_pretrained(folder)
    reference.save_pretrained(folder)


@pytest.fixture
def words(randomize: Callable, tiny_config: Callable) -> Callable[[str], PreTrainedModel]:
    """A random model of an architecture that draws the end-of-text and padding tokens less than once in 100,000."""

    def build(architecture: str) -> PreTrainedModel:
        config: PretrainedConfig = tiny_config(architecture)
        config.bos_token_id = config.eos_token_id = 2
        config.pad_token_id = 1
        reference = randomize(config)
        scores = reference.get_output_embeddings().weight.data
        scores *= 16  # the words' logits reach beyond 30, the special tokens' are 0
        scores[:3] = 0.0
        return reference

    return build


EIGHT_BIT = GENERATIONS["0.8"].eight_bit
PROMPTS = {"inputs": ["w5 w6 w7", "w8 w9 w10"], "parameters": {"max_new_tokens": 20}}


@pytest.mark.parametrize("options", [{}, {"load_in_8bit": "true"}], ids=str)
def test_sampling_is_the_default(serve: Serve, words: Callable, architecture: str, options: dict[str, str]) -> None:
    if options and architecture not in EIGHT_BIT:
        pytest.skip("refused, as the tests of eight-bit storage show")
    ((texts,),) = serve(words(architecture), [PROMPTS], batch_size="2", **options)
    split = [text["generated_text"].split() for text in texts]
    assert [tokens[:3] for tokens in split] == [["w5", "w6", "w7"], ["w8", "w9", "w10"]]
    assert all(3 < len(tokens) <= 20 for tokens in split)  # the length is that of all tokens, whatever its name says


@pytest.mark.parametrize("options", [{"low_cpu_mem_usage": "true"}, {"quantize": "bitsandbytes8"}], ids=str)
def test_other_ways_of_loading(serve: Serve, words: Callable, options: dict[str, str]) -> None:
    ((texts,),) = serve(words("opt"), [PROMPTS], batch_size="2", **options)
    assert [text["generated_text"][:8] for text in texts] == ["w5 w6 w7", "w8 w9 w1"]


def test_generate_is_used_on_request(serve: Serve, words: Callable, architecture: str) -> None:
    reference = words(architecture)
    body = {"inputs": "w5 w6 w7", "parameters": {"use_sample": False, "max_new_tokens": 5}}
    first, second = serve(reference, [body], [body], dtype="fp32")
    assert first == second
    expected = reference.generate(input_ids=_ids([5, 6, 7]), max_new_tokens=5, do_sample=False, pad_token_id=1)
    assert first[0][0]["generated_text"].split() == [f"w{i}" for i in expected[0].tolist() if i > 2]


@pytest.mark.parametrize("options", [{}, {"load_in_8bit": "true"}], ids=str)
def test_streaming(serve: Serve, words: Callable, architecture: str, options: dict[str, str]) -> None:
    if options and architecture not in EIGHT_BIT:
        pytest.skip("refused, as the tests of eight-bit storage show")
    (parts,) = serve(words(architecture), [{"inputs": "w5 w6 w7"}], enable_streaming="true", **options)
    assert len(parts) > 1
    assert any(part.startswith("w") for part in parts)


def test_streaming_by_hugging_face(serve: Serve, words: Callable) -> None:
    (parts,) = serve(words("opt"), [{"inputs": "w5 w6 w7"}], enable_streaming="huggingface")
    assert len(parts) > 1
    assert any(part.startswith("w") for part in parts)


def test_rolling_batch_joins_a_request_under_way(serve: Serve, words: Callable, architecture: str) -> None:
    first = {"inputs": "w5 w6 w7", "parameters": {"max_new_tokens": 6}}
    second = {"inputs": "w8 w9", "parameters": {"max_new_tokens": 3, "do_sample": True, "top_k": 10}}
    steps = serve(
        words(architecture),
        *[[first]] * 2,
        *[[first, second]] * 3,
        rolling_batch="auto",
        max_rolling_batch_size="2",
        batch_size="2",
    )
    assert all(json.loads(json.dumps(answer)).get("code") is None for step in steps for answer in step), steps
    assert [len(step) for step in steps] == [1, 1, 2, 2, 2]
    assert steps[0][0]["data"].startswith('{"generated_text": "')
    assert steps[-1][1]["last"]  # three tokens of the second request


# The handler's test of DJL's own suite (tests/integration/llm, v0.21.0), sizes scaled down: OPT, batch 4, degree 4.
def test_integration_case_of_opt(serve: Serve, words: Callable) -> None:
    bodies = [{"inputs": ["w5 w6 w7"] * 4, "parameters": {"max_new_tokens": length}} for length in (128, 256)]
    options = {"batch_size": "4", "tensor_parallel_degree": "4", "n_positions": "256"}
    for (texts,) in serve(words("opt"), *[[body] for body in bodies], **options):
        assert len(texts) == 4
        assert all(text["generated_text"].startswith("w5 w6 w7") for text in texts)


def test_too_many_prompts_are_refused(serve: Serve, words: Callable) -> None:
    answer = serve(words("opt"), [PROMPTS], batch_size="1")
    assert answer == "ValueError: Batch size 2 beyond the max_batch size the model can support 1"


def test_fewer_prompts_are_filled_up(serve: Serve, words: Callable) -> None:
    ((texts,),) = serve(words("opt"), [{"inputs": "w5 w6"}], batch_size="2")
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"tensor_parallel_degree": "3"}, "RuntimeError: nrt_load_collectives status=2"),
        ({"tensor_parallel_degree": "32"}, "RuntimeError: nrt_tensor_allocate status=2"),
        ({"n_positions": "4096"}, "ValueError: sequence length 4096"),
        ({"unroll": "2"}, "TypeError: unsupported operand"),  # the option stays text: facts, section 4
        ({"dtype": "f16"}, "KeyError: 'dtype'"),  # the handler wants fp16 and trips over its own validation
    ],
    ids=str,
)
def test_wrong_options_fail_at_load(serve: Serve, words: Callable, options: dict[str, str], error: str) -> None:
    assert serve(words("opt"), [PROMPTS], **options).startswith(error)


def _ids(tokens: list[int]) -> Any:
    import torch

    return torch.tensor([tokens])
