"""Measure models/tiny-opt and write its model card: .venv/bin/python models/describe_tiny_opt.py

Held-out loss by position, five samples, and how often a sample repeats itself. The same functions serve the
model's tests.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoTokenizer, OPTForCausalLM, PreTrainedTokenizerBase

FOLDER = Path(__file__).resolve().parent / "tiny-opt"
PROMPTS = ("Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,")
MORE_PROMPTS = ("Describes the status of", "You can use this operation to", "The Amazon S3 bucket")


def load(folder: Path = FOLDER) -> tuple[OPTForCausalLM, PreTrainedTokenizerBase]:
    """Return the model in f32 and its tokenizer."""
    return OPTForCausalLM.from_pretrained(folder).float().eval(), AutoTokenizer.from_pretrained(folder)


def samples(
    model: OPTForCausalLM, tokenizer: PreTrainedTokenizerBase, prompt: str, count: int, tokens: int, seed: int
) -> list[list[int]]:
    """Return `count` rows of `tokens` new token ids, drawn as the rehearsal draws them: top-k 50, never `</s>`."""
    torch.manual_seed(seed)
    ids = tokenizer([prompt] * count, return_tensors="pt").input_ids
    with torch.inference_mode():
        rows = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            top_k=50,
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            suppress_tokens=[tokenizer.eos_token_id],
        )
    return [row[ids.shape[1] :].tolist() for row in rows]


def most_repeated(row: Sequence[int], length: int = 6) -> int:
    """Return how often the most frequent run of `length` tokens occurs in a row."""
    return max(Counter(tuple(row[i : i + length]) for i in range(len(row) - length + 1)).values())


def loss_by_position(model: OPTForCausalLM, rows: Tensor, bands: Sequence[tuple[int, int]]) -> list[float]:
    """Return the mean cross entropy (nats a token) of token ids (B, T) over each band of positions."""
    with torch.inference_mode():
        logits = model(rows[:, :-1]).logits.float()
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), rows[:, 1:], reduction="none")
    return [losses[:, first:last].mean().item() for first, last in bands]


def card(facts: dict[str, object], texts: Sequence[str], repeats: Sequence[int]) -> str:
    """Return the model card as Markdown."""
    shown = "\n\n".join(f"> {' '.join(text.split())}" for text in texts)
    by_position = ", ".join(f"{loss} at {band}" for band, loss in facts["held_out_loss_by_position"].items())
    return f"""---
license: apache-2.0
language: en
library_name: transformers
---
# tiny-opt

An OPT of {facts["parameters"] / 1e6:.2f} million parameters that writes like AWS's API documentation. It plays larger OPT models in this
repository's rehearsal: same architecture, same tokenizer conventions (`</s>` = 2 in front, padding = 1), 2048 positions, all trained.
It knows nothing and must not be asked for facts.

| | |
|---|---|
| trained on | the documentation strings of {facts["services"]} services in botocore {facts["botocore"]} (Apache-2.0): {facts["texts"]:,} texts, {facts["training_tokens"]:,} tokens |
| seen | {facts["tokens_seen"]:,} tokens in {facts["steps"]} steps, seed {facts["seed"]}, {facts["minutes"]:g} minutes on two processor cores that other work shared |
| held-out loss | {facts["held_out_loss"]} nats a token on every 50th text, kept out of training ({facts["held_out_tokens"]:,} tokens) |
| by position | {by_position} |
| repetition | most frequent run of 6 tokens in 300, ten samples at top-k 50: {", ".join(map(str, repeats))} |
| made by | `models/train_tiny_opt.py`, measured by `models/describe_tiny_opt.py` |

## Five samples

Top-k 50, temperature 1, `</s>` never drawn, first 120 tokens.

{shown}
"""


def main() -> None:
    """Measure and write README.md beside the weights."""
    model, tokenizer = load()
    repeats = [most_repeated(row) for row in samples(model, tokenizer, PROMPTS[1], 10, 300, seed=0)]
    texts = [
        prompt + tokenizer.decode(samples(model, tokenizer, prompt, 1, 120, seed=1)[0])
        for prompt in (*PROMPTS, *MORE_PROMPTS)
    ]
    facts = json.loads((FOLDER / "training.json").read_text())
    (FOLDER / "README.md").write_text(card(facts, texts, repeats))
    print((FOLDER / "README.md").read_text())


if __name__ == "__main__":
    main()
