"""The generations of transformers-neuronx whose rules differ, as one table that all code asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .errors import UnknownName

_SAMPLE_02 = ("input_ids", "sequence_length")
SAMPLE_08 = (*_SAMPLE_02, "start_ids", "top_k")
_SAMPLE_08_LLAMA = (
    *_SAMPLE_02,
    "cache_ids",
    "start_ids",
    "top_k",
    "top_p",
    "eos_token_override",
    "temperature",
    "streamer",
)


@dataclass(frozen=True)
class Generation:
    """What one generation accepts; the table below gives the source and date of each value."""

    name: str
    title: str
    architectures: tuple[str, ...]  # families that have a model class
    documented_degrees: Mapping[str, tuple[int, ...]]  # by instance family
    even_degrees: frozenset[str]  # instance families where any other even degree is accepted, with a note
    degrees_multiple_of: Mapping[str, int]  # instance families where multiples of this are accepted too
    pads_heads: frozenset[str]  # architectures whose heads are padded to a multiple of the degree
    dtypes: tuple[str, ...]  # what `amp` may be
    sample_arguments: Mapping[str, tuple[str, ...]]  # by architecture, in order
    constructor_arguments: Mapping[str, tuple[str, ...]]  # beyond the five that all have
    context_buckets: bool  # the prompt has programs of its own instead of one position at a time
    eight_bit: frozenset[str]  # architectures whose matrices may be stored in eight bits
    matrix_dtypes: tuple[str, ...]  # eight-bit storage of the layers' matrices: amp `f16-u8-f16`, or NeuronConfig's s8


def _by_architecture(names: tuple[str, ...], default: tuple[str, ...], **other: tuple[str, ...]) -> Mapping:
    return MappingProxyType({name: other.get(name, default) for name in names})


_ARCHITECTURES_02 = ("gpt2", "gptj", "opt")
_ARCHITECTURES_08 = ("bloom", "gpt2", "gpt_neox", "gptj", "llama", "opt")

GENERATIONS: Mapping[str, Generation] = MappingProxyType(
    {
        "0.2": Generation(
            name="0.2",
            title="transformers-neuronx 0.2 (2023-02, DJL 0.21 and 0.22.1)",
            architectures=_ARCHITECTURES_02,
            # README of the tag v2.8.0 and the article, 2023-04
            documented_degrees=MappingProxyType({"inf2": (1, 2, 4, 8, 24), "trn1": (1, 2, 8, 32)}),
            even_degrees=frozenset(),
            degrees_multiple_of=MappingProxyType({}),
            pads_heads=frozenset(),
            dtypes=("f32", "f16", "bf16"),
            sample_arguments=_by_architecture(_ARCHITECTURES_02, _SAMPLE_02),
            constructor_arguments=_by_architecture(_ARCHITECTURES_02, ("init_n_active_tokens",)),
            context_buckets=False,
            eight_bit=frozenset(_ARCHITECTURES_02),
            matrix_dtypes=("u8",),
        ),
        "0.8": Generation(
            name="0.8",
            title="transformers-neuronx 0.8.268 (SDK 2.15, 2023-10, DJL 0.25)",
            architectures=_ARCHITECTURES_08,
            # Developer guide v2.11 on; trn1's 16 from the package's README of 2023-07
            documented_degrees=MappingProxyType({"inf2": (1, 2, 4, 8, 24), "trn1": (1, 2, 8, 16, 32)}),
            # SDK pages on collective communication, v2.10 on: any even number of consecutive ranks on Inf2
            even_degrees=frozenset({"inf2"}),
            degrees_multiple_of=MappingProxyType({"trn1": 32}),
            # Release notes 0.5.58 (2023-07-21); GPT-J and GPT-NeoX never
            pads_heads=frozenset({"bloom", "gpt2", "llama", "opt"}),
            dtypes=("f32", "f16", "bf16"),
            sample_arguments=_by_architecture(_ARCHITECTURES_08, SAMPLE_08, llama=_SAMPLE_08_LLAMA),
            constructor_arguments=_by_architecture(
                _ARCHITECTURES_08,
                ("context_length_estimate", "context_unroll", "neuron_config"),
                llama=("context_length_estimate", "context_unroll", "neuron_config", "prefixed_length"),
            ),
            context_buckets=True,
            # gptj/model.py and gptneox/model.py of every release from 0.4 to 0.13 raise NotImplementedError
            eight_bit=frozenset({"bloom", "gpt2", "llama", "opt"}),
            matrix_dtypes=("s8",),
        ),
    }
)


def generation(name: str) -> Generation:
    """The rules of generation `name` ("0.2" or "0.8"); raises UnknownName."""
    try:
        return GENERATIONS[name]
    except KeyError:
        raise UnknownName("transformers-neuronx generation", name, GENERATIONS) from None
