"""How fast the rehearsal decodes, beside Hugging Face and CTranslate2 in the same run; run it by hand.

    python tests/benchmarks/decoding.py [speed|step|prompt|memory] [--model tiny-opt|smollm2] [--amp f32 f16 bf16]
        [--batch 1 2 4 8] [--prompt N] [--tokens N] [--repeats N] [--threads N]

Weights are random: speed depends on shapes only. The peers take turns, the best time of each counts, and every line
ends in ratios. Hugging Face computes in f32 where `amp` is f16, since CPUs have no fast f16. CTranslate2 takes part
where it can be imported (`pip install --target DIR ctranslate2`, DIR on PYTHONPATH). README.md has what was measured.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import multiprocessing
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "lib" / "rehearsal" / "neuron"), str(ROOT / "lib")]
warnings.simplefilter("ignore")

import psutil
import torch
from emulated_neuron.layers import pack
from emulated_neuron.model import ModelForSampling
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, OPTConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers_neuronx.llama.model import LlamaForSampling
from transformers_neuronx.module import save_pretrained_split
from transformers_neuronx.opt.model import OPTForSampling

TINY_OPT = OPTConfig(
    hidden_size=256,
    num_hidden_layers=6,
    num_attention_heads=8,
    ffn_dim=1024,
    vocab_size=8192,
    max_position_embeddings=2048,
    word_embed_proj_dim=256,
)
SMOLLM2 = LlamaConfig(
    hidden_size=576,
    num_hidden_layers=30,
    num_attention_heads=9,
    num_key_value_heads=3,
    intermediate_size=1536,
    vocab_size=49152,
    max_position_embeddings=2048,
    tie_word_embeddings=True,
)
MODELS = {"tiny-opt": (TINY_OPT, OPTForSampling), "smollm2": (SMOLLM2, LlamaForSampling)}
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
PEER_DTYPES = {**DTYPES, "f16": torch.float32}
N_POSITIONS = 2048

Peers = Mapping[str, Callable[[], object]]


def take_turns(peers: Peers, repeats: int) -> dict[str, float]:
    """The shortest seconds of each peer over several rounds, after one that warms up."""
    best = dict.fromkeys(peers, float("inf"))
    for round_ in range(repeats + 1):
        for name, run in peers.items():
            begin = time.perf_counter()
            run()
            if round_:
                best[name] = min(best[name], time.perf_counter() - begin)
    return best


def random_reference(name: str, dtype: torch.dtype) -> PreTrainedModel:
    """A Hugging Face model with random weights, the same ones every time."""
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(MODELS[name][0]).eval().to(dtype)


def load_ours(reference: PreTrainedModel, amp: str, batch: int) -> ModelForSampling:
    """The reference's weights on the emulated device."""
    ours = construct(MODELS, reference.config.model_type, amp, batch)
    ours.load_state_dict_low_memory(reference.state_dict())
    ours.to_neuron()
    return ours


def construct(models: Mapping, model_type: str, amp: str, batch: int) -> ModelForSampling:
    """The public class of an architecture, without weights."""
    config, cls = next((c, cls) for c, cls in models.values() if c.model_type == model_type)
    return cls(config, batch_size=batch, amp=amp, tp_degree=1, n_positions=N_POSITIONS)


def no_end(model: ModelForSampling) -> dict[str, int]:
    """What makes Llama's sample() run to the end."""
    return {"eos_token_override": -1} if isinstance(model, LlamaForSampling) else {}


@contextmanager
def ctranslate2_generators(reference: PreTrainedModel, threads: int) -> Iterator[dict[str, object]]:
    """CTranslate2's generators of the same weights in f32 and int8; empty where it is not installed."""
    if importlib.util.find_spec("ctranslate2") is None:
        print("CTranslate2 is not installed: its columns are left out")
        yield {}
        return
    import ctranslate2
    from tokenizers import Tokenizer, models

    with tempfile.TemporaryDirectory() as folder:
        words = {f"t{i}": i for i in range(reference.config.vocab_size)}
        special = {"unk_token": "t0", "bos_token": "t1", "eos_token": "t2"}
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="t0")), **special
        )
        tokenizer.save_pretrained(folder)
        reference.save_pretrained(folder)

        class Converter(ctranslate2.converters.TransformersConverter):
            def load_model(self, model_class: type, path: str, **_: object) -> PreTrainedModel:
                return model_class.from_pretrained(path)  # newer ones pass what older transformers do not know

        Converter(folder).convert(f"{folder}/ct2")
        yield {
            kind: ctranslate2.Generator(f"{folder}/ct2", compute_type=kind, intra_threads=threads, inter_threads=1)
            for kind in ("float32", "int8")
        }


def compare_decoding(options: argparse.Namespace, amp: str, batch: int) -> None:
    """Print milliseconds per token of all peers, reading the weights once among them."""
    ids = torch.randint(10, 5000, (batch, options.prompt))
    total, tokens = options.prompt + options.tokens, options.tokens
    ours = load_ours(random_reference(options.model, torch.float32), amp, batch)
    peer = random_reference(options.model, PEER_DTYPES[amp])
    weights = one_block(peer, DTYPES[amp])
    arguments = {
        "attention_mask": torch.ones_like(ids),
        "do_sample": True,
        "top_k": 50,
        "min_length": total,
        "max_length": total,
        "pad_token_id": 1,
    }
    with ctranslate2_generators(random_reference(options.model, torch.float32), options.threads) as generators:
        words = [[f"t{i}" for i in row] for row in ids.tolist()]
        others = {
            f"CTranslate2 {kind}": lambda generator=generator: generator.generate_batch(
                words, max_length=tokens, min_length=tokens, sampling_topk=50, include_prompt_in_result=False
            )
            for kind, generator in generators.items()
        }
        peers = {
            "ours": lambda: ours.sample(ids, total, top_k=50, **no_end(ours)),
            f"Hugging Face {str(PEER_DTYPES[amp])[6:]}": lambda: peer.generate(ids, **arguments),
            **others,
            "reading the weights": lambda: [weights.sum() for _ in range(tokens)],
        }
        report(f"{amp:>5} batch {batch}", {k: v / tokens for k, v in take_turns(peers, options.repeats).items()})


def compare_steps(options: argparse.Namespace, amp: str, batch: int) -> None:
    """Print the best and the median milliseconds of one decoding step, and of reading its weights once."""
    ours = load_ours(random_reference(options.model, torch.float32), amp, batch)
    weights = one_block(random_reference(options.model, DTYPES[amp]), DTYPES[amp])
    ids = torch.randint(10, 5000, (batch, options.prompt))
    ours.forward(ids, torch.arange(options.prompt))
    step, read = [], []
    for position in range(options.prompt, options.prompt + options.tokens):
        for run, times in (
            (lambda position=position: ours.forward(ids[:, :1], torch.tensor([position])), step),
            (weights.sum, read),
        ):
            begin = time.perf_counter()
            run()
            times.append((time.perf_counter() - begin) * 1e3)
    best, middle = min(step) / min(read), statistics.median(step) / statistics.median(read)
    print(
        f"{amp:>5} batch {batch}: best step {min(step):.2f} ms, best read {min(read):.2f} ({best:.2f}x) | "
        f"medians {statistics.median(step):.2f}, {statistics.median(read):.2f} ({middle:.2f}x)",
        flush=True,
    )


def compare_prompts(options: argparse.Namespace, amp: str, batch: int) -> None:
    """Print milliseconds for a prompt of 1024 tokens."""
    ids = torch.randint(10, 5000, (batch, 1024))
    ours = load_ours(random_reference(options.model, torch.float32), amp, batch)
    peer = random_reference(options.model, PEER_DTYPES[amp])
    with torch.inference_mode():
        peers = {
            "ours": lambda: ours.forward(ids, torch.arange(1024)),
            "Hugging Face": lambda: peer(ids, num_logits_to_keep=1) if options.model == "smollm2" else peer(ids),
        }
        report(f"{amp:>5} batch {batch}, prompt of 1024", take_turns(peers, options.repeats))


def measure_memory(options: argparse.Namespace, amp: str, batch: int) -> None:
    """Print what a loaded model takes, each step in a process of its own, because freed memory stays in one."""
    with tempfile.TemporaryDirectory() as folder:
        for step in (write_checkpoint, measure_loaded):
            process = multiprocessing.get_context("spawn").Process(target=step, args=(options, amp, batch, folder))
            process.start()
            process.join()


def write_checkpoint(options: argparse.Namespace, amp: str, batch: int, folder: str) -> None:
    """Save random weights in the split format."""
    save_pretrained_split(random_reference(options.model, DTYPES[amp]), folder)


def measure_loaded(options: argparse.Namespace, amp: str, batch: int, folder: str) -> None:
    """Print memory against weights and KV cache, seconds of to_neuron, and growth over calls of changing lengths."""
    torch.set_num_threads(options.threads)
    ours = MODELS[options.model][1].from_pretrained(
        folder, batch_size=batch, amp=amp, tp_degree=1, n_positions=N_POSITIONS
    )
    computed = torch.bfloat16 if amp == "bf16" else torch.float32
    warm = pack(torch.zeros(64, 64, dtype=computed), None, batch, DTYPES[amp])  # brings the library into memory
    warm(torch.zeros(batch, 64, dtype=computed))
    rss, begin = settled_rss(), time.perf_counter()
    ours.to_neuron()
    seconds = time.perf_counter() - begin
    weights = sum(path.stat().st_size for path in Path(folder).rglob("p*.*"))
    if MODELS[options.model][0].tie_word_embeddings:  # one table in memory, two files
        weights -= next(Path(folder).rglob("*lm_head.weight")).stat().st_size
    ideal = weights + ours.rehearsal_report().core_bytes.kv_cache
    ids = torch.randint(10, 5000, (batch, 80))
    ours.sample(ids[:, :8], 10, **no_end(ours))
    ours.forward(ids[:, :1], torch.tensor([N_POSITIONS - 1]))  # from here the cache is as long as it gets
    taken = settled_rss() - rss
    sizes = []
    for call in range(options.calls):
        prompt = 8 + call % 64
        ours.sample(ids[:, :prompt], prompt + options.tokens, **no_end(ours))
        sizes.append(settled_rss())
    growth = sizes[-1] - sizes[len(sizes) // 2]
    print(
        f"{amp:>5} batch {batch}: to_neuron {seconds:.1f} s | {taken / 1e6:.0f} MB for {ideal / 1e6:.0f} MB of weights "
        f"and KV cache ({taken / ideal:.2f}x) | second half of {len(sizes)} calls {growth / 1e6:+.1f} MB",
        flush=True,
    )


def settled_rss() -> int:
    """Resident bytes of this process."""
    gc.collect()
    return psutil.Process().memory_info().rss


def one_block(model: PreTrainedModel, dtype: torch.dtype) -> Tensor:
    """A block of memory as large as what a step reads of `model` in `dtype`, in words that are quick to add up."""
    head = model.get_output_embeddings().weight
    size = sum(p.numel() for p in model.parameters() if p is not model.get_input_embeddings().weight or p is head)
    return torch.zeros(size * dtype.itemsize // 4)


def report(title: str, seconds: Mapping[str, float]) -> None:
    """One line: milliseconds of each peer, and how many times ours fits into it."""
    ours = seconds["ours"]
    others = (f"{name} {s * 1e3:.2f} ({s / ours:.2f}x)" for name, s in seconds.items() if name != "ours")
    print(f"{title}: {ours * 1e3:.2f} ms | {' | '.join(others)}", flush=True)


def main() -> None:
    """Parse the command line and print one line for each dtype and batch."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    actions = {"speed": compare_decoding, "step": compare_steps, "prompt": compare_prompts, "memory": measure_memory}
    parser.add_argument("action", choices=actions, nargs="?", default="speed")
    parser.add_argument("--model", choices=MODELS, default="tiny-opt")
    parser.add_argument("--amp", nargs="+", choices=DTYPES, default=["f16", "bf16"])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--prompt", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.action}: {options.model}, {options.prompt} + {options.tokens} tokens, {options.threads} threads")
    for amp in options.amp:
        for batch in options.batch:
            actions[options.action](options, amp, batch)


if __name__ == "__main__":
    main()
