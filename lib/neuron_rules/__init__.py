"""The rules of Inferentia2 and transformers-neuronx as pure functions: degrees, heads, buckets, memory.

Standard library only. The planner and the rehearsal's device both use exactly these, so they cannot disagree.
"""

from .architectures import ARCHITECTURES, Architecture, architecture
from .buckets import bucket_for, context_buckets, token_buckets
from .cores import core_groups, parse_visible_cores
from .degrees import DegreeCheck, check_cores, check_degree, check_heads, check_listed
from .dims import STANDS_FOR, ModelDims, rule_dims
from .errors import ImpossibleSize, IncompleteConfig, NeuronRulesError, UnknownName
from .generations import GENERATIONS, Generation, generation
from .host import HostPeak, HostRates, host_peak
from .limits import computed_activation, refused_int8, refused_unroll, refused_variants
from .loading import LoadRates, Span, load_seconds, load_steps
from .memory import (
    CONTEXT_RESERVE_GIB,
    CORE_BYTES,
    DTYPE_BYTES,
    GIB,
    RESERVE_BRACKET_GIB,
    CoreBytes,
    CoreTensor,
    Fit,
    MemoryVerdict,
    all_reduces_per_step,
    bytes_per_core,
    core_tensors,
    dtype_bytes,
    host_bytes,
    judge_memory,
    sum_bytes,
    usable_core_bytes,
)
from .nxdi import NXDI_CORE_GB, NXDI_CORES_A_DEVICE, NXDI_DEGREES, NxdiSplit, nxdi_heads, nxdi_split
from .padding import padded, padded_heads, padded_vocab, placed_kv_heads

__all__ = [
    "ARCHITECTURES",
    "CONTEXT_RESERVE_GIB",
    "CORE_BYTES",
    "DTYPE_BYTES",
    "GENERATIONS",
    "GIB",
    "NXDI_CORES_A_DEVICE",
    "NXDI_CORE_GB",
    "NXDI_DEGREES",
    "RESERVE_BRACKET_GIB",
    "STANDS_FOR",
    "Architecture",
    "CoreBytes",
    "CoreTensor",
    "DegreeCheck",
    "Fit",
    "Generation",
    "HostPeak",
    "HostRates",
    "ImpossibleSize",
    "IncompleteConfig",
    "LoadRates",
    "MemoryVerdict",
    "ModelDims",
    "NeuronRulesError",
    "NxdiSplit",
    "Span",
    "UnknownName",
    "all_reduces_per_step",
    "architecture",
    "bucket_for",
    "bytes_per_core",
    "check_cores",
    "check_degree",
    "check_heads",
    "check_listed",
    "computed_activation",
    "context_buckets",
    "core_groups",
    "core_tensors",
    "dtype_bytes",
    "generation",
    "host_bytes",
    "host_peak",
    "judge_memory",
    "load_seconds",
    "load_steps",
    "nxdi_heads",
    "nxdi_split",
    "padded",
    "padded_heads",
    "padded_vocab",
    "parse_visible_cores",
    "placed_kv_heads",
    "refused_int8",
    "refused_unroll",
    "refused_variants",
    "rule_dims",
    "sum_bytes",
    "token_buckets",
    "usable_core_bytes",
]
