"""Fit the decode model on the published rows of one release, judge it on families left out, and store the result.

    python tools/fit_decode_model.py            # fit, print the errors beside the baselines', write the catalog
    python tools/fit_decode_model.py --check    # fit and print; exit code 1 if the catalog holds something else

Only the shared rows are used. A family is left out whole: fitted on the others, predicted, compared.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from inf2lab import catalog
from inf2lab.catalog import Latency
from inf2lab.files import write_file
from inf2lab.planning.decode import TERMS, bucket_of, features, roofline_ms
from inf2lab.planning.memory import core_bytes
from inf2lab.planning.request import Request

TARGET = Path(catalog.__file__).parent / "decode_model.json"
RELEASE = "2.18.0"
# Two models of the same sizes (Llama-2-13b, CodeLlama-13b) differ by up to 6 % and mostly by 1 %: beyond this an
# error counts linearly, so that one odd row does not bend the others.
HUBER = 0.03
ROUNDS = 60

Fit = Callable[[np.ndarray, np.ndarray], np.ndarray]


def request_of(row: Latency, degree: int | None = None) -> Request:
    """The request that a published row answered, under the rules that pad heads."""
    return Request(
        model=catalog.model(row.model_id),
        hardware=catalog.instance(row.instance),
        stack=catalog.profile("djl-0.25"),
        tensor_parallel_degree=row.degree or degree or 1,
        batch_size=row.batch_size,
        n_positions=row.n_positions or 2048,
        input_tokens=row.input_tokens or 0,
        output_tokens=row.output_tokens or 0,
    )


def non_negative(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least squares with coefficients of zero or more; few enough terms to try every subset."""
    best, least = np.zeros(matrix.shape[1]), np.inf
    for count in range(1, matrix.shape[1] + 1):
        for chosen in itertools.combinations(range(matrix.shape[1]), count):
            part = matrix[:, chosen]
            found = np.linalg.lstsq(part, target, rcond=None)[0]
            error = float(((part @ found - target) ** 2).sum())
            if (found >= 0).all() and error < least - 1e-12:
                best, least = np.zeros(matrix.shape[1]), error
                best[list(chosen)] = found
    return best


def least_squares(matrix: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Non-negative least squares on the relative error."""
    return non_negative(matrix / times[:, None], np.ones(len(times)))


def robust(matrix: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The same with Huber's loss, by reweighting."""
    weights = np.ones(len(times))
    found = least_squares(matrix, times)
    for _ in range(ROUNDS):
        root = np.sqrt(weights)
        found = non_negative(matrix / times[:, None] * root[:, None], root)
        weights = HUBER / np.maximum(HUBER, np.abs(matrix @ found / times - 1))
    return found


def left_out(matrix: np.ndarray, times: np.ndarray, groups: Sequence[str], fit: Fit) -> np.ndarray:
    """Relative errors of each row, predicted by a fit that did not see its group."""
    names, errors = np.array(groups), np.empty(len(times))
    for name in sorted(set(groups)):
        seen = names != name
        errors[~seen] = matrix[~seen] @ fit(matrix[seen], times[seen]) / times[~seen] - 1
    return errors


def summary(errors: np.ndarray) -> dict[str, float]:
    """Mean, 90th percentile and maximum of the absolute relative error."""
    size = np.abs(errors)
    numbers = {"mape": size.mean(), "p90": np.quantile(size, 0.9), "max": size.max()}
    return {name: round(float(number), 4) for name, number in numbers.items()}


def design(rows: Sequence[Latency]) -> dict[str, np.ndarray]:
    """The matrices of the model and of what it is compared with."""
    requests = [request_of(row) for row in rows]
    ours = np.array([features(request).values() for request in requests])
    roof = np.array([[roofline_ms(request)] for request in requests])
    split = np.array([_streams(request) for request in requests])
    return {
        "ours": ours,
        "roofline": roof,
        "weights, cache, layers, MB": np.column_stack([split, ours[:, 1], _megabytes(requests)]),
        "weights and cache apart": np.column_stack([split, ours[:, 1:]]),
        "without the summed MB": ours[:, [0, 1, 3]],
    }


def _streams(request: Request) -> tuple[float, float]:
    """Weights and cache apart, in milliseconds at the nominal bandwidth."""
    whole = features(request).streaming
    bucket = bucket_of(request)
    once, twice = (core_bytes(replace(request, n_positions=positions)).total for positions in (bucket, 2 * bucket))
    cache = whole * (twice - once) / once  # which alone grows with the positions
    return whole - cache, cache


def _megabytes(requests: Sequence[Request]) -> np.ndarray:
    """MB summed over the cores, in proportion to the batch."""
    return np.array([4e-6 * r.model.layers * r.batch_size * r.model.hidden for r in requests])


def ratios(rows: Sequence[Latency], coefficients: np.ndarray) -> list[float]:
    """Measured over modelled time of each row; OPT rows of 2.9 name no degree and had what 2.10 names."""
    degrees = {row.model_id: row.degree for row in catalog.latencies() if row.degree}
    found = []
    for row in rows:
        amounts = features(request_of(row, degrees[row.model_id])).values()
        found.append(round(row.token_p50_ms / float(np.dot(coefficients, amounts)), 3))
    return found


def older_releases(coefficients: np.ndarray) -> dict[str, dict[str, list[float]]]:
    """By kind of attention and release, the least and most of measured over modelled time at batch 1."""
    found: dict[str, dict[str, list[float]]] = {"plain": {}, "grouped": {}}
    for row in catalog.latencies():
        if row.release == RELEASE or row.batch_size != 1:
            continue
        model = catalog.model(row.model_id)
        kind = "grouped" if model.kv_heads < model.heads else "plain"
        found[kind].setdefault(row.release, []).extend(ratios([row], coefficients))
    return {kind: {release: [min(r), max(r)] for release, r in by.items()} for kind, by in found.items()}


def own_releases(coefficients: np.ndarray) -> dict[str, dict[str, list[float]]]:
    """The same for each architecture without a row in the fitted release: least, median and most."""
    by_architecture: dict[str, dict[str, list[float]]] = {}
    fitted = {catalog.model(r.model_id).architecture for r in catalog.latencies() if r.release == RELEASE}
    for row in catalog.latencies():
        architecture = catalog.model(row.model_id).architecture
        if architecture not in fitted and row.batch_size == 1:
            found = by_architecture.setdefault(architecture, {}).setdefault(row.release, [])
            found.extend(ratios([row], coefficients))
    return {
        architecture: {release: [min(r), round(float(np.median(r)), 3), max(r)] for release, r in releases.items()}
        for architecture, releases in by_architecture.items()
    }


def own_error(coefficients: np.ndarray) -> dict[str, float]:
    """By release, the mean error of a model's time at the median pace of its architecture's other models."""
    errors: dict[str, list[float]] = {}
    for architecture, releases in own_releases(coefficients).items():
        for release in releases:
            rows = [row for row in catalog.latencies() if row.release == release and row.batch_size == 1]
            rows = [row for row in rows if catalog.model(row.model_id).architecture == architecture]
            paces = np.array(ratios(rows, coefficients))
            for at, pace in enumerate(paces):
                errors.setdefault(release, []).append(abs(np.median(np.delete(paces, at)) / pace - 1))
    return {release: round(float(np.mean(found)), 4) for release, found in errors.items()}


def prompt_slowdown(rows: Sequence[Latency]) -> list[float]:
    """Time to the first token over the time at the chip's peak: least, median, most."""
    found = []
    for row in rows:
        if row.input_tokens is None or row.ttft_p50_ms is None:
            continue
        request = request_of(row)
        work = 2 * request.model.parameters * row.input_tokens * row.batch_size
        peak = request.hardware.f16_tflops * 1e12 * request.tensor_parallel_degree / request.hardware.cores
        found.append(row.ttft_p50_ms / (1e3 * work / peak))
    return [round(float(number), 2) for number in (min(found), np.median(found), max(found))]


def by_model(row: Latency) -> str:
    """The model, the family of the project's target."""
    return row.model_id


def by_brand(row: Latency) -> str:
    """The harder question: all sizes of Llama-2 are left out together."""
    return row.model_id.partition("/")[0]


def fit_all() -> dict[str, Any]:
    """Fit, and return what the catalog stores."""
    rows = [row for row in catalog.latencies() if row.release == RELEASE]
    times = np.array([row.token_p50_ms for row in rows])
    matrices = design(rows)
    coefficients = np.round(robust(matrices["ours"], times), 5)
    errors = {
        "in_sample": summary(matrices["ours"] @ coefficients / times - 1),
        "by_model": summary(left_out(matrices["ours"], times, [by_model(r) for r in rows], robust)),
        "by_brand": summary(left_out(matrices["ours"], times, [by_brand(r) for r in rows], robust)),
    }
    groups = [by_model(row) for row in rows]
    tried: tuple[tuple[str, str, Fit], ...] = (
        ("one constant x roofline", "roofline", least_squares),
        ("weights, cache, layers, MB; least squares", "weights, cache, layers, MB", least_squares),
        ("weights, cache, layers, MB; robust", "weights, cache, layers, MB", robust),
        ("weights and cache apart, robust", "weights and cache apart", robust),
        ("without the summed MB, robust", "without the summed MB", robust),
        ("these four terms, least squares", "ours", least_squares),
    )
    baselines = {"roofline": summary(matrices["roofline"][:, 0] / times - 1)}
    baselines |= {name: summary(left_out(matrices[key], times, groups, fit)) for name, key, fit in tried}
    large = [row for row in catalog.latencies() if row.batch_size > 8 and row.n_positions and row.degree]
    large_ratios = ratios(large, coefficients)
    requests = [request_of(row) for row in rows]
    return {
        "source": "written by tools/fit_decode_model.py from latencies.json",
        "checked": "2026-11-23",
        "release": RELEASE,
        "rows": len(rows),
        "terms": {
            "streaming": "x ms of weights and KV cache at the nominal bandwidth of the cores",
            "layers": "ms an all-reduce, two a layer",
            "summed": "ms a MB summed over the cores",
            "scores": "ms a million layer-positions of the bucket",
        },
        "coefficients": dict(zip(TERMS, map(float, coefficients), strict=True)),
        "error": {
            **errors,
            "interpolated": max(errors["by_model"]["p90"], errors["by_brand"]["p90"]),
            "extrapolated": max(errors["by_model"]["max"], errors["by_brand"]["max"]),
        },
        "baselines": baselines,
        "older": older_releases(coefficients),
        "own": own_releases(coefficients),
        "own_error": own_error(coefficients),
        "large_batch": [min(large_ratios), max(large_ratios)],
        "prompt_slowdown": prompt_slowdown(rows),
        "range": {
            "instances": sorted({row.instance for row in rows}),
            "degrees": sorted({row.degree for row in rows}),
            "architectures": sorted({request.model.architecture for request in requests}),
            "batch_size": _span([row.batch_size for row in rows]),
            "bucket": _span([bucket_of(request) for request in requests]),
            "layers": _span([request.model.layers for request in requests]),
            "hidden": _span([request.model.hidden for request in requests]),
        },
    }


def _span(values: Sequence[int]) -> list[int]:
    return [min(values), max(values)]


def report(found: dict[str, Any]) -> str:
    """The errors as a table."""
    lines = [f"{found['rows']} rows of SDK {found['release']}, none dropped; errors: mean, 90th percentile, maximum"]
    rows = {f"model, {name.replace('_', ' ')}": found["error"][name] for name in ("in_sample", "by_model", "by_brand")}
    rows |= {f"{name}": numbers for name, numbers in found["baselines"].items()}
    lines += [f"{name:<42}{n['mape']:>8.1%}{n['p90']:>8.1%}{n['max']:>8.1%}" for name, n in rows.items()]
    paces = ", ".join(f"{release}: {error:.1%}" for release, error in found["own_error"].items())
    lines.append(f"architectures with older rows only, at the pace of their other models; mean error {paces}")
    lines.append("coefficients: " + ", ".join(f"{term} {value:g}" for term, value in found["coefficients"].items()))
    return "\n".join(lines)


def main() -> int:
    """Fit, print, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the catalog instead of writing it")
    check = parser.parse_args().check
    found = fit_all()
    print(report(found))
    if not check:
        write_file(TARGET, json.dumps(found, indent=2) + "\n")
        return 0
    same = json.loads(TARGET.read_text()) == json.loads(json.dumps(found))
    print("the catalog holds this fit" if same else f"{TARGET.name} differs: run this without --check")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
