"""Train models/tiny-opt: an OPT of 7.4 M parameters that writes like AWS documentation.

    .venv/bin/python models/train_tiny_opt.py            # about an hour on two cores
    .venv/bin/python models/train_tiny_opt.py --steps 20 --output /tmp/try   # a quick look

The text is the English documentation inside botocore's service descriptions (Apache-2.0), which is
already installed for the AWS calls. Nothing is downloaded. Runs with the same seed on the same kind of
processor give the same weights; the files are written only when training has ended.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import html
import json
import math
import random
import re
import time
from dataclasses import dataclass
from pathlib import Path

import botocore
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from torch.nn import functional as F

HERE = Path(__file__).resolve().parent
PROMPTS = ("Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,")
BOS, PAD, EOS, UNK = 0, 1, 2, 3  # facebook/opt: `</s>` (2) opens every sequence, 1 is padding
OFFSET = 2  # OPT's position table starts at row 2


@dataclass(frozen=True)
class Shape:
    """The model's dimensions, in the names of OPTConfig."""

    vocab_size: int = 8192
    hidden_size: int = 256
    num_hidden_layers: int = 6
    num_attention_heads: int = 8
    ffn_dim: int = 1024
    max_position_embeddings: int = 2048


# --- text ------------------------------------------------------------------------------------------

BREAK, TAG = re.compile(r"<(?:li|p|br|dt|dd|note|important)\b[^>]*>"), re.compile(r"<[^>]+>")


@functools.cache  # most texts stand in a description several times
def plain(markup: str) -> str:
    """Return documentation markup as one line of plain text."""
    text = html.unescape(TAG.sub("", BREAK.sub(" ", markup)))
    return " ".join(text.split())


def documentation(node: dict[str, object] | list[object]) -> list[str]:
    """Return every `documentation` string below a service description, in file order."""
    found: list[str] = []
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, dict | list):
            found.extend(documentation(value))
        elif key == "documentation" and isinstance(value, str):
            found.append(plain(value))
    return found


def services() -> dict[str, list[str]]:
    """Return {service: texts}: the newest description of each service, each text once in the whole corpus."""
    newest: dict[str, Path] = {}
    for path in sorted((Path(botocore.__file__).parent / "data").glob("*/*/service-2.json.gz")):
        newest[path.parent.parent.name] = path  # folders are dated, so the last one is the newest
    seen: set[str] = set()
    corpus: dict[str, list[str]] = {}
    for name, path in newest.items():
        texts = []
        for text in documentation(json.loads(gzip.decompress(path.read_bytes()))):
            if len(text) > 20 and text.isprintable() and text not in seen:
                seen.add(text)
                texts.append(text)
        if texts:
            corpus[name] = texts
    return corpus


def make_tokenizer(corpus: dict[str, list[str]], shape: Shape) -> Tokenizer:
    """Return a byte-level BPE tokenizer with OPT's special tokens and `</s>` in front of every text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=shape.vocab_size,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Neither "Hello" nor "Welcome" occurs in the corpus. Seen this often they become one and two tokens, and
    # the tutorial's two prompts encode to 9 tokens each, `</s>` included: what OPT's own tokenizer makes of them.
    texts = [text for group in corpus.values() for text in group]
    tokenizer.train_from_iterator([*texts, *["Hello", "Wel"] * 200], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> $A", pair="</s> $A </s> $B", special_tokens=[("</s>", EOS)]
    )
    return tokenizer


# --- model: OPT, with PyTorch's fused attention (transformers 4.45 has only an eager one for OPT) --------


class Block(nn.Module):
    """One decoder layer; parameter names are the checkpoint's."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.hidden_size
        self.heads = shape.num_attention_heads
        self.self_attn = nn.ModuleDict({n: nn.Linear(width, width) for n in ("k_proj", "v_proj", "q_proj", "out_proj")})
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, shape.ffn_dim)
        self.fc2 = nn.Linear(shape.ffn_dim, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.shape
        h = self.self_attn_layer_norm(x)
        q, k, v = (
            self.self_attn[n](h).view(B, T, self.heads, -1).transpose(1, 2) for n in ("q_proj", "k_proj", "v_proj")
        )
        h = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, heads, T, C / heads)
        h = self.self_attn["out_proj"](h.transpose(1, 2).reshape(B, T, C))
        x = x + h
        h = self.fc2(F.relu(self.fc1(self.final_layer_norm(x))))
        return x + h


class Decoder(nn.Module):
    """OPT's decoder; `first` is the position of each row's first token, so that every position is trained."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size, padding_idx=PAD)
        self.embed_positions = nn.Embedding(shape.max_position_embeddings + OFFSET, shape.hidden_size)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.num_hidden_layers))
        self.final_layer_norm = nn.LayerNorm(shape.hidden_size)
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                scale = (
                    0.02 / math.sqrt(2 * shape.num_hidden_layers)
                    if name.endswith(("out_proj.weight", "fc2.weight"))
                    else 0.02
                )
                nn.init.normal_(weight, std=scale)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def forward(self, tokens: Tensor, first: Tensor) -> Tensor:
        """Return logits (B, T, V) of token ids (B, T) whose row b starts at position first[b]."""
        positions = first[:, None] + torch.arange(tokens.shape[1]) + OFFSET
        x = self.embed_tokens(tokens) + self.embed_positions(positions)
        for layer in self.layers:
            x = layer(x)
        return F.linear(self.final_layer_norm(x), self.embed_tokens.weight)  # OPT ties its output to the embedding


# --- training ----------------------------------------------------------------------------------------


class Windows:
    """Training windows: `</s>`, then a stretch of one service's texts from the start of one of them.

    Texts are joined by a newline and never by `</s>`: the samplers of this stack mask it, so a model that
    needed it to change the subject would be forced off its own distribution.
    """

    def __init__(self, streams: list[Tensor], starts: list[Tensor], seed: int) -> None:
        self.streams, self.starts = streams, starts
        self.random = random.Random(seed)
        self.weights = [len(s) for s in streams]

    def batch(self, rows: int, length: int, limit: int) -> tuple[Tensor, Tensor]:
        """Return token ids (rows, length + 1) and each row's first position, anywhere it fits below `limit`."""
        tokens = torch.full((rows, length + 1), PAD)
        for row in range(rows):
            which = self.random.choices(range(len(self.streams)), self.weights)[0]
            start = int(self.random.choice(self.starts[which]))
            piece = self.streams[which][start : start + length]
            tokens[row, 0] = EOS
            tokens[row, 1 : 1 + len(piece)] = piece
        first = [self.random.randint(0, limit - length) if self.random.random() < 0.5 else 0 for _ in range(rows)]
        return tokens, torch.tensor(first)


def encode(corpus: dict[str, list[str]], tokenizer: Tokenizer, held_out: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Return one stream of ids a service, and where its texts begin; every 50th text is held out."""
    newline = tokenizer.encode("\n", add_special_tokens=False).ids
    streams, starts = [], []
    for texts in corpus.values():
        kept = [t for n, t in enumerate(texts) if (n % 50 == 49) == held_out]
        if not kept:
            continue
        ids: list[int] = []
        begin: list[int] = []
        for encoding in tokenizer.encode_batch(kept, add_special_tokens=False):
            begin.append(len(ids))
            ids += encoding.ids + newline
        streams.append(torch.tensor(ids))
        starts.append(torch.tensor(begin))
    return streams, starts


def loss_of(model: Decoder, tokens: Tensor, first: Tensor) -> Tensor:
    """Return the cross entropy (nats) of each next token, (B, T); padding counts zero."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(tokens[:, :-1], first)
    flat = F.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten(), ignore_index=PAD, reduction="none")
    return flat.view(tokens.shape[0], -1)


def optimizer_for(model: Decoder, rate: float) -> torch.optim.AdamW:
    """Return AdamW that decays matrices and leaves norms, biases and tables alone."""
    decayed = [p for n, p in model.named_parameters() if p.ndim > 1 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim <= 1 or "embed" in n]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def train(model: Decoder, windows: Windows, shape: Shape, steps: int, tokens_a_step: int, peak: float) -> float:
    """Train in place; return the seconds it took. Three steps of four use short rows, one the full length."""
    optimizer = optimizer_for(model, peak)
    started, smooth, top = time.time(), 0.0, shape.max_position_embeddings
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("training", total=steps)
        for step in range(steps):
            warm = min(1.0, (step + 1) / 200)
            rate = peak * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))
            for group in optimizer.param_groups:
                group["lr"] = rate
            length = top if step % 4 == 3 else 256
            tokens, first = windows.batch(tokens_a_step // length, length, top)
            losses = loss_of(model, tokens, first)
            loss = losses.sum() / (tokens[:, 1:] != PAD).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            smooth = loss.item() if step == 0 else 0.98 * smooth + 0.02 * loss.item()
            progress.update(bar, advance=1, description=f"training  step {step + 1}  loss {smooth:.3f}")
            if (step + 1) % 200 == 0:
                progress.console.print(f"step {step + 1:5d}  loss {smooth:.3f}  {time.time() - started:5.0f} s")
    return time.time() - started


def held_out_rows(streams: list[Tensor], length: int, seed: int) -> Tensor:
    """Return all held-out texts as token ids (B, length + 1), `</s>` first; services in a random order."""
    order = random.Random(seed).sample(range(len(streams)), len(streams))
    stream = torch.cat([streams[number] for number in order])
    rows = stream[: len(stream) // length * length].view(-1, length)
    return torch.cat([torch.full((len(rows), 1), EOS), rows], dim=1)


@torch.no_grad()
def held_out_loss(model: Decoder, rows: Tensor) -> tuple[float, dict[str, float]]:
    """Return the loss (nats a token) of full-length rows (B, T + 1), and its mean over two bands of positions."""
    model.eval()
    losses = torch.cat([loss_of(model, row[None], torch.zeros(1, dtype=torch.long)) for row in rows])
    bands = {"100-500": losses[:, 100:500].mean().item(), "1500-2048": losses[:, 1500:].mean().item()}
    return losses.mean().item(), bands


# --- what is written ---------------------------------------------------------------------------------


def save(model: Decoder, tokenizer: Tokenizer, shape: Shape, output: Path) -> None:
    """Write the Hugging Face folder: fp16 safetensors, configuration, tokenizer in both file forms."""
    from transformers import OPTConfig, OPTForCausalLM

    config = OPTConfig(**vars(shape), word_embed_proj_dim=shape.hidden_size, dropout=0.0, torch_dtype="float16")
    twin = OPTForCausalLM(config).eval()
    twin.load_state_dict(
        {f"model.decoder.{k}": v for k, v in model.state_dict().items()} | {"lm_head.weight": model.embed_tokens.weight}
    )
    ids = torch.tensor([tokenizer.encode(PROMPTS[1]).ids])
    with torch.no_grad():
        gap = (twin(ids).logits - model.eval()(ids, torch.zeros(1, dtype=torch.long))).abs().max().item()
    if gap > 1e-3:
        raise RuntimeError(
            f"the saved model differs from the trained one by {gap:.1e}: the two forward passes disagree"
        )
    output.mkdir(parents=True, exist_ok=True)
    twin.half().save_pretrained(output)
    described = json.loads(tokenizer.to_str())
    # Merges as "a b": the form that the tokenizers of the 2023 images read, and today's still do.
    described["model"]["merges"] = [" ".join(pair) for pair in described["model"]["merges"]]
    (output / "tokenizer.json").write_text(json.dumps(described, ensure_ascii=False))
    tokenizer.model.save(str(output))
    special = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    settings = {
        "tokenizer_class": "GPT2Tokenizer",
        "add_bos_token": True,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "model_max_length": shape.max_position_embeddings,
        **special,
    }
    (output / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (output / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=HERE / "tiny-opt")
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--tokens-a-step", type=int, default=8192)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=2023)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    shape = Shape()
    corpus = services()
    tokenizer = make_tokenizer(corpus, shape)
    lengths = {prompt: len(tokenizer.encode(prompt).ids) for prompt in PROMPTS}
    if len(set(lengths.values())) != 1:
        raise SystemExit(
            f"the tutorial's prompts must encode to one length; they give {lengths}: change make_tokenizer"
        )
    windows = Windows(*encode(corpus, tokenizer, held_out=False), seed=options.seed)
    unseen = held_out_rows(encode(corpus, tokenizer, held_out=True)[0], shape.max_position_embeddings, options.seed + 1)
    print(
        f"{sum(map(len, corpus.values())):,} texts of {len(corpus)} services, {sum(windows.weights):,} training tokens"
    )

    model = Decoder(shape)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters / 1e6:.2f} M parameters, {options.steps} steps of {options.tokens_a_step} tokens")
    seconds = train(model, windows, shape, options.steps, options.tokens_a_step, options.rate)
    loss, bands = held_out_loss(model, unseen)
    save(model, tokenizer, shape, options.output)
    facts = {
        "parameters": parameters,
        "services": len(corpus),
        "texts": sum(map(len, corpus.values())),
        "training_tokens": sum(windows.weights),
        "tokens_seen": options.steps * options.tokens_a_step,
        "botocore": botocore.__version__,
        "seed": options.seed,
        "steps": options.steps,
        "minutes": round(seconds / 60, 1),
        "held_out_tokens": unseen[:, 1:].numel(),
        "held_out_loss": round(loss, 3),
        "held_out_loss_by_position": {k: round(v, 3) for k, v in bands.items()},
    }
    (options.output / "training.json").write_text(json.dumps(facts, indent=2) + "\n")
    print(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main()
