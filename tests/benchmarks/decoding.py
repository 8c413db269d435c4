"""How fast the rehearsal decodes, beside Hugging Face's generate() in the same run; run it by hand on a quiet machine.

    python tests/benchmarks/decoding.py [--model tiny-opt|smollm2] [--amp f32 f16 bf16] [--batch 1 2 4 8] [--tokens N]

Weights are random: speed depends on shapes only. Each figure is a best of several runs, and each line ends in the
ratio to Hugging Face (its f32 where `amp` is f16, since CPUs have no fast f16).
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "lib" / "rehearsal" / "neuron"), str(ROOT / "lib")]

import psutil
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, OPTConfig, PreTrainedModel
from transformers_neuronx.llama.model import LlamaForSampling
from transformers_neuronx.opt.model import OPTForSampling

TINY_OPT = OPTConfig(
    hidden_size=256, num_hidden_layers=6, num_attention_heads=8, ffn_dim=1024, vocab_size=8192,
    max_position_embeddings=2048, word_embed_proj_dim=256,
)  # fmt: skip
SMOLLM2 = LlamaConfig(
    hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, intermediate_size=1536,
    vocab_size=49152, max_position_embeddings=2048, tie_word_embeddings=True,
)  # fmt: skip
MODELS = {"tiny-opt": (TINY_OPT, OPTForSampling), "smollm2": (SMOLLM2, LlamaForSampling)}
PEER_DTYPES = {"f32": torch.float32, "f16": torch.float32, "bf16": torch.bfloat16}


def best_seconds(function: Callable[[], object], repeats: int) -> float:
    """The shortest of several runs, after one that warms up."""
    function()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def load_ours(reference: PreTrainedModel, amp: str, batch: int):
    """The reference's weights on the emulated device."""
    cls = next(cls for config, cls in MODELS.values() if config.model_type == reference.config.model_type)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = cls(reference.config, batch_size=batch, amp=amp, tp_degree=1, n_positions=2048)
    ours.load_state_dict_low_memory(reference.state_dict())
    begin = time.perf_counter()
    ours.to_neuron()
    return ours, time.perf_counter() - begin


def compare(reference: PreTrainedModel, amp: str, batch: int, prompt: int, tokens: int, repeats: int) -> None:
    """Print milliseconds per token of both, and of a prompt of 1024 tokens."""
    ids = torch.randint(10, 5000, (batch, prompt))
    context = torch.randint(10, 5000, (batch, 1024))
    ours, load_s = load_ours(reference, amp, batch)
    peer = reference.to(PEER_DTYPES[amp])
    total = prompt + tokens
    no_end = {"eos_token_override": -1} if isinstance(ours, LlamaForSampling) else {}
    rss_before = psutil.Process().memory_info().rss
    our_s = best_seconds(lambda: ours.sample(ids, total, top_k=50, **no_end), repeats)
    growth_mb = (psutil.Process().memory_info().rss - rss_before) / 1e6
    arguments = {
        "attention_mask": torch.ones_like(ids), "do_sample": True, "top_k": 50, "min_length": total,
        "max_length": total, "pad_token_id": 1,
    }  # fmt: skip
    peer_s = best_seconds(lambda: peer.generate(ids, **arguments), repeats)
    with torch.inference_mode():
        our_prompt_s = best_seconds(lambda: ours.forward(context, torch.arange(1024)), repeats)
        peer_prompt_s = best_seconds(lambda: peer(context).logits[:, -1], repeats)
    print(
        f"{amp:>5} batch {batch}: {our_s / tokens * 1e3:7.2f} ms a token, Hugging Face {peer_s / tokens * 1e3:7.2f}: "
        f"{peer_s / our_s:4.1f}x | prompt of 1024 {our_prompt_s * 1e3:6.0f} ms, {peer_prompt_s * 1e3:6.0f}: "
        f"{peer_prompt_s / our_prompt_s:4.1f}x | to_neuron {load_s:.1f} s | growth {growth_mb:.0f} MB",
        flush=True,
    )


def main() -> None:
    """Parse the command line and print one line for each dtype and batch."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=MODELS, default="tiny-opt")
    parser.add_argument("--amp", nargs="+", choices=PEER_DTYPES, default=["f16", "bf16"])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--prompt", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"{options.model}, {options.prompt} + {options.tokens} tokens, {options.threads} threads")
    for amp in options.amp:
        for batch in options.batch:
            reference = AutoModelForCausalLM.from_config(MODELS[options.model][0]).eval()
            compare(reference, amp, batch, options.prompt, options.tokens, options.repeats)


if __name__ == "__main__":
    main()
