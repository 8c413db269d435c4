"""DJL 0.25's built-in handler behind the rehearsal server: all six architectures over HTTP, from tiny checkpoints.

One model an architecture, because each is a worker that takes seconds to start: three stream, those that can from
eight-bit weights, and three are a rolling batch. Every architecture in each way is tested in the worker alone
(tests/rehearsal/neuron).
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import warm_worker
from inf2lab.weights import standins

if TYPE_CHECKING:
    from conftest import RunningServer

pytestmark = pytest.mark.timeout(600)  # six workers import PyTorch
STREAMING, ROLLING = ["bloom", "gpt_neox", "llama"], ["gpt2", "gptj", "opt"]
EIGHT_BIT = {"bloom", "llama"}
HANDLER = """
    engine=Python
    option.entryPoint=djl_python.transformers_neuronx
    option.model_id={checkpoint}
    option.tensor_parallel_degree=2
    option.n_positions=128
    option.dtype=fp16
    option.env=SERVING_DOWNLOAD_DIR={scratch}
"""
WAYS = {
    "stream": "option.batch_size=1\noption.enable_streaming=true\n",
    "rolling": "option.batch_size=2\noption.rolling_batch=auto\noption.max_rolling_batch_size=2\n",
}

# Random weights in which words score far above the special tokens, so that no text ends early.
WRITE = """
import sys, torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers import BloomConfig, GPT2Config, GPTJConfig, GPTNeoXConfig, LlamaConfig, OPTConfig, modeling_utils

modeling_utils.unwrap_model = lambda model, **_: model  # to ask whether it was compiled imports the compiler
common = {"vocab_size": 100, "bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1}
gpt = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
hf = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 128}
configs = [
    BloomConfig(hidden_size=32, n_layer=2, n_head=4, **common), GPT2Config(**gpt, **common),
    GPTNeoXConfig(intermediate_size=64, **hf, **common), GPTJConfig(rotary_dim=4, **gpt, **common),
    LlamaConfig(intermediate_size=64, num_key_value_heads=2, **hf, **common),
    OPTConfig(ffn_dim=64, word_embed_proj_dim=32, **hf, **common),
]
words = {"<unk>": 0, "<pad>": 1, "</s>": 2, **{f"w{i}": i for i in range(3, 100)}}
raw = Tokenizer(WordLevel(words, unk_token="<unk>"))
raw.pre_tokenizer = Whitespace()
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=raw, model_input_names=["input_ids", "attention_mask"],
    eos_token="</s>", bos_token="</s>", pad_token="<pad>", unk_token="<unk>")
torch.manual_seed(0)
for config in configs:
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.tie_weights()
    scores = model.get_output_embeddings().weight.data
    scores *= 16
    scores[:3] = 0.0
    model.save_pretrained(f"{sys.argv[1]}/{config.model_type}")
    tokenizer.save_pretrained(f"{sys.argv[1]}/{config.model_type}")
"""


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one Hugging Face folder an architecture, written in a process of its own."""
    folder = tmp_path_factory.mktemp("checkpoints")
    environment = {**os.environ, **standins.worker_environment()}
    subprocess.run([warm_worker.python(), "-c", WRITE, str(folder)], env=environment, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def chip(module_start: Callable, tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    """One server on an emulated chip for all of them; models come and go through its management API."""
    store = tmp_path_factory.mktemp("architectures") / "store"
    store.mkdir()
    environment = {**standins.worker_environment(), "NEURON_CC_FLAGS": "--logfile compile.log"}
    return module_start(store, "--neuron-cores", "24", "--worker-limit", "1", env=environment)


@pytest.fixture(scope="module")
def server(chip: RunningServer, checkpoints: Path) -> RunningServer:
    """The server with a model of each architecture, named after it; two load side by side."""

    def load(architecture: str) -> int:
        way = "stream" if architecture in STREAMING else "rolling"
        scratch, folder = chip.store / f"scratch-{architecture}", chip.store / architecture
        scratch.mkdir()
        folder.mkdir(parents=True)
        lines = HANDLER.format(checkpoint=checkpoints / architecture, scratch=scratch).replace("    ", "")
        eight_bit = "option.load_in_8bit=true\n" if architecture in EIGHT_BIT else ""
        cores = f"load_on_devices=nc{2 * (STREAMING + ROLLING).index(architecture)}\n"  # of its own
        (folder / "serving.properties").write_text(lines + WAYS[way] + eight_bit + cores)
        return chip.send("POST", f"/models?url=file://{folder}&model_name={architecture}").status

    with ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(load, STREAMING + ROLLING))
    assert set(statuses) == {200}, "\n".join([str(statuses), *chip.log[-40:]])
    return chip


@pytest.mark.parametrize("name", STREAMING)
def test_a_stream_comes_in_lines(server: RunningServer, name: str) -> None:
    answer = server.predict(name, {"inputs": "w5 w6 w7"})
    assert (answer.status, answer.header("content-type")) == (200, "application/jsonlines")
    assert answer.header("transfer-encoding") == "chunked"
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert len(lines) > 1
    assert all(word.startswith("w") for line in lines for text in line["outputs"] for word in text.split())


@pytest.mark.parametrize("name", ROLLING)
def test_a_rolling_batch_answers_one_request(server: RunningServer, name: str) -> None:
    first, second = (roll(server, name, "w5 w6 w7", 12) for _ in range(2))
    assert first == second, "nothing is drawn unless asked for"
    assert len(first) == 12


@pytest.mark.parametrize("name", ROLLING)
def test_a_rolling_batch_answers_two_requests(server: RunningServer, name: str) -> None:
    asked = {"w5 w6 w7": 30, "w8 w9": 4}
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda pair: roll(server, name, *pair), asked.items()))
    # At least: when a request joins, 0.25's scheduler begins to count the tokens of those under way anew.
    assert [len(words) >= length for words, length in zip(answers, asked.values(), strict=True)] == [True, True]


def roll(server: RunningServer, name: str, prompt: str, length: int) -> list[str]:
    """The new words of one request to the rolling batch."""
    answer = server.predict(name, {"inputs": prompt, "parameters": {"max_new_tokens": length}})
    assert (answer.status, answer.header("transfer-encoding")) == (200, "chunked")
    return json.loads(answer.body)["generated_text"].split()
