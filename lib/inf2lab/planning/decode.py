"""Time for one output token, as a range: measured where a published row is this configuration, else modelled.

The model is a roofline with three corrections, fitted by tools/fit_decode_model.py on the rows of one release:

    ms = a x (bytes of weights + bytes of KV cache) / bandwidth of a core      streaming, below the nominal speed
       + c x 2 x layers                         an all-reduce and a launch, twice a layer
       + d x MB summed over the cores           2 x layers x batch^0.7 x hidden numbers
       + e x layers x bucket                    attention's passes over the scores, whatever the batch

Bytes are those of neuron_rules: padded heads, repeated KV heads, and the cache up to the token bucket. An architecture
whose only rows are older than that release (OPT) keeps the pace of its own rows: the model's time is multiplied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from inf2lab import catalog
from inf2lab.catalog import Latency
from inf2lab.planning.memory import DISTINCT_SIZES, core_bytes
from inf2lab.planning.request import Request
from neuron_rules import GIB, bucket_for, dtype_bytes, token_buckets

MEASURED, INTERPOLATED, EXTRAPOLATED = "measured", "interpolated", "extrapolated"
# Batch 8 alone does not tell how a sum grows with the batch. With this power the rows of OPT-13B and OPT-30B of
# SDK 2.13 are as much slower than the model at batch 256 as they are at batch 1 (1.2 times); with 1 they are not.
BATCH_POWER = 0.7
TERMS = ("streaming", "layers", "summed", "scores")
OLDER = "older software"  # what an architecture's own rows took beyond the model


@dataclass(frozen=True)
class Range:
    """A value that is not known exactly: its bounds, and the likeliest in between."""

    low: float
    mid: float
    high: float

    @property
    def bounds(self) -> tuple[float, float, float]:
        """The three values, the smallest first."""
        return self.low, self.mid, self.high

    def scaled(self, factor: float) -> Range:
        """Every bound times `factor`."""
        return Range(*(value * factor for value in self.bounds))


@dataclass(frozen=True)
class Decode:
    """Milliseconds a token of each sequence, what that rests on, and the terms of the model in milliseconds."""

    ms_per_token: Range
    basis: str
    explanation: str
    parts: Mapping[str, float]
    roofline_ms: float
    row: Latency | None


@dataclass(frozen=True)
class Features:
    """What the model multiplies its coefficients with."""

    streaming: float  # ms at the nominal bandwidth
    layers: float  # all-reduces
    summed: float  # MB
    scores: float  # 1e6 layer-positions

    def values(self) -> tuple[float, ...]:
        """The four, in the order of TERMS."""
        return tuple(getattr(self, term) for term in TERMS)


def bucket_of(request: Request) -> int:
    """Return the token bucket in which the answer's median token is computed; at most n_positions."""
    prompt, answer = request.lengths
    median = min(request.n_positions, prompt + (answer + 1) // 2)
    return bucket_for(token_buckets(request.n_positions), median) or request.n_positions


def features(request: Request, bucket: int | None = None) -> Features:
    """Return what one step of the request moves and does on each core, in the median token's bucket or in `bucket`."""
    model, bucket = request.model, bucket or bucket_of(request)
    numbers = 2 * model.layers * request.batch_size**BATCH_POWER * model.hidden
    return Features(
        streaming=1e3 * core_bytes(replace(request, n_positions=bucket)).total / _bytes_per_s(request),
        layers=2 * model.layers,
        summed=numbers * dtype_bytes(request.dtype) / 1e6,
        scores=model.layers * bucket / 1e6,
    )


def mean_over_median(request: Request) -> float:
    """Return the mean time of the answer's tokens over that of the median one: early tokens read a smaller cache."""
    prompt, answer = request.lengths
    last = min(request.n_positions, prompt + max(1, answer))
    spent, tokens, start = 0.0, 0, min(prompt, last - 1)
    for bucket in token_buckets(request.n_positions):
        inside = min(bucket, last) - start
        if inside > 0:
            spent += inside * _predict(features(request, bucket))
            tokens, start = tokens + inside, bucket
    return spent / tokens / _predict(features(request))


def roofline_ms(request: Request) -> float:
    """Return the lower bound: weights and the cache up to the median position, unpadded, at the nominal bandwidth."""
    model = request.model
    prompt, answer = request.lengths
    positions = min(request.n_positions, prompt + answer / 2)
    cache_bytes = 2 * model.layers * model.kv_heads * model.head_dim * request.batch_size * positions
    weights = model.parameters  # the output matrix is counted once, as the embedding
    if model.family.positions == "learned":
        weights -= model.max_positions * model.hidden
    size = dtype_bytes(request.dtype)
    whole = weights * dtype_bytes(request.matrix_dtype or request.dtype) + cache_bytes * size
    return 1e3 * whole / (request.tensor_parallel_degree * _bytes_per_s(request))


def decode(request: Request) -> Decode:
    """Return the time for one output token of every sequence of the batch."""
    fit = catalog.decode_model()
    amounts = features(request)
    parts = {term: fit["coefficients"][term] * value for term, value in zip(TERMS, amounts.values(), strict=True)}
    modelled = sum(parts.values())
    own_release, own = _own_pace(fit, request)
    parts[OLDER] = modelled * (own - 1)
    floor = roofline_ms(request)
    row = measured_row(request)
    sdk, release = sdk_of(request), _version(fit["release"])
    if row:
        text = f"published for SDK {row.release} ({row.date}; {row.sources[0]})"
        text += f"; the model gives {modelled * own:.1f} ms"
        known = Range(row.token_p50_ms, row.token_p50_ms, row.token_p99_ms)
        high = max(known.high, modelled * _older(fit, request, since=_version(row.release))[1])
        if high > known.high:
            text += f"; the profile's SDK is older, where rows of this kind took up to {high:.0f} ms"
        return Decode(Range(known.low, known.mid, high), MEASURED, text, parts, floor, row)
    outside = _outside(request, fit)
    basis = EXTRAPOLATED if outside else INTERPOLATED
    error = fit["error"]["extrapolated" if outside else "interpolated"]
    low, high = 1 / (1 + error), 1 + error
    if request.batch_size > fit["range"]["batch_size"][1]:
        smallest, largest = fit["large_batch"]
        low, high = min(low, smallest), max(high, largest)
    text = (
        f"model fitted on {fit['rows']} rows of SDK {fit['release']}; "
        f"nine in ten rows of families it had not seen were within {error:.0%}"
    )
    if outside:
        text = f"model used where no row is published ({'; '.join(outside)}); its worst error was {error:.0%}"
    if sdk < release:
        slower = _older(fit, request)
        high *= slower[1]
        text += f"; rows of SDKs as old as this profile's are {slower[0]:.1f} to {slower[1]:.1f} times the model's time"
    if own_release:
        title = request.model.family.title
        text += f"; {title}'s own rows (SDK {own_release}) took {own:.2f} times it, so the middle does"
    mid = modelled * own
    range_ms = Range(min(mid, max(floor, modelled * low)), mid, max(mid, modelled * high))
    return Decode(range_ms, basis, text, parts, floor, None)


def measured_row(request: Request) -> Latency | None:
    """Return the published row of this very configuration; of several releases, the last that the profile has."""
    if request.weights is not None or dtype_bytes(request.dtype) != 2:
        return None
    rows = [row for row in catalog.latencies() if _is(row, request)]
    have = [row for row in rows if _version(row.release) <= sdk_of(request)]
    if have:
        return max(have, key=lambda row: _version(row.release))
    return min(rows, key=lambda row: _version(row.release), default=None)


def sdk_of(request: Request) -> tuple[int, ...]:
    """Return the SDK of the request's profile as numbers; (0,) where the image did not pin one."""
    return _version(request.stack.sdk)


@cache
def _predict(amounts: Features) -> float:
    coefficients = catalog.decode_model()["coefficients"]
    return sum(coefficients[term] * value for term, value in zip(TERMS, amounts.values(), strict=True))


def _bytes_per_s(request: Request) -> float:
    """Nominal bandwidth of one core: half of its chip's."""
    return request.hardware.device_gib_per_s * GIB / request.hardware.cores


def _is(row: Latency, request: Request) -> bool:
    """Whether a row measured the request; rows whose times had to be derived do not count."""
    if not row.trusted:
        return False
    known = catalog.model(row.model_id)
    if any(getattr(known, size) != getattr(request.model, size) for size in DISTINCT_SIZES):
        return False
    split = (row.instance, row.degree, row.batch_size, row.n_positions)
    if split != (request.instance, request.tensor_parallel_degree, request.batch_size, request.n_positions):
        return False
    return row.input_tokens is None or (row.input_tokens, row.output_tokens) == request.lengths


def _outside(request: Request, fit: Mapping[str, Any]) -> list[str]:
    """In what the request lies outside of the fitted rows."""
    known, model = fit["range"], request.model
    outside = []
    if request.model.architecture not in known["architectures"]:
        outside.append(f"architecture {model.family.title}")
    if request.instance not in known["instances"]:
        outside.append(request.instance)
    if request.tensor_parallel_degree not in known["degrees"]:
        outside.append(f"degree {request.tensor_parallel_degree}")
    if request.weights or dtype_bytes(request.dtype) != 2:
        outside.append(f"weights in {request.weights or request.dtype}")
    for name, value in (
        ("batch_size", request.batch_size),
        ("bucket", max(bucket_of(request), known["bucket"][0])),  # a smaller cache is no leap
        ("layers", model.layers),
        ("hidden", model.hidden),
    ):
        low, high = known[name]
        if not low <= value <= high:
            outside.append(f"{name.replace('_', ' ')} {value}, rows have {low} to {high}")
    return outside


def _own_pace(fit: Mapping[str, Any], request: Request) -> tuple[str, float]:
    """The last release of the profile's SDK that has rows of an architecture the fit has not, and their median pace."""
    releases = fit["own"].get(request.model.architecture)
    if not releases:
        return "", 1.0
    known = sorted(releases, key=_version)
    have = [release for release in known if _version(release) <= sdk_of(request)]
    release = (have or known[:1])[-1]
    return release, releases[release][1]


def _older(fit: Mapping[str, Any], request: Request, since: tuple[int, ...] = (99,)) -> tuple[float, float]:
    """Measured over modelled time in the releases around an older SDK: (least, most); (1, 1) for the fitted one on."""
    kind = "grouped" if request.model.kv_heads < request.model.heads else "plain"
    ratios = {_version(release): found for release, found in fit["older"][kind].items()}
    sdk = sdk_of(request)
    if sdk >= min(_version(fit["release"]), since):
        return (1.0, 1.0)
    before = [release for release in ratios if release <= sdk]
    after = [release for release in ratios if release > sdk]
    near = ([max(before)] if before else []) + ([min(after)] if after else [])
    bounds = [bound for release in near for bound in ratios[release]]
    return (min(bounds), max(1.0, *bounds)) if bounds else (1.0, 1.0)


def _version(text: str) -> tuple[int, ...]:
    match = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, match[0].split("."))) if match else (0,)
