"""SmolLM2-135M, a real language model: the rehearsal against Hugging Face, and the tutorial with it.

They run where the model was fetched (`inf2lab fetch smollm2-135m`, 93 MB); FETCH_MODELS=1, as in CI, fetches it.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

import warm_worker
from inf2lab import paths
from inf2lab.weights import fetch, standins
from tests.support.clones import make_clone, run_tutorial

ROOT = Path(__file__).resolve().parents[2]
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
PROMPTS = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]
pytestmark = [pytest.mark.timeout(900), pytest.mark.thorough]

Load = Callable[..., object]


@pytest.fixture(scope="module")
def snapshot() -> Path:
    """The fetched model's folder."""
    own = standins.repository(MODEL).own()
    if own is None and not os.environ.get("FETCH_MODELS"):
        pytest.skip("SmolLM2 is not here: `inf2lab fetch smollm2-135m`, or set FETCH_MODELS=1 (93 MB)")
    return own or fetch(MODEL).snapshot


@pytest.fixture(scope="module")
def reference(snapshot: Path) -> PreTrainedModel:
    """Hugging Face's own, in f32."""
    return AutoModelForCausalLM.from_pretrained(snapshot, torch_dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer(snapshot: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(snapshot)


@pytest.fixture
def load(reference: PreTrainedModel, monkeypatch: pytest.MonkeyPatch, emulated_instance: str) -> Load:
    """Puts the weights on the emulated device; degree 1, one row, f32 unless the arguments say otherwise."""
    monkeypatch.syspath_prepend(str(ROOT / "lib" / "rehearsal" / "neuron"))
    monkeypatch.setenv("REHEARSAL_INSTANCE", emulated_instance)
    from transformers_neuronx.llama.model import LlamaForSampling

    def build(**arguments: object) -> object:
        arguments = {"batch_size": 1, "amp": "f32", "tp_degree": 1, "n_positions": 512, **arguments}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch_dtype of the configuration")
            model = LlamaForSampling(reference.config, **arguments)
        model.load_state_dict_low_memory(reference.state_dict())
        model.to_neuron()
        return model

    return build


def ids_of(tokenizer: PreTrainedTokenizerBase, text: str) -> Tensor:
    return tokenizer(text, return_tensors="pt").input_ids


def preferred(reference: PreTrainedModel, text: Tensor, prompt: int) -> Tensor:
    """What Hugging Face would have written after each part of a text (1, T), `</s>` aside, from `prompt` tokens on.

    One pass over the whole text says what a step for each token would, in a tenth of the time.
    """
    with torch.no_grad():
        logits = reference(text).logits[0, prompt - 1 : -1]
    logits[:, reference.config.eos_token_id] = -torch.inf
    return logits.argmax(-1)


def test_logits_are_hugging_faces(reference: PreTrainedModel, load: Load) -> None:
    tokens = torch.randint(20, 49000, (2, 300), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = reference(tokens).logits
    model = load(batch_size=2)
    whole = model.forward(tokens[:, :294], torch.arange(294))
    torch.testing.assert_close(whole, expected[:, 293], atol=1e-4, rtol=0)
    for position in range(294, 300):  # then token by token
        step = model.forward(tokens[:, position : position + 1], torch.tensor([position]))
        torch.testing.assert_close(step, expected[:, position], atol=1e-4, rtol=0)


def test_greedy_texts_of_a_left_padded_batch_are_those_of_single_runs_for_64_tokens(
    reference: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, load: Load
) -> None:
    """The first row has no padding: it is what a prompt alone gives. A step takes as long as 50 of the small models,
    which go on for 256 tokens; later positions are those of the logits above.
    """
    rows = [ids_of(tokenizer, prompt)[0] for prompt in PROMPTS]
    longest = max(map(len, rows))
    pads = [longest - len(row) for row in rows]
    assert pads == [0, 1]
    batch = torch.stack([torch.nn.functional.pad(row, (longest - len(row), 0)) for row in rows])
    together = load(batch_size=2).sample(
        batch, longest + 64, start_ids=torch.tensor(pads), top_k=1, eos_token_override=-1
    )
    assert together.shape == (2, longest + 64)
    for row, pad, text in zip(rows, pads, together, strict=True):
        assert torch.equal(text[pad:longest], row)
        assert torch.equal(text[longest:], preferred(reference, text[None, pad:], len(row)))


def test_it_speaks_in_another_number_format(load: Load) -> None:
    """f32 is above, f16 below."""
    prompt = torch.tensor([[1, 2, 3]])
    assert torch.equal(load(amp="bf16").sample(prompt, 6, top_k=1)[:, :3], prompt)


def test_it_knows_something(tokenizer: PreTrainedTokenizerBase, load: Load) -> None:
    asked = [{"role": "user", "content": "What is the capital of France?"}]
    ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt")
    answer = load(amp="f16").sample(ids, ids.shape[1] + 40, top_k=1)[0, ids.shape[1] :]
    text = tokenizer.decode(answer, skip_special_tokens=True)
    assert "Paris" in text
    assert tokenizer.eos_token_id in answer.tolist(), "an answer to a question comes to an end"


@pytest.fixture
def two_layers(snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The fetched model with the first two of its thirty layers, in a cache of its own.

    Seven servers load it and compute 500 tokens; whether all layers are right is known from the tests above.
    """

    def fill(folder: Path) -> None:
        shutil.copytree(snapshot, folder, ignore=shutil.ignore_patterns("model.safetensors"), dirs_exist_ok=True)
        AutoModelForCausalLM.from_pretrained(snapshot, num_hidden_layers=2, torch_dtype="auto").save_pretrained(folder)

    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "worker").symlink_to(paths.cache() / "worker")  # DJL's, which need not be fetched again
    monkeypatch.setenv("INF2LAB_CACHE", str(tmp_path / "cache"))
    place = standins.repository(MODEL)
    place.write("0" * 40, fill)
    place.point("own", "0" * 40)
    monkeypatch.delenv(warm_worker.NAME, raising=False)  # a warm process that has read of this cache takes its place
    with warm_worker.importing_at_once():
        yield


@pytest.mark.usefixtures("two_layers")
def test_the_tutorial_runs_with_it(tmp_path: Path, free_port: int) -> None:
    """`make run MODEL=smollm2-135m`: the built-in handler (03), model.py (04), and the endpoint's answer (06)."""
    clone = make_clone(tmp_path / "clone")
    chosen = ["--model", "smollm2-135m", "-p", "seq_length", "64"]
    done = run_tutorial(clone, free_port, *chosen, "03", "04", "05", "06", "99")
    assert done.returncode == 0, done.stdout
    assert "degree 2: 9 attention heads are padded to 10" in done.stdout
    answer = json.loads((clone / "logs" / "answer.json").read_text())
    assert (answer["model"], answer["played_by"]) == (MODEL, MODEL)
    assert all(map(str.startswith, answer["text"], answer["prompt"]))
