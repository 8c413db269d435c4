"""The model that ships with the repository, against Hugging Face and on the article's prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

FOLDER = Path(__file__).resolve().parents[3] / "models" / "tiny-opt"
PROMPTS = ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]


@pytest.fixture(scope="module")
def tiny_opt() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(FOLDER, torch_dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def ids() -> torch.Tensor:
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    return torch.as_tensor([tokenizer.encode(text) for text in PROMPTS])  # equal lengths, as the article needs


@pytest.mark.parametrize("length", [400, pytest.param(1500, marks=pytest.mark.thorough)])
def test_logits_at_late_positions(tiny_opt: PreTrainedModel, load: Callable, length: int) -> None:
    tokens = torch.randint(3, 8000, (1, length))
    with torch.no_grad():
        expected = tiny_opt.lm_head(tiny_opt.model(tokens).last_hidden_state[:, -1])
    model = load(tiny_opt, batch_size=1, n_positions=2048)
    torch.testing.assert_close(model.forward(tokens, torch.arange(length)), expected, atol=1e-4, rtol=0)


def test_greedy_text_is_hugging_faces(tiny_opt: PreTrainedModel, load: Callable, ids: torch.Tensor) -> None:
    """Hugging Face judges the whole text in one pass: each token must be the one it likes best there, `</s>` aside."""
    prompt, length = ids.shape[1], ids.shape[1] + 256
    text = load(tiny_opt, n_positions=512).sample(ids, length, top_k=1)
    assert text.shape == (2, length)
    assert torch.equal(text[:, :prompt], ids)
    with torch.no_grad():
        logits = tiny_opt(text).logits[:, prompt - 1 : -1]
    logits[:, :, tiny_opt.config.eos_token_id] = -torch.inf
    assert torch.equal(text[:, prompt:], logits.argmax(-1))


def test_f16_text_starts_as_the_exact_one(tiny_opt: PreTrainedModel, load: Callable, ids: torch.Tensor) -> None:
    exact, rounded = (load(tiny_opt, amp=amp).sample(ids, 24, top_k=1) for amp in ("f32", "f16"))
    assert torch.equal(exact, rounded)
