"""From a checkpoint's layout to the decoder's: the matrices of every architecture, brought into one form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from emulated_neuron.layers import LayerNorm, Matrix, RmsNorm, pack, round_to_u8, to_int8
from emulated_neuron.specs import Layout, Spec


@dataclass(frozen=True, slots=True)
class Layer:
    """One block; `qkv` gives H + 2G heads of every token, `up` the gates first where the feed-forward has them."""

    norm1: LayerNorm | RmsNorm
    norm2: LayerNorm | RmsNorm
    qkv: Matrix
    out: Matrix
    up: Matrix
    down: Matrix


@dataclass(frozen=True)
class Loader:
    """Reads weights, rounds them to `amp`, and holds them in `compute` or in eight bits."""

    spec: Spec
    weights: Mapping[str, Tensor]
    amp: torch.dtype
    compute: torch.dtype
    matrix_dtype: str | None  # s8 or u8: eight-bit storage of the layers' matrices
    rows: int  # of the products of a decoding step

    @property
    def layout(self) -> Layout:
        """The keys of the checkpoint."""
        return self.spec.family.layout

    def table(self, name: str) -> Tensor:
        """An embedding table, which stays on the host; what is looked up is computed with in f32."""
        return self._fetch(f"{name}.weight")

    def norm(self, name: str) -> LayerNorm | RmsNorm:
        """A norm with f32 weights."""
        weight, eps = self._fetch(f"{name}.weight").float(), self.spec.norm_eps
        if self.spec.family.norm == "rms":
            return RmsNorm(weight, eps)
        return LayerNorm(weight, self._fetch(f"{name}.bias").float(), eps)

    def lm_head(self) -> Matrix:
        """The output matrix, never in eight bits."""
        name, family = self.layout.lm_head, self.spec.dims.family
        bias = self._round(self._fetch(f"{name}.bias")) if family.lm_head_bias else None
        return pack(self._round(self._fetch(f"{name}.weight")), bias, self.rows, self.amp)

    def layer(self, index: int) -> Layer:
        """All of block `index`."""
        layout, family = self.layout, self.spec.dims.family
        at = layout.layer.format(index)
        norm1 = self.norm(at + layout.norm1)
        return Layer(
            norm1=norm1,
            norm2=self.norm(at + layout.norm2) if layout.norm2 else norm1,
            qkv=self._qkv(at),
            out=self._store(*self._matrix(at + layout.out, family.attention_bias)),
            up=self._join(at, layout.up, family.ffn_bias),
            down=self._store(*self._matrix(at + layout.down, family.ffn_bias)),
        )

    def _qkv(self, at: str) -> Matrix:
        """Rows ordered q heads, k heads, v heads; rotated lanes lie in pairs."""
        dims, layout = self.spec.dims, self.layout
        heads, groups, width = dims.heads, dims.kv_heads, dims.head_dim
        parts = [self._matrix(at + name, dims.family.attention_bias) for name in layout.qkv]
        order: Tensor | None = None
        if layout.qkv_order == "by head":  # q, k, v of the first head, then of the second
            order = torch.arange(heads + 2 * groups).view(heads, 3).T.reshape(-1)
        lanes = rotary_lanes(self.spec) if self.spec.rotary_dim else None

        def arrange(pieces: list[Tensor]) -> Tensor:
            m = torch.cat(pieces)
            by_head = m.view(heads + 2 * groups, width, -1)
            if order is not None:
                by_head = by_head[order]
            if lanes is not None:
                by_head[: heads + groups] = by_head[: heads + groups, lanes]
            return by_head.view(m.shape)

        weight = arrange([weight for weight, _ in parts])
        return self._store(
            weight, arrange([bias for _, bias in parts if bias is not None]) if dims.family.attention_bias else None
        )

    def _join(self, at: str, names: tuple[str, ...], has_bias: bool) -> Matrix:
        """Several matrices below each other: one product with all of them is quicker than one with each."""
        if len(names) == 1:
            return self._store(*self._matrix(at + names[0], has_bias))
        weights, biases = zip(*(self._matrix(at + name, has_bias) for name in names), strict=True)
        return self._store(torch.cat(weights), torch.cat(biases) if has_bias else None)

    def _matrix(self, name: str, has_bias: bool) -> tuple[Tensor, Tensor | None]:
        """One matrix [out, in] and its bias, rounded."""
        weight = self._round(self._fetch(f"{name}.weight"))
        if self.matrix_dtype == "u8":
            weight = round_to_u8(weight)
        if self.layout.transposed:
            weight = weight.T.contiguous()
        return weight, self._round(self._fetch(f"{name}.bias")) if has_bias else None

    def _store(self, weight: Tensor, bias: Tensor | None) -> Matrix:
        return to_int8(weight, bias) if self.matrix_dtype == "s8" else pack(weight, bias, self.rows, self.amp)

    def _round(self, weight: Tensor) -> Tensor:
        return weight.to(self.amp).to(self.compute)

    def _fetch(self, key: str) -> Tensor:
        """The tensor called `key`; a missing one is noticed here and not when the checkpoint is opened."""
        try:
            return self.weights[key].detach()
        except KeyError:
            raise ValueError(
                f"uninitialized parameter `{key}`: the checkpoint has no such key; "
                "write it again with save_pretrained_split from a model of the same architecture"
            ) from None


def rotary_lanes(spec: Spec) -> Tensor:
    """The order of a head's lanes in which the partner of each rotated lane is its neighbour.

    A dot product of q and k does not change when both are reordered alike, so one rotation serves all styles.
    """
    lanes = torch.arange(spec.dims.head_dim)
    if spec.family.rotary_pairs == "halves":
        lanes[: spec.rotary_dim] = lanes[: spec.rotary_dim].view(2, -1).T.flatten()
    return lanes
