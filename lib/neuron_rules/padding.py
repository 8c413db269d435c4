"""How many heads, vocabulary rows and feed-forward columns the device holds once a degree splits them."""

from __future__ import annotations

import math

from .dims import ModelDims
from .generations import Generation


def padded(size: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is at least `size`."""
    return -(-size // multiple) * multiple


def pads_heads(dims: ModelDims, generation: Generation) -> bool:
    """Whether this generation pads this architecture's heads; otherwise the degree has to divide them."""
    return dims.architecture in generation.pads_heads


def padded_heads(dims: ModelDims, degree: int, generation: Generation) -> int:
    """Query heads on the device: 40 at degree 24 become 48 where heads are padded, and stay 40 elsewhere."""
    return padded(dims.heads, degree) if pads_heads(dims, generation) else dims.heads


def placed_kv_heads(dims: ModelDims, degree: int, generation: Generation) -> int:
    """Key/value heads on the device, all cores together.

    Grouped heads that the degree does not divide are repeated for every (padded) query head, so that each
    core finds the key of its own queries.
    """
    if dims.kv_heads % degree == 0:
        return dims.kv_heads
    return padded_heads(dims, degree, generation)


def padded_vocab(dims: ModelDims, degree: int, divisor: int = 1) -> int:
    """Columns of the output matrix on the device: the vocabulary, zero-padded to a multiple of degree and divisor.

    `divisor` is NEURON_VOCAB_PAD_DIVISOR, which transformers-neuronx reads from 0.5.
    """
    return padded(dims.vocab, math.lcm(degree, divisor))


def padded_ffn(dims: ModelDims, degree: int, generation: Generation) -> int:
    """Feed-forward width on the device; padded together with the heads."""
    return padded(dims.ffn, degree) if pads_heads(dims, generation) else dims.ffn
