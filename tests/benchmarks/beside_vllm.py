"""How fast the rehearsal decodes beside the real vLLM on this processor, in one run; by hand, after `make migrate-env`.

    python tests/benchmarks/beside_vllm.py [--model tiny-opt smollm2] [--batch 1 8] [--tokens N] [--rounds N]

Ours, vLLM eager and vLLM compiled are a process each, with the same random bf16 weights and the same threads, without
a server in front. They take turns, so that a drifting machine hurts all alike, and the best time of each counts: what N
tokens take less what one takes, divided by N - 1. A line says how many times ours fits into each, and what ours is in
readings of the weights. README.md has what was measured, and whether the goal is met: 1.5 times compiled vLLM at every
batch size, and at batch 1 at most 2.5 readings.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VLLM = ROOT / ".venv-migrate" / "bin" / "python"
PROMPT, POSITIONS, ROWS = 16, 512, 8
GOAL, READINGS = 1.5, 2.5
QUIET = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # as ours: the scheduler may move them
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine in the process that asks it
    "VLLM_LOGGING_LEVEL": "ERROR",
}


def serve_vllm(folder: str, kind: str) -> None:
    """In vLLM's environment: generate as a line on stdin asks, and print the seconds."""
    from vllm import LLM, SamplingParams

    model = LLM(
        model=folder,
        dtype="bfloat16",
        skip_tokenizer_init=True,
        enforce_eager=kind == "eager",
        max_model_len=POSITIONS,
        max_num_seqs=ROWS,
    )

    def run(batch: int, tokens: int) -> None:
        rows = [{"prompt_token_ids": [10 + row + place for place in range(PROMPT)]} for row in range(batch)]
        drawn = SamplingParams(max_tokens=tokens, min_tokens=tokens, ignore_eos=True, top_k=50, detokenize=False)
        model.generate(rows, drawn, use_tqdm=False)

    answer(run)


def serve_ours(folder: str, name: str) -> None:
    """In this environment: the same with the rehearsal's decoder."""
    import torch
    from decoding import MODELS, load_ours, no_end
    from transformers import AutoModelForCausalLM

    reference = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32)
    models = {batch: load_ours(reference, "bf16", batch) for batch in (1, ROWS)}
    assert name in MODELS

    def run(batch: int, tokens: int) -> None:
        ids = torch.tensor([[10 + row + place for place in range(PROMPT)] for row in range(batch)])
        models[batch].sample(ids, PROMPT + tokens, top_k=50, **no_end(models[batch]))

    answer(run)


def serve_reading(folder: str, name: str) -> None:
    """What reading the weights once takes, `tokens` times over."""
    import torch
    from decoding import one_block
    from transformers import AutoModelForCausalLM

    weights = one_block(AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.bfloat16), torch.bfloat16)
    answer(lambda batch, tokens: [weights.sum() for _ in range(tokens)])


def answer(run: Any) -> None:
    """For each line on stdin, [batch, tokens], print a line with the seconds that they take."""
    print("ready", flush=True)
    for line in sys.stdin:
        batch, tokens = json.loads(line)
        begin = time.perf_counter()
        run(batch, tokens)
        print(f"took {time.perf_counter() - begin}", flush=True)


class Peer:
    """One of them in a process of its own."""

    def __init__(self, python: Path, role: str, folder: str, kind: str, scratch: str, threads: int) -> None:
        own = {"OMP_NUM_THREADS": str(threads), "VLLM_CACHE_ROOT": f"{scratch}/cache", "TMPDIR": scratch}
        path = os.pathsep.join([str(Path(__file__).parent), str(ROOT / "lib")])
        # PyTorch's compiled code lies in TMPDIR too.
        variables = os.environ | QUIET | own | ({"PYTHONPATH": path} if role != "vllm" else {})
        words = [str(python), __file__, "--role", role, "--folder", folder, "--kind", kind]
        self.log = Path(scratch) / f"{role}-{kind}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                words, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.wait_for("ready")

    def wait_for(self, word: str) -> str:
        """What follows a word, on the line that begins with it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(word):
                return line.removeprefix(word).strip()
        raise SystemExit(f"{self.log.name}: {self.log.read_text()[-2000:]}")

    def seconds(self, batch: int, tokens: int) -> float:
        """What so many rows of so many new tokens take."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([batch, tokens]) + "\n")
        self.process.stdin.flush()
        return float(self.wait_for("took"))

    def end(self) -> None:
        """End its process."""
        self.process.kill()
        self.process.communicate()


def compare(name: str, options: argparse.Namespace) -> None:
    """Print a line for each batch size."""
    from decoding import DTYPES, random_reference

    with tempfile.TemporaryDirectory() as scratch, ExitStack() as ended:
        random_reference(name, DTYPES["bf16"]).save_pretrained(f"{scratch}/model")
        peers: dict[str, Peer] = {}
        for title, python, role, kind in (
            ("ours", Path(sys.executable), "ours", name),
            ("vLLM eager", VLLM, "vllm", "eager"),
            ("vLLM compiled", VLLM, "vllm", "compiled"),
            ("reading", Path(sys.executable), "reading", name),
        ):
            peers[title] = Peer(python, role, f"{scratch}/model", kind, scratch, options.threads)
            ended.callback(peers[title].end)
        for batch in options.batch:
            show(name, batch, best(peers, batch, options))


def best(peers: Mapping[str, Peer], batch: int, options: argparse.Namespace) -> dict[str, float]:
    """The shortest milliseconds of a step of each peer; the first round warms up, and compiles."""
    found = dict.fromkeys(peers, float("inf"))
    for round_ in range(options.rounds + 1):
        for title, peer in peers.items():
            one, all_ = peer.seconds(batch, 1), peer.seconds(batch, options.tokens)
            if round_:
                found[title] = min(found[title], (all_ - one) / (options.tokens - 1) * 1e3)
    return found


def show(name: str, batch: int, found: Mapping[str, float]) -> None:
    """One line, with the load of the machine and whether the goal is met."""
    ours, compiled, reading = (found[title] for title in ("ours", "vLLM compiled", "reading"))
    others = ", ".join(
        f"{title} {ms:.2f} ({ms / ours:.2f}x)" for title, ms in found.items() if title.startswith("vLLM")
    )
    met = compiled / ours >= GOAL and (batch > 1 or ours / reading <= READINGS)
    print(
        f"{name} batch {batch}: {ours:.2f} ms | {others} | {ours / reading:.2f} readings of {reading:.2f} ms | "
        f"goal {'met' if met else 'not met'}, load {os.getloadavg()[0]:.0f}",
        flush=True,
    )


def main() -> None:
    """Parse the command line; the roles are for the processes that this starts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", nargs="+", default=["tiny-opt", "smollm2"])
    parser.add_argument("--batch", nargs="+", type=int, choices=(1, ROWS), default=[1, ROWS])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    for name in ("--role", "--folder", "--kind"):
        parser.add_argument(name, default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    roles = {"vllm": serve_vllm, "ours": serve_ours, "reading": serve_reading}
    if options.role:
        roles[options.role](options.folder, options.kind)
        return
    if not VLLM.exists():
        raise SystemExit("vLLM is not here: `make migrate-env` first")
    for name in options.model:
        compare(name, options)


if __name__ == "__main__":
    main()
