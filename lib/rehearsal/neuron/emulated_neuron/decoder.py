"""One decoder for six architectures on the CPU: embed, then for each layer norm, attention, feed-forward; then logits.

Letters of shapes: B rows of the batch, T new tokens, S positions that the cache has room for, N n_positions,
E hidden width, H query heads, G key/value heads, R = H/G queries that share a key, D head width, V vocabulary.

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

from emulated_neuron.layers import ACTIVATIONS, can_pack
from emulated_neuron.loading import Layer, Loader
from emulated_neuron.specs import Spec

_MASKED = -1e9  # finite, so that a query that is padding itself gets numbers and not NaN
# The cache grows by this many positions, so that products meet few shapes: oneDNN compiles a kernel for each.
_BLOCK = 128
# Up to this many rows times positions, converting bf16 keys and values to f32 costs less than oneDNN's bf16 products.
NARROW = 256


@dataclass(frozen=True, slots=True)
class Step:
    """What all layers of one forward pass share."""

    batch: int
    tokens: int
    start: int  # cache position of the first new token
    bias: Tensor | None  # added to attention scores, broadcast to (B, H, T, S); None is plain causal
    wide: bool  # whether one token reads the cache in f32
    turns: Tensor | None  # rotary positions as complex numbers of length 1, broadcast to (B, T, H, D/2)


class Decoder:
    """Weights and KV cache of one model, and the forward pass over both."""

    def __init__(
        self,
        spec: Spec,
        weights: Mapping[str, Tensor],
        *,
        amp: torch.dtype,
        compute: torch.dtype,
        batch_size: int,
        n_positions: int,
        matrix_dtype: str | None = None,
        hide_padding: bool = True,
    ) -> None:
        """Round the layers' weights to `amp` and hold them in `compute`, or their matrices in eight bits.

        Embeddings keep the checkpoint's dtype, and what is looked up is f32, as the norms are.
        """
        self.spec, self.dtype = spec, compute
        self.across = compute == torch.float32  # in memory the positions of a lane lie beside each other
        loader = Loader(spec, weights, amp, compute, matrix_dtype, rows=batch_size)
        layout, dims = spec.family.layout, spec.dims
        self.embed = loader.table(layout.embed)  # (V, E)
        self.positions = loader.table(layout.positions) if layout.positions else None  # (N + offset, E)
        self.embed_norm = loader.norm(layout.embed_norm) if layout.embed_norm else None
        self.layers = [loader.layer(index) for index in range(dims.layers)]
        self.final_norm = loader.norm(layout.final_norm)
        self.lm_head = loader.lm_head()
        self.activation = ACTIVATIONS[spec.activation]
        self.rows, self.n_positions, self.hide_padding = batch_size, n_positions, hide_padding
        self.caches = [self._empty_cache(0) for _ in self.layers]
        self.bf16_products = can_pack(torch.bfloat16)
        self.index = torch.arange(n_positions)
        self.turns = _rotary_table(spec, n_positions) if spec.rotary_dim else None
        self.slopes = _alibi_slopes(dims.heads) if dims.family.positions == "alibi" else None

    def reset(self) -> None:
        """Forget every token."""
        self.caches = [self._empty_cache(0) for _ in self.layers]

    def reorder(self, rows: Tensor) -> None:
        """Put row `rows[i]` of the cache in place i."""
        self.caches = [cache[:, rows] for cache in self.caches]

    def forward(self, tokens: Tensor, start: int, pads: Tensor | None = None) -> Tensor:
        """Logits (B, V) in f32 of the last of `tokens` (B, T), which stand at cache positions from `start` on.

        `pads` (B) counts the left padding of each row: those positions are invisible and count as negative.
        """
        batch, count = tokens.shape
        stop = start + count
        if start == 0:
            self.reset()
        self._make_room(stop)
        ids = self.index[start:stop]  # (T)
        if pads is not None:
            ids = (ids - pads[:, None]).clamp(min=0)  # (B, T)
        x = self._embed(tokens, ids)  # (B*T, E)
        wide = batch * self.caches[0].shape[3] <= NARROW or not self.bf16_products
        step = Step(batch, count, start, self._attention_bias(start, stop, pads), wide, self._turns_at(ids))
        for layer, cache in zip(self.layers, self.caches, strict=True):
            x = self._block(layer, cache, x, step)  # (B*T, E)
        last = x.view(batch, count, -1)[:, -1] if count > 1 else x  # (B, E)
        return self.lm_head(self.final_norm(last)).float()

    def _empty_cache(self, positions: int) -> Tensor:
        """Keys and values of one layer, (2, B, G, S, D): S grows with the text, up to n_positions."""
        dims = self.spec.dims
        if self.across:
            return torch.zeros(2, self.rows, dims.kv_heads, dims.head_dim, positions).transpose(3, 4)
        return torch.zeros(2, self.rows, dims.kv_heads, positions, dims.head_dim, dtype=self.dtype)

    def _make_room(self, stop: int) -> None:
        filled = self.caches[0].shape[3]
        if stop <= filled:
            return
        positions = min(-(-stop // _BLOCK) * _BLOCK, self.n_positions)
        for i, cache in enumerate(self.caches):
            self.caches[i] = self._empty_cache(positions)
            self.caches[i][:, :, :, :filled] = cache

    def _embed(self, tokens: Tensor, ids: Tensor) -> Tensor:
        x = F.embedding(tokens, self.embed).float()  # (B, T, E)
        if self.positions is not None:
            x = x + F.embedding(ids + self.spec.dims.family.position_offset, self.positions).float()
        if self.embed_norm is not None:
            x = self.embed_norm(x)
        return x.flatten(0, 1).to(self.dtype)

    def _block(self, layer: Layer, cache: Tensor, x: Tensor, step: Step) -> Tensor:
        normed = layer.norm1(x)
        attended = layer.out.onto(x, self._attention(layer, cache, normed, step))
        if self.spec.family.residual == "sequential":
            return layer.down.onto(attended, self._widen(layer, layer.norm2(attended)))
        second = normed if layer.norm2 is layer.norm1 else layer.norm2(x)
        return layer.down.onto(attended, self._widen(layer, second))

    def _widen(self, layer: Layer, x: Tensor) -> Tensor:
        """The inner side of the feed-forward: (B*T, E) -> (B*T, ffn)."""
        if not self.spec.dims.family.gated_ffn:
            return layer.up(x, self.activation)
        gate, up = layer.up(x).chunk(2, dim=-1)
        return self.activation.function(gate).mul_(up)

    def _attention(self, layer: Layer, cache: Tensor, x: Tensor, step: Step) -> Tensor:
        """What each new token reads from all tokens so far: (B*T, H*D)."""
        dims, stop = self.spec.dims, step.start + step.tokens
        heads, groups, width = dims.heads, dims.kv_heads, dims.head_dim
        qkv = layer.qkv(x).float().view(step.batch, step.tokens, heads + 2 * groups, width)
        if step.turns is not None:
            qk = qkv[:, :, : heads + groups].unflatten(-1, (-1, 2))  # (B, T, H+G, D/2, 2)
            torch.view_as_complex(qk).mul_(step.turns)
        q, kv = qkv.split((heads, 2 * groups), dim=2)
        q.mul_(width**-0.5)
        kv = kv.unflatten(2, (2, groups))  # (B, T, 2, G, D)
        cache[:, :, :, step.start : stop] = kv.permute(2, 0, 3, 1, 4)
        if step.tokens > 1:
            return attend(q.to(self.dtype), cache[:, :, :, :stop].contiguous(), step.bias)
        if self.across:
            return attend_across(q, cache, step.bias)
        return attend_one(q, cache.float() if step.wide else cache, step.bias).to(self.dtype)

    def _attention_bias(self, start: int, stop: int, pads: Tensor | None) -> Tensor | None:
        """Hides later and padding positions, and holds ALiBi's slopes; None where plain causal order is enough."""
        room = self.caches[0].shape[3]
        single = stop - start == 1
        if pads is None and self.slopes is None and (stop == room if single else start == 0):
            return None
        index = self.index[: room if single else stop]  # (S)
        bias = torch.zeros(stop - start, len(index)).masked_fill_(index > self.index[start:stop, None], -math.inf)
        if self.slopes is not None:
            bias = bias + self.slopes[:, None, None] * index  # (H, T, S)
        if pads is not None and self.hide_padding:
            bias = bias + torch.where(index < pads[:, None], _MASKED, 0.0)[:, None, None]  # (B, H or 1, T, S)
        return bias.to(self.dtype)

    def _turns_at(self, ids: Tensor) -> Tensor | None:
        return None if self.turns is None else self.turns[ids].unsqueeze(-2)  # (.., T, 1, D/2)


def attend(q: Tensor, cache: Tensor, bias: Tensor | None) -> Tensor:
    """Attention of q (B, T, H, D), already scaled, over a cache (2, B, G, S, D) of all it may see: (B*T, H*D)."""
    (batch, count, heads, width), (keys, values) = q.shape, cache
    if heads > values.shape[1]:
        keys, values = (m.repeat_interleave(heads // m.shape[1], dim=1) for m in cache)  # (B, H, S, D)
    mixed = F.scaled_dot_product_attention(
        q.transpose(1, 2), keys, values, attn_mask=bias, is_causal=bias is None, scale=1.0
    )  # (B, H, T, D)
    return mixed.transpose(1, 2).reshape(batch * count, heads * width)


def attend_one(q: Tensor, cache: Tensor, bias: Tensor | None) -> Tensor:
    """The same for one new token of each row: q (B, 1, H, D) in f32 over a whole cache (2, B, G, S, D): (B, H*D).

    Two batched products are quicker here than the fused kernel, and heads that share a key need no copies of it.
    """
    _, batch, groups, room, width = cache.shape
    heads = q.shape[2]
    keys, values = cache.flatten(1, 2)  # (B*G, S, D)
    scores = torch.bmm(q.reshape(batch * groups, -1, width).to(cache.dtype), keys.transpose(1, 2))  # (B*G, R, S)
    if bias is not None:
        scores.view(batch, heads, 1, room).add_(bias)
    return torch.bmm(scores.softmax(-1), values).view(batch, heads * width)  # (B*G, R, D)


def attend_across(q: Tensor, cache: Tensor, bias: Tensor | None) -> Tensor:
    """The same over a cache in f32 that lies across: (B, H*D).

    NumPy's product of each query with its keys takes half the time of torch's batched one on two thousand positions.
    """
    _, batch, groups, room, width = cache.shape
    heads = q.shape[2]
    keys, values = cache.unsqueeze(3).numpy()  # (B, G, 1, S, D)
    queries = q.reshape(batch, groups, -1, 1, width).numpy()  # (B, G, R, 1, D)
    scores = torch.from_numpy(queries @ keys.swapaxes(-1, -2))  # (B, G, R, 1, S)
    if bias is not None:
        scores.view(batch, heads, 1, room).add_(bias)
    return torch.from_numpy(scores.softmax(-1).numpy() @ values).view(batch, heads * width)


def _rotary_table(spec: Spec, n_positions: int) -> Tensor:
    """Turns (N, D/2) of each pair of lanes, in the order of `rotary_lanes`; pairs that stay have 1."""
    rotated = spec.rotary_dim
    frequencies = spec.rotary_base ** (-torch.arange(0, rotated, 2).float() / rotated)
    angles = torch.zeros(n_positions, spec.dims.head_dim // 2)
    angles[:, : rotated // 2] = torch.outer(torch.arange(n_positions).float(), frequencies)
    return torch.polar(torch.ones_like(angles), angles)


def _alibi_slopes(heads: int) -> Tensor:
    """Slopes (H) of the linear bias (Press et al. 2022): a geometric row, filled up from the next finer one."""
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2.0 ** (-8.0 * (i + 1) / power) for i in range(power)]
    slopes += [2.0 ** (-4.0 * (2 * i + 1) / power) for i in range(heads - power)]
    return torch.tensor(slopes)
