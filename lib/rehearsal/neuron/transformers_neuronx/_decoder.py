"""One decoder for six architectures on the CPU: embed, then for each layer norm, attention, feed-forward; then logits.

Letters of shapes: B rows of the batch, T new tokens, S tokens so far, N n_positions, E hidden width,
H query heads, G key/value heads, R = H/G queries that share a key, D head width, V vocabulary.

    sequential:  x += attention(norm1(x));  x += feed_forward(norm2(x))       OPT, GPT-2, BLOOM, Llama
    parallel:    x += attention(norm1(x)) + feed_forward(norm2(x))            GPT-NeoX; GPT-J with one norm for both
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ._layers import ACTIVATIONS
from ._loading import Layer, Loader
from ._specs import Spec

_MASKED = -1e9  # finite, so that a query that is padding itself gets numbers and not NaN


@dataclass(frozen=True, slots=True)
class Cache:
    """Keys and values of one layer; keys lie across, which is the order that a step's product reads them in."""

    keys: Tensor  # (B, G, D, N)
    values: Tensor  # (B, G, N, D)

    def write(self, keys: Tensor, values: Tensor, start: int) -> None:
        """Put the keys and values (B, T, G, D) of new tokens at positions from `start` on."""
        stop = start + keys.shape[1]
        self.keys[..., start:stop] = keys.permute(0, 2, 3, 1)
        self.values[:, :, start:stop] = values.transpose(1, 2)


@dataclass(frozen=True, slots=True)
class Step:
    """What all layers of one forward pass share."""

    batch: int
    tokens: int
    start: int  # cache position of the first new token
    bias: Tensor | None  # added to attention scores, broadcast to (B, H, T, S); None is plain causal
    rotary: tuple[Tensor, Tensor] | None  # cosines and signed sines, broadcast to (B, T, H, D)


class Decoder:
    """Weights and KV cache of one model, and the forward pass over both."""

    def __init__(
        self, spec: Spec, weights: Mapping[str, Tensor], *, amp: torch.dtype, compute: torch.dtype,
        batch_size: int, n_positions: int, matrix_dtype: str | None = None,
    ) -> None:  # fmt: skip
        """Round the layers' weights to `amp` and hold them in `compute`, or their matrices in eight bits.

        Embeddings and norms stay f32.
        """
        self.spec, self.dtype = spec, compute
        loader = Loader(spec, weights, amp, compute, matrix_dtype, rows=batch_size)
        layout, dims = spec.family.layout, spec.dims
        self.embed = loader.table(layout.embed)  # (V, E)
        self.positions = loader.table(layout.positions) if layout.positions else None  # (N + offset, E)
        self.embed_norm = loader.norm(layout.embed_norm) if layout.embed_norm else None
        self.layers = [loader.layer(index) for index in range(dims.layers)]
        self.final_norm = loader.norm(layout.final_norm)
        self.lm_head = loader.lm_head()
        self.activation = ACTIVATIONS[spec.activation]
        rows, heads, width = batch_size, dims.kv_heads, dims.head_dim
        self.caches = [
            Cache(
                torch.zeros(rows, heads, width, n_positions, dtype=compute),
                torch.zeros(rows, heads, n_positions, width, dtype=compute),
            )
            for _ in self.layers
        ]
        self.index = torch.arange(n_positions)
        self.rotary = _rotary_tables(spec, n_positions, compute) if spec.rotary_dim else None
        self.slopes = _alibi_slopes(dims.heads) if dims.family.positions == "alibi" else None

    def reset(self) -> None:
        """Forget every token."""
        for cache in self.caches:
            cache.keys.zero_()
            cache.values.zero_()

    def reorder(self, rows: Tensor) -> None:
        """Put row `rows[i]` of the cache in place i."""
        for cache in self.caches:
            cache.keys.copy_(cache.keys[rows])
            cache.values.copy_(cache.values[rows])

    def forward(self, tokens: Tensor, start: int, pads: Tensor | None = None) -> Tensor:
        """Logits (B, V) in f32 of the last of `tokens` (B, T), which stand at cache positions from `start` on.

        `pads` (B) counts the left padding of each row: those positions are invisible and count as negative.
        """
        batch, count = tokens.shape
        stop = start + count
        ids = self.index[start:stop]  # (T)
        if pads is not None:
            ids = (ids - pads[:, None]).clamp(min=0)  # (B, T)
        x = self._embed(tokens, ids)  # (B*T, E)
        step = Step(batch, count, start, self._attention_bias(start, stop, pads), self._rotation(ids))
        for layer, cache in zip(self.layers, self.caches, strict=True):
            x = self._block(layer, cache, x, step)
        last = x.view(batch, count, -1)[:, -1] if count > 1 else x  # (B, E)
        return self.lm_head(self.final_norm(last)).float()

    def _embed(self, tokens: Tensor, ids: Tensor) -> Tensor:
        x = F.embedding(tokens, self.embed)  # (B, T, E)
        if self.positions is not None:
            x = x + F.embedding(ids + self.spec.dims.family.position_offset, self.positions)
        if self.embed_norm is not None:
            x = self.embed_norm(x)
        return x.flatten(0, 1).to(self.dtype)

    def _block(self, layer: Layer, cache: Cache, x: Tensor, step: Step) -> Tensor:
        normed = layer.norm1(x)
        attended = layer.out.onto(x, self._attention(layer, cache, normed, step))
        if self.spec.family.residual == "sequential":
            return layer.down.onto(attended, self._widen(layer, layer.norm2(attended)))
        second = normed if layer.norm2 is layer.norm1 else layer.norm2(x)
        return layer.down.onto(attended, self._widen(layer, second))

    def _widen(self, layer: Layer, x: Tensor) -> Tensor:
        """The inner side of the feed-forward: (B*T, E) -> (B*T, ffn)."""
        if layer.gate is None:
            return layer.up(x, self.activation)
        return layer.up.times(layer.gate(x, self.activation), x)

    def _attention(self, layer: Layer, cache: Cache, x: Tensor, step: Step) -> Tensor:
        """What each new token reads from all tokens so far: (B*T, H*D)."""
        dims = self.spec.dims
        heads, groups = dims.heads, dims.kv_heads
        qkv = layer.qkv(x).view(step.batch, step.tokens, heads + 2 * groups, dims.head_dim)
        qk, v = qkv[:, :, : heads + groups], qkv[:, :, heads + groups :]
        if step.rotary is not None:
            cosines, sines = step.rotary
            qk = torch.addcmul(qk * cosines, qk.roll(dims.head_dim // 2, -1), sines)
        q, k = qk[:, :, :heads], qk[:, :, heads:]
        cache.write(k, v, step.start)
        stop = step.start + step.tokens
        return attend(q, cache.keys[..., :stop], cache.values[:, :, :stop], step.bias)

    def _attention_bias(self, start: int, stop: int, pads: Tensor | None) -> Tensor | None:
        """Hides later and padding positions, and holds ALiBi's slopes; None where plain causal order is enough."""
        single = stop - start == 1
        if pads is None and self.slopes is None and (single or start == 0):
            return None
        index = self.index[:stop]  # (S)
        bias = torch.zeros(1, 1, 1, stop)
        if self.slopes is not None:
            bias = self.slopes[:, None, None] * index  # (H, 1, S)
        if pads is not None:
            bias = bias + torch.where(index < pads[:, None], _MASKED, 0.0)[:, None, None]  # (B, H or 1, 1, S)
        if not single:
            future = index > self.index[start:stop, None]  # (T, S)
            bias = bias + torch.zeros(future.shape).masked_fill_(future, -math.inf)
        return bias.to(self.dtype)

    def _rotation(self, ids: Tensor) -> tuple[Tensor, Tensor] | None:
        if self.rotary is None:
            return None
        cosines, sines = self.rotary  # (N, D)
        return cosines[ids].unsqueeze(-2), sines[ids].unsqueeze(-2)  # (.., T, 1, D)


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """Attention of q (B, T, H, D), already scaled, over k (B, G, D, S) and v (B, G, S, D): (B*T, H*D)."""
    (batch, count, heads, width), groups = q.shape, v.shape[1]
    if count > 1:
        k = k.transpose(2, 3)
        if heads > groups:
            k, v = (m.repeat_interleave(heads // groups, dim=1) for m in (k, v))  # (B, H, S, D)
        mixed = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.contiguous(), v, attn_mask=bias, is_causal=bias is None, scale=1.0
        )  # (B, H, T, D)
        return mixed.transpose(1, 2).reshape(batch * count, heads * width)
    # One token: two batched products are quicker on a CPU than the fused kernel, and grouped heads need no copies.
    # In f32 always: that is what the chip's softmax gets, and for bf16 oneDNN would compile a kernel for each S.
    scores = torch.bmm(q.reshape(batch * groups, -1, width).float(), k.flatten(0, 1).float())  # (B*G, R, S)
    if bias is not None:
        scores = (scores.view(batch, heads, 1, -1) + bias).view(scores.shape)
    mixed = torch.bmm(scores.softmax(-1), v.flatten(0, 1).float())  # (B*G, R, D)
    return mixed.view(batch, heads * width).to(q.dtype)


def _rotary_tables(spec: Spec, n_positions: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines (N, D) for lanes in the order of `rotary_lanes`; lanes that stay have 1 and 0."""
    width, rotated = spec.dims.head_dim, spec.rotary_dim
    frequencies = spec.rotary_base ** (-torch.arange(0, rotated, 2).float() / rotated)
    angles = torch.zeros(n_positions, width // 2)
    angles[:, : rotated // 2] = torch.outer(torch.arange(n_positions).float(), frequencies)
    sines = angles.sin()
    return angles.cos().repeat(1, 2).to(dtype), torch.cat((-sines, sines), dim=1).to(dtype)


def _alibi_slopes(heads: int) -> Tensor:
    """Slopes (H) of the linear bias (Press et al. 2022): a geometric row, filled up from the next finer one."""
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2.0 ** (-8.0 * (i + 1) / power) for i in range(power)]
    slopes += [2.0 ** (-4.0 * (2 * i + 1) / power) for i in range(heads - power)]
    return torch.tensor(slopes)
