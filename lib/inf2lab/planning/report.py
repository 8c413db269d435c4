"""A plan for readers and for machines: rows of a table, HTML for a notebook, and the dictionary of `--json`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING, Any

from inf2lab.planning.loading import Loading, loading, loading_line
from inf2lab.words import as_html, on_the_left, plural
from neuron_rules import GIB

if TYPE_CHECKING:
    from inf2lab.planning.decode import Range
    from inf2lab.planning.planner import Plan


def rows(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield (subject, what was found), the questions people ask first at the top."""
    request, memory, service = plan.request, plan.memory_verdict, plan.service
    degrees = plan.tensor_parallel
    yield "model", _model_line(plan)
    if plan.given:
        yield "given", ", ".join(plan.given)
    yield ("degree", "legal" if degrees.asked.ok else "; ".join(reason.text for reason in degrees.asked.reasons))
    for note in degrees.asked.notes:
        yield "", note
    yield "legal here", f"{_join(degrees.documented)} (documented); {_beyond(plan)}"
    core, low, high = memory.core, *memory.reserve_gib
    yield (
        "a core",
        f"weights {_gib(core.weights)} + KV cache {_gib(core.kv_cache)} + padding {_gib(core.padding)} = "
        f"{_gib(core.total)} of 16 GiB; the runtime takes {low:.1f} to {high:.1f}",
    )
    yield "memory", memory.verdict.text
    if memory.remedies:
        yield "would fit", " or ".join(memory.remedies)
    yield ("copies", f"{plural(len(plan.copies), 'worker')}, each with the whole model; {plan.idle_cores} cores idle")
    if plan.device_list:
        yield "devices", plan.device_list.text
    yield "host", f"{plan.host.text}; {plan.host.disk_gib:.0f} GiB of disk"
    yield "loading", loading_line(request)
    yield "a token", f"{_range(plan.decode.ms_per_token)} ms ({plan.decode.basis}: {plan.decode.explanation})"
    yield "first token", f"{_range(service.ttft_ms)} ms ({service.ttft_text})"
    if service.tokens_per_s:
        yield (
            "throughput",
            f"{_range(service.tokens_per_s)} output tokens/s with {plural(request.batch_size, 'row')} in each copy",
        )
    yield "cost", _cost_line(plan)
    if plan.started_usd and plan.started < len(plan.copies):
        some = f"{plan.started} of {len(plan.copies)} copies"
        yield "started", f"{_range(plan.started_usd)} USD for a million output tokens with {some} started"
    choice = plan.cheapest
    fitting = (
        f"{choice.instance} at degree {choice.degree}, {choice.usd_per_hour} USD/h" if choice else "none of the catalog"
    )
    yield "cheapest fit", fitting
    for rule in plan.rules:
        verdict = "accepts" if rule.accepts else "refuses"
        yield (
            "other rules",
            f"{rule.name} {verdict} it, and would take {rule.smallest_degree or 'no degree'}: {rule.text}",
        )
    for problem in further_problems(plan):
        yield "problem", problem
    for warning in plan.warnings:
        yield "note", warning


def further_problems(plan: Plan) -> Iterator[str]:
    """Yield the problems that are neither the degree's nor the memory's, which have rows of their own."""
    told = {plan.verdict.text, *(reason.text for reason in plan.tensor_parallel.asked.reasons)}
    return (problem for problem in plan.problems if problem not in told)


def headlines(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the few answers that change from one choice to the next: (subject, what was found) in few words."""
    request, memory, service = plan.request, plan.memory_verdict, plan.service
    asked = plan.tensor_parallel.asked
    yield "degree", asked.reasons[0].text if asked.reasons else "; ".join(("legal", *asked.notes))
    low, high = memory.reserve_gib
    size = f"{memory.verdict.fit}; {_gib(memory.core.total)} of 16 GiB a core, and the runtime needs {low} to {high}"
    if memory.verdict.fit is not memory.by_rule.fit:
        size += f"; a documented case decides ({memory.evidence[0].source.partition(':')[0]})"
    yield "memory", size
    if memory.remedies:
        yield "would fit", " or ".join(memory.remedies)
    if asked.ok:
        yield ("copies", f"{plural(len(plan.copies), 'worker')}, {plan.idle_cores} cores idle; {plan.host.text}")
        yield "a token", f"{_range(plan.decode.ms_per_token)} ms ({plan.decode.basis})"
        if service.usd_per_million_tokens and service.tokens_per_s:
            rate, cost = _range(service.tokens_per_s), _range(service.usd_per_million_tokens)
            yield "all copies", f"{rate} tokens/s; {cost} USD for a million of them"
    for problem in further_problems(plan):
        yield "problem", problem
    if request.lengths[0] + request.lengths[1] > request.n_positions:
        yield "note", plan.warnings[0]


def html(plan: Plan) -> str:
    """Return the headlines as an HTML table, and all rows in a second one that is folded; subjects head their rows."""
    return f"{_table(headlines(plan))}<details><summary>The whole plan</summary>{_table(rows(plan))}</details>"


def _table(lines: Iterable[tuple[str, str]]) -> str:
    cells = (
        (on_the_left('th scope="row"', escape(subject)), on_the_left("td", as_html(found))) for subject, found in lines
    )
    body = "".join(f"<tr>{subject}{found}</tr>" for subject, found in cells)
    return f"<table>{body}</table>"


def as_dict(plan: Plan) -> dict[str, Any]:
    """Return everything as plain values; sizes in GiB, times in ms, prices in US dollars."""
    request, memory, service, host = plan.request, plan.memory_verdict, plan.service, plan.host
    core, degrees, decode = memory.core, plan.tensor_parallel, plan.decode
    prompt, answer = request.lengths
    return {
        "ok": not plan.problems,
        "problems": list(plan.problems),
        "warnings": list(plan.warnings),
        "given": list(plan.given),
        "request": {
            "model": request.model.name,
            "parameters": request.parameters,
            "profile": request.stack.name,
            "rules": request.generation.name,
            "instance": request.instance,
            "tensor_parallel_degree": request.tensor_parallel_degree,
            "batch_size": request.batch_size,
            "n_positions": request.n_positions,
            "input_tokens": prompt,
            "output_tokens": answer,
            "dtype": request.dtype,
            "weights": request.weights or request.dtype,
        },
        "tensor_parallel": {
            "degree": request.tensor_parallel_degree,
            "ok": degrees.asked.ok,
            "legal": list(degrees.legal),
            "documented": list(degrees.documented),
            "reasons": {str(degree): reason for degree, reason in degrees.reasons.items()},
            "notes": {str(check.degree): list(check.notes) for check in degrees.checks if check.notes},
        },
        "memory": {
            "verdict": str(memory.verdict.fit),
            "text": memory.verdict.text,
            "by_rule": str(memory.by_rule.fit),
            "evidence": [case.source for case in memory.evidence],
            "per_core_gib": {
                "weights": core.weights / GIB,
                "kv_cache": core.kv_cache / GIB,
                "padding": core.padding / GIB,
                "reserve": memory.reserve_gib[0],
            },
            "total_gib": core.total / GIB,
            "reserve_gib": {"low": memory.reserve_gib[0], "high": memory.reserve_gib[1]},
            "would_fit": list(memory.remedies),
        },
        "host": {
            "ram_gib": {
                "handler": host.peak_gib,
                "split_checkpoint": host.split_gib,
                "in_dtype": host.once_gib,
                "in_f32": host.f32_gib,
            },
            "instance_ram_gib": host.instance_gib,
            "disk_gib": host.disk_gib,
            "text": host.text,
        },
        "loading": {"first": _load(loading(request)), "warm": _load(loading(request, warm=True))},
        "workers": len(plan.copies),
        "idle_cores": plan.idle_cores,
        "devices": [list(copy.devices) for copy in plan.copies],
        "device_list": plan.device_list
        and {"not_neighbours" if name == "broken" else name: one for name, one in vars(plan.device_list).items()},
        "decode": {
            "ms_per_token": _bounds(decode.ms_per_token),
            "basis": decode.basis,
            "explanation": decode.explanation,
            "parts_ms": dict(decode.parts),
            "roofline_ms": decode.roofline_ms,
        },
        "first_token": {"ms": _bounds(service.ttft_ms), "explanation": service.ttft_text},
        "throughput": {"output_tokens_per_s": _bounds(service.tokens_per_s)},
        "cost": {
            "usd_per_million_tokens": _bounds(service.usd_per_million_tokens),
            "usd_per_million_tokens_started": _bounds(plan.started_usd),
            "copies_started": plan.started,
            "usd_per_hour": service.usd_per_hour,
            "price_basis": service.price.name,
            "price_months": [service.price.first, service.price.last],
        },
        "cheapest": plan.cheapest and vars(plan.cheapest),
        "public_rules": [vars(rule) for rule in plan.rules],
    }


def _load(found: Loading) -> dict[str, Any]:
    return {"seconds": _bounds(found.seconds), "allowed_s": found.allow_s}


def _model_line(plan: Plan) -> str:
    request, model = plan.request, plan.request.model
    return f"{request.title}; {request.parameters / 1e9:.1f} G parameters, {model.heads} heads; {request.stack.name}"


def _beyond(plan: Plan) -> str:
    later = [degree for degree in plan.tensor_parallel.legal if degree not in plan.tensor_parallel.documented]
    return f"later runtimes also accept {_join(later)}" if later else "no others"


def _cost_line(plan: Plan) -> str:
    service = plan.service
    if service.usd_per_million_tokens is None:
        return "no price in the catalog" if service.usd_per_hour is None else "no worker starts"
    price = service.price
    months = f"{price.name} {price.first} to {price.last}, region {price.region}"
    return (
        f"{_range(service.usd_per_million_tokens)} USD for a million output tokens, when every copy is busy; "
        f"{service.usd_per_hour} USD/h ({months})"
    )


def _bounds(value: Range | None) -> dict[str, float | None]:
    return {name: getattr(value, name) if value else None for name in ("low", "mid", "high")}


def _range(value: Range) -> str:
    if value.low == value.mid == value.high:
        return _number(value.mid)
    return f"{_number(value.low)} - {_number(value.mid)} - {_number(value.high)}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _gib(size: int) -> str:
    return f"{size / GIB:.2f}"


def _join(degrees: tuple[int, ...] | list[int]) -> str:
    return ", ".join(map(str, degrees)) or "none"
