"""Whether the target serves the model at all, by tables and by field reports, and what is nearest where it does not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inf2lab import catalog
from inf2lab.catalog import Support, Verdict
from inf2lab.migrate.fit import cheapest
from inf2lab.migrate.row import Row
from inf2lab.migrate.state import State

_VERDICTS = {"yes": Verdict.KEPT, "no": Verdict.NONE, "unknown": Verdict.CHANGED}
_NEAREST = 3


@dataclass(frozen=True)
class Gate:
    """The verdict on the model, the rows that decide it, reports of other images, and what is nearest."""

    verdict: Verdict
    deciding: tuple[Support, ...]
    beside: tuple[Support, ...]
    nearest: tuple[str, ...]


def gate(state: State) -> Gate:
    """Return whether the target's image serves the folder's model."""
    model_type = str(state.config.get("model_type", ""))
    verdict, deciding, beside = _judged(state, model_type, state.model_id)
    nearest = tuple(_nearest(state, model_type)) if verdict.lost else ()
    return Gate(verdict, deciding, beside, nearest)


def gate_rows(state: State) -> Iterator[Row]:
    """Yield the verdict on the model, then the evidence beside it."""
    found, model_type = gate(state), state.config.get("model_type", "unknown type")
    says = "; ".join(f"{one.kind} of {one.date}: {one.says}" for one in found.deciding)
    sources = "; ".join(one.source for one in found.deciding) or "no row of the catalog"
    says = says or "nobody here knows whether it is served: look at the target's list"
    if not state.model_id:
        says = "nobody names the model: look at what the handler loads"
    yield Row("model", f"{state.model_id or 'not named'} ({model_type})", found.verdict, "", says, sources, "source")
    for one in found.beside:
        said = f"{one.verdict}, with SDK {one.sdk}: {one.says}" if one.sdk else f"{one.verdict}: {one.says}"
        yield Row(f"{one.kind}, {one.date}", one.models or model_type, Verdict.CHANGED, "", said, one.source, "ran")


def _judged(state: State, model_type: str, name: str) -> tuple[Verdict, tuple[Support, ...], tuple[Support, ...]]:
    """A report from the same image counts most (all are of Inf2), then code and tables, of which a no counts more."""
    rows = [one for one in catalog.model_support() if one.target == state.target.name and model_type in one.types]
    rows = [one for one in rows if re.search(one.models, name.lower())]
    seen = [one for one in rows if one.kind == "report" and one.sdk == state.image.sdk and state.family == "inf2"]
    said = [one for one in rows if one.kind != "report"]
    deciding = seen or [one for one in said if one.verdict == "no"] or said
    verdict = _VERDICTS[deciding[0].verdict] if deciding else Verdict.CHANGED
    return verdict, tuple(deciding), tuple(one for one in rows if one not in deciding)


def _nearest(state: State, model_type: str) -> Iterator[str]:
    """Yield what a reader can do: a model of the size that is served, a port that others made, or a GPU."""
    wanted = state.parameters
    if wanted:
        near = sorted(catalog.model_entries().values(), key=lambda one: abs(one.parameters - wanted))
        kinds = (one for one in near if _served(state, one))
        for entry, _ in zip(kinds, range(_NEAREST), strict=False):
            yield f"{entry.dims.name} ({entry.parameters / 1e9:.1f}e9 parameters): {cheapest(state, entry)}"
    if port := catalog.contributed_port(model_type):
        yield f"a port that others contributed, {port}; on Inf2 nobody tried it"
    if state.target.on_neuron:
        yield "the same model on a GPU: --to lmi-vllm"


def _served(state: State, entry: catalog.ModelEntry) -> bool:
    name, config = entry.dims.name, entry.config
    return _judged(state, str(config["model_type"]), name)[0] is Verdict.KEPT
