"""What requests cost: time to the first token, tokens a second of the instance, dollars for a million of them."""

from dataclasses import dataclass, replace

from inf2lab import catalog
from inf2lab.planning.decode import Decode, Range, mean_over_median
from inf2lab.planning.degrees import check
from inf2lab.planning.host import can_load
from inf2lab.planning.memory import judge
from inf2lab.planning.request import Request
from neuron_rules import Fit


@dataclass(frozen=True)
class Service:
    """Time to the first token in ms, output tokens a second of all copies, and their price; None without a price."""

    ttft_ms: Range
    ttft_text: str
    tokens_per_s: Range | None
    usd_per_hour: float | None
    usd_per_million_tokens: Range | None
    price: catalog.PriceBasis


@dataclass(frozen=True)
class Choice:
    """An instance and a degree at which the model fits, on the cores and once on the host."""

    instance: str
    degree: int
    usd_per_hour: float


def time_to_first_token(request: Request, decode: Decode) -> tuple[Range, str]:
    """Return a range in ms and what it rests on; a range, because published prompts are near no bound.

    Without prompt programs (2023-04) the prompt is fed one token at a time, at the price of one output token each.
    """
    prompt, step = request.lengths[0], decode.ms_per_token
    if not request.generation.context_buckets:
        return step.scaled(
            max(1, prompt)
        ), f"{prompt} prompt tokens, one step each: this generation has no prompt programs"
    work = 2 * request.model.parameters * prompt * request.batch_size
    peak = request.hardware.f16_tflops * 1e12 * request.tensor_parallel_degree / request.hardware.cores
    ideal = 1e3 * work / peak
    if decode.row and decode.row.ttft_p50_ms and decode.row.ttft_p99_ms:
        first, slow = decode.row.ttft_p50_ms, decode.row.ttft_p99_ms
        return Range(first, first, slow), f"published with the time a token, SDK {decode.row.release}"
    low, mid, high = catalog.decode_model()["prompt_slowdown"]
    times = Range(max(step.low, low * ideal), max(step.mid, mid * ideal), max(step.high, high * ideal))
    return times, f"published rows take {low:.0f} to {high:.0f} times what the cores' peak would"


def service(request: Request, decode: Decode, workers: int, *, price_basis: str = "on-demand") -> Service:
    """Return time, throughput and price when every copy always has a full batch; raises SettingsError (price_basis)."""
    basis = catalog.price_basis(price_basis)
    price = request.hardware.usd_per_hour_by_basis.get(price_basis)
    ttft, text = time_to_first_token(request, decode)
    if not workers:
        return Service(ttft, text, None, price, None, basis)
    rate = _tokens_per_s(request, decode, ttft).scaled(workers)
    cost = None
    if price is not None:
        cost = Range(*(usd_per_million_tokens(price, each) for each in (rate.high, rate.mid, rate.low)))
    return Service(ttft, text, rate, price, cost, basis)


def usd_per_million_tokens(usd_per_hour: float, tokens_per_s: float) -> float:
    """Return what a million output tokens cost at that rate."""
    return usd_per_hour / 3600 / tokens_per_s * 1e6


def _tokens_per_s(request: Request, decode: Decode, ttft: Range) -> Range:
    """Output tokens a second of one copy: published, or a batch's tokens over first token and mean of the rest."""
    answer = max(1, request.lengths[1])
    step = decode.ms_per_token.scaled(mean_over_median(request))
    tokens = 1e3 * request.batch_size * answer
    low, mid, high = (
        tokens / (first + answer * each)
        for first, each in ((ttft.high, step.high), (ttft.mid, step.mid), (ttft.low, step.low))
    )
    if decode.row and decode.row.input_tokens is not None:
        mid = decode.row.tokens_per_s
    return Range(min(low, mid), mid, max(mid, high))


def cheapest(request: Request, *, price_basis: str = "on-demand") -> Choice | None:
    """Return the cheapest instance and its smallest documented degree that certainly fit; None if there is none."""
    found: list[Choice] = []
    for hardware in catalog.instances().values():
        price = hardware.usd_per_hour_by_basis.get(price_basis)
        if price is None or (found and price >= min(choice.usd_per_hour for choice in found)):
            continue
        asked = replace(request, hardware=hardware)
        degree = smallest_fitting_degree(asked) if can_load(asked) else None
        if degree:
            found.append(Choice(hardware.name, degree, price))
    return min(found, key=lambda choice: choice.usd_per_hour, default=None)


def smallest_fitting_degree(request: Request) -> int | None:
    """Return the smallest documented legal degree of the request's instance at which the model certainly fits."""
    for degree in request.generation.documented_degrees[request.hardware.family]:
        asked = replace(request, tensor_parallel_degree=degree)
        if check(asked, degree).ok and judge(asked, remedies=False).verdict.fit is Fit.FITS:
            return degree
    return None
