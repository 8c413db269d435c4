"""Bytes on a core against the table that was worked out from the published layout, and AWS's own statements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_rules import (
    GIB,
    CoreBytes,
    Fit,
    ModelDims,
    UnknownName,
    all_reduces_per_step,
    bytes_per_core,
    core_tensors,
    generation,
    host_bytes,
    judge_memory,
    padded_heads,
    padded_vocab,
    sum_bytes,
    usable_core_bytes,
)

# size, degree, batch, n_positions, dtype, weights GiB, KV GiB, total GB over all cores, verdict
TABLE = [
    ("1.3b", 2, 2, 256, "f16", 1.22, 0.05, 2.7, Fit.FITS),
    ("13b", 2, 1, 2048, "f16", 11.96, 0.78, 27.4, Fit.FITS),
    ("13b", 2, 2, 2048, "f16", 11.96, 1.56, 29.0, Fit.FITS),  # runs on inf2.8xlarge, says the sample
    ("13b", 2, 3, 2048, "f16", 11.96, 2.34, 30.7, Fit.DOES_NOT_FIT),  # and so does it say of batch 3
    ("13b", 2, 2, 2048, "f32", 23.9, 3.1, 58, Fit.DOES_NOT_FIT),
    ("13b", 8, 2, 2048, "f16", 2.99, 0.39, 29.1, Fit.FITS),
    ("30b", 8, 1, 2048, "f16", 6.98, 0.33, 62.8, Fit.FITS),
    ("66b", 8, 2, 2048, "f16", 15.3, 1.1, 141, Fit.DOES_NOT_FIT),  # facebook-opt-66b sample
    ("66b", 8, 1, 2048, "f16", 15.3, 0.56, 136, Fit.DOES_NOT_FIT),
    ("66b", 24, 2, 2048, "f16", 5.1, 0.38, 141, Fit.FITS),
]


@pytest.mark.parametrize(("size", "degree", "batch", "n", "dtype", "weights", "kv", "total_gb", "fit"), TABLE)
def test_size_table(
    published: dict[str, ModelDims],
    size: str,
    degree: int,
    batch: int,
    n: int,
    dtype: str,
    weights: float,
    kv: float,
    total_gb: float,
    fit: Fit,
) -> None:
    core = bytes_per_core(
        published[size], generation=generation("0.2"), degree=degree, batch_size=batch, n_positions=n, dtype=dtype
    )
    assert core.weights / GIB == pytest.approx(weights, abs=0.05)
    assert core.kv_cache / GIB == pytest.approx(kv, abs=0.06)
    assert core.total * degree / 1e9 == pytest.approx(total_gb, rel=0.01)
    assert judge_memory(core).fit is fit


def test_emulated_device_agrees_with_the_pair_of_statements(opt13b: ModelDims) -> None:
    def needed(batch: int) -> int:
        return bytes_per_core(
            opt13b, generation=generation("0.8"), degree=2, batch_size=batch, n_positions=2048, dtype="f16"
        ).total

    assert needed(2) <= usable_core_bytes() < needed(3)


def test_between_the_known_cases_the_verdict_is_uncertain() -> None:
    assert judge_memory(CoreBytes(14 * GIB, 0, 0)).fit is Fit.UNCERTAIN
    assert judge_memory(CoreBytes(10 * GIB, 0, 0)).fit is Fit.FITS
    assert judge_memory(CoreBytes(10 * GIB, 0, 0), prompt_programs=True).fit is Fit.UNCERTAIN


def test_heads_and_vocabulary_are_padded_at_degree_24(opt13b: ModelDims) -> None:
    rules = generation("0.8")
    core = bytes_per_core(opt13b, generation=rules, degree=24, batch_size=2, n_positions=2048, dtype="f16")
    assert padded_heads(opt13b, 24, rules) == 48
    assert padded_vocab(opt13b, 24) == 50280  # 8 more, says the facts' vocabulary rule
    assert core.padding > 0
    assert core.kv_cache * 24 == pytest.approx(40 * 2 * 2048 * 2 * 5120 * 2)  # without the padded heads


def test_grouped_heads_are_repeated_where_the_degree_does_not_divide_them() -> None:
    llama70b = ModelDims("llama", 8192, 80, 64, vocab=32000, max_positions=4096, ffn=28672, kv_heads=8)

    def cache(degree: int) -> int:
        core = bytes_per_core(
            llama70b, generation=generation("0.8"), degree=degree, batch_size=1, n_positions=4096, dtype="bf16"
        )
        return core.kv_cache + core.padding if degree == 24 else core.kv_cache

    assert cache(8) * 8 == 327680 * 4096  # bytes per token from the facts: 8 heads, one on each core
    assert cache(24) > 3 * cache(8)  # 72 heads instead of 8


def test_int8_halves_the_layers_and_leaves_the_rest(opt13b: ModelDims) -> None:
    def core(matrix_dtype: str | None) -> CoreBytes:
        return bytes_per_core(
            opt13b,
            generation=generation("0.8"),
            degree=2,
            batch_size=1,
            n_positions=2048,
            dtype="f16",
            matrix_dtype=matrix_dtype,
        )

    assert core("s8").kv_cache == core(None).kv_cache
    assert core("s8").weights / core(None).weights == pytest.approx(0.51, abs=0.01)


@given(
    heads=st.integers(1, 16),
    width=st.sampled_from([4, 8]),
    layers=st.integers(1, 3),
    degree=st.sampled_from([1, 2, 4, 8, 12, 24]),
    batch=st.integers(1, 4),
    architecture=st.sampled_from(["opt", "gpt2", "bloom", "llama"]),
)
def test_cores_together_hold_the_whole_model_once(
    heads: int, width: int, layers: int, degree: int, batch: int, architecture: str
) -> None:
    dims = ModelDims(architecture, heads * width, layers, heads, vocab=97, max_positions=64)
    one, many = (
        bytes_per_core(dims, generation=generation("0.8"), degree=d, batch_size=batch, n_positions=64, dtype="f32")
        for d in (1, degree)
    )
    # Norms and the biases of the two projections are whole on every core; all else is split.
    whole = sum_bytes(
        t
        for t in core_tensors(dims, generation=generation("0.8"), degree=1, batch_size=1, n_positions=64, dtype="f32")
        if "norm" in t.name or t.name.endswith(("out.bias", "fc2.bias"))
    ).total
    assert one.padding == 0
    rounding = 2 * layers * 12 + 2  # the padding of each tensor is rounded down to whole bytes
    assert many.kv_cache * degree == pytest.approx(one.kv_cache, abs=rounding * degree)
    assert (many.weights - whole) * degree == pytest.approx(one.weights - whole, abs=rounding * degree)


@pytest.mark.parametrize("matrix_dtype", [None, "s8"])
@pytest.mark.parametrize("degree", [2, 24])
def test_the_bytes_are_those_of_every_tensor(opt13b: ModelDims, degree: int, matrix_dtype: str | None) -> None:
    """The layers are counted from one of them."""
    asked = {"generation": generation("0.8"), "degree": degree, "batch_size": 2, "n_positions": 2048, "dtype": "f16"}
    tensors = core_tensors(opt13b, **asked, matrix_dtype=matrix_dtype)
    assert bytes_per_core(opt13b, **asked, matrix_dtype=matrix_dtype) == sum_bytes(tensors)


def test_host_keeps_the_embeddings_and_two_sums_a_layer_cross_the_link(opt13b: ModelDims) -> None:
    assert host_bytes(opt13b) == (50272 + 2050) * 5120 * 4
    assert all_reduces_per_step(opt13b, 8) == 80
    assert all_reduces_per_step(opt13b, 1) == 0


def test_unknown_dtype(opt13b: ModelDims) -> None:
    with pytest.raises(UnknownName, match=r"'fp16'.*f16"):
        bytes_per_core(opt13b, generation=generation("0.8"), degree=2, batch_size=1, n_positions=128, dtype="fp16")
