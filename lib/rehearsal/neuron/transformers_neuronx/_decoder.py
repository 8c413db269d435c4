"""One decoder for six architectures on the CPU: embed, then for each layer norm, attention, feed-forward; then logits.

Letters of shapes: B rows of the batch, T new tokens, S tokens so far, N n_positions, E hidden width,
H query heads, G key/value heads, R = H/G queries that share a key, D head width, V vocabulary.

    sequential:  x += attention(norm1(x));  x += feed_forward(norm2(x))       OPT, GPT-2, BLOOM, Llama
    parallel:    x += attention(norm1(x)) + feed_forward(norm2(x))            GPT-NeoX; GPT-J with one norm for both
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ._specs import Layout, Spec

_MASKED = -1e9  # finite, so that a query that is padding itself gets numbers and not NaN

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "gelu": F.gelu,
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "gelu_fast": partial(F.gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
    "silu": F.silu,
}


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer norm, or a root-mean-square norm (no bias); computed in f32."""

    weight: Tensor
    bias: Tensor | None
    eps: float
    rms: bool

    def __call__(self, x: Tensor) -> Tensor:
        """Normalize the last dimension of x (.., E)."""
        if not self.rms:
            return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
        wide = x.float()
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps) * self.weight).to(x.dtype)


@dataclass(frozen=True, slots=True)
class Linear:
    """A matrix stored [out, in] and its bias, in the dtype that computes."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        """(.., in) -> (.., out)."""
        return F.linear(x, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class Layer:
    """One block; `qkv` gives H + 2G heads of every token, `up` also the gate where there is one."""

    norm1: Norm
    norm2: Norm
    qkv: Linear
    out: Linear
    up: Linear
    down: Linear


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
        batch_size: int, n_positions: int,
    ) -> None:  # fmt: skip
        """Round the layers' weights to `amp` and hold them in `compute`; embeddings and norms stay f32."""
        self.spec, self.dtype, self.n_positions = spec, compute, n_positions
        loader = _Loader(spec, weights, amp, compute)
        layout, dims = spec.family.layout, spec.dims
        self.embed = loader.table(layout.embed)  # (V, E)
        self.positions = loader.table(layout.positions) if layout.positions else None  # (N + offset, E)
        self.embed_norm = loader.norm(layout.embed_norm) if layout.embed_norm else None
        self.layers = [loader.layer(index) for index in range(dims.layers)]
        self.final_norm = loader.norm(layout.final_norm)
        self.lm_head = loader.linear(layout.lm_head, bias=dims.family.lm_head_bias)
        self.activation = ACTIVATIONS[spec.activation]
        cache = (batch_size, dims.kv_heads, n_positions, dims.head_dim)
        self.caches = [
            (torch.zeros(cache, dtype=compute), torch.zeros(cache, dtype=compute)) for _ in self.layers
        ]
        self.index = torch.arange(n_positions)
        self.rotary = _rotary_tables(spec, n_positions, compute) if spec.rotary_dim else None
        self.slopes = _alibi_slopes(dims.heads) if dims.family.positions == "alibi" else None

    def reset(self) -> None:
        """Forget every token."""
        for keys, values in self.caches:
            keys.zero_()
            values.zero_()

    def reorder(self, rows: Tensor) -> None:
        """Put row `rows[i]` of the cache in place i."""
        for keys, values in self.caches:
            keys.copy_(keys[rows])
            values.copy_(values[rows])

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

    def _block(self, layer: Layer, cache: tuple[Tensor, Tensor], x: Tensor, step: Step) -> Tensor:
        normed = layer.norm1(x)
        attended = self._attention(layer, cache, normed, step)
        if self.spec.family.residual == "sequential":
            x = x + attended
            return x + self._feed_forward(layer, layer.norm2(x))
        second = normed if layer.norm2 is layer.norm1 else layer.norm2(x)
        return x + attended + self._feed_forward(layer, second)

    def _feed_forward(self, layer: Layer, x: Tensor) -> Tensor:
        wide = layer.up(x)
        if self.spec.dims.family.gated_ffn:
            gate, wide = wide.chunk(2, dim=-1)
            return layer.down(self.activation(gate) * wide)
        return layer.down(self.activation(wide))

    def _attention(self, layer: Layer, cache: tuple[Tensor, Tensor], x: Tensor, step: Step) -> Tensor:
        dims, (keys, values) = self.spec.dims, cache  # (B, G, N, D) each
        heads, groups = dims.heads, dims.kv_heads
        qkv = layer.qkv(x).view(step.batch, step.tokens, heads + 2 * groups, dims.head_dim)
        qk, v = qkv[:, :, : heads + groups], qkv[:, :, heads + groups :]
        if step.rotary is not None:
            cosines, sines = step.rotary
            qk = torch.addcmul(qk * cosines, qk.roll(dims.head_dim // 2, -1), sines)
        stop = step.start + step.tokens
        keys[:, :, step.start : stop] = qk[:, :, heads:].transpose(1, 2)
        values[:, :, step.start : stop] = v.transpose(1, 2)
        return layer.out(attend(qk[:, :, :heads], keys[:, :, :stop], values[:, :, :stop], step.bias))

    def _attention_bias(self, start: int, stop: int, pads: Tensor | None) -> Tensor | None:
        """What hides later and padding positions and holds ALiBi's slopes; None where plain causal order is enough."""
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
    """Attention of q (B, T, H, D), already scaled, over k and v (B, G, S, D): (B*T, H*D)."""
    (batch, count, heads, width), (_, groups, length, _) = q.shape, k.shape
    if count > 1:
        repeats = heads // groups
        k, v = (m.repeat_interleave(repeats, dim=1) if repeats > 1 else m for m in (k, v))  # (B, H, S, D)
        mixed = F.scaled_dot_product_attention(
            q.transpose(1, 2), k, v, attn_mask=bias, is_causal=bias is None, scale=1.0
        )  # (B, H, T, D)
        return mixed.transpose(1, 2).reshape(batch * count, heads * width)
    # One token: two batched products are faster on a CPU than the fused kernel, and grouped heads need no copies.
    scores = torch.bmm(q.reshape(batch * groups, -1, width), k.flatten(0, 1).transpose(1, 2))  # (B*G, R, S)
    if bias is not None:
        scores = (scores.view(batch, heads, 1, length) + bias).view(scores.shape)
    mixed = torch.bmm(scores.softmax(-1), v.flatten(0, 1))  # (B*G, R, D)
    return mixed.view(batch, heads * width)


@dataclass(frozen=True)
class _Loader:
    """Fetches weights by key and brings every architecture's layout into the decoder's."""

    spec: Spec
    weights: Mapping[str, Tensor]
    amp: torch.dtype
    compute: torch.dtype

    @property
    def layout(self) -> Layout:
        return self.spec.family.layout

    def fetch(self, key: str) -> Tensor:
        """The tensor called `key`; a missing one is noticed here and not when the checkpoint is opened."""
        try:
            return self.weights[key].detach()
        except KeyError:
            raise ValueError(
                f"uninitialized parameter `{key}`: the checkpoint has no such key; "
                "write it again with save_pretrained_split from a model of the same architecture"
            ) from None

    def table(self, name: str) -> Tensor:
        return self.fetch(f"{name}.weight").float()

    def norm(self, name: str) -> Norm:
        bias = self.fetch(f"{name}.bias").float() if self.spec.dims.family.norm_bias else None
        rms = self.spec.family.norm == "rms"
        return Norm(self.fetch(f"{name}.weight").float(), bias, self.spec.norm_eps, rms)

    def linear(self, *names: str, bias: bool, transposed: bool = False) -> Linear:
        """One matrix, or several stacked into one so that a step multiplies once."""
        matrices = [self.fetch(f"{name}.weight") for name in names]
        weight = torch.cat([m.T if transposed else m for m in matrices])
        return self.placed(
            weight, torch.cat([self.fetch(f"{name}.bias") for name in names]) if bias else None
        )

    def placed(self, weight: Tensor, bias: Tensor | None) -> Linear:
        held = [m if m is None else m.to(self.amp).to(self.compute).contiguous() for m in (weight, bias)]
        return Linear(*held)

    def layer(self, index: int) -> Layer:
        layout, family = self.layout, self.spec.dims.family
        at = layout.layer.format(index)
        norm1 = self.norm(at + layout.norm1)
        matrix = partial(self.linear, transposed=layout.transposed)
        return Layer(
            norm1=norm1,
            norm2=self.norm(at + layout.norm2) if layout.norm2 else norm1,
            qkv=self.qkv(at),
            out=matrix(at + layout.out, bias=family.attention_bias),
            up=matrix(*(at + name for name in layout.up), bias=family.ffn_bias),
            down=matrix(at + layout.down, bias=family.ffn_bias),
        )

    def qkv(self, at: str) -> Linear:
        """Rows ordered q heads, k heads, v heads; q divided by sqrt(D); rotated pairs lie half a head apart."""
        layout, dims = self.layout, self.spec.dims
        whole = self.linear(
            *(at + name for name in layout.qkv), bias=dims.family.attention_bias, transposed=layout.transposed
        )
        heads, groups, width = dims.heads, dims.kv_heads, dims.head_dim
        order = torch.arange(heads + 2 * groups)
        if layout.qkv_order == "by head":  # q, k, v of the first head, then of the second
            order = order.view(heads, 3).T.reshape(-1)
        lanes = _rotary_lanes(self.spec)
        scale = torch.ones(heads + 2 * groups, 1, 1)
        scale[:heads] = width**-0.5

        def arrange(m: Tensor) -> Tensor:
            m = m.view(heads + 2 * groups, width, -1)[order] * scale.to(m.dtype)
            m[: heads + groups] = m[: heads + groups, lanes]
            return m

        weight = arrange(whole.weight).view(whole.weight.shape)
        return Linear(weight, None if whole.bias is None else arrange(whole.bias).view(-1))


def _rotary_lanes(spec: Spec) -> Tensor:
    """The order of a head's lanes in which the partner of each rotated lane is half a head away.

    A dot product of q and k does not change when both are reordered alike, so one rotation serves all styles.
    """
    width, rotated = spec.dims.head_dim, spec.rotary_dim
    lanes = torch.arange(width)
    turning, still = lanes[:rotated], lanes[rotated:]
    neighbours = spec.family.rotary_pairs == "neighbours"
    first, second = (turning[0::2], turning[1::2]) if neighbours else turning.chunk(2)
    if rotated == 0:
        return lanes
    middle = len(still) // 2
    return torch.cat((first, still[:middle], second, still[middle:]))


def _rotary_tables(spec: Spec, n_positions: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines (N, D) for lanes in the order of `_rotary_lanes`; lanes that stay have 1 and 0."""
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
