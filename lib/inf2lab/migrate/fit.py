"""The target's rules for degree, heads and memory, wherever the facts allow; and where they do not, that."""

from collections.abc import Iterator

from inf2lab import catalog
from inf2lab.catalog import Verdict
from inf2lab.migrate.row import Row, of_rule
from inf2lab.migrate.state import State
from inf2lab.words import plural
from neuron_rules import NXDI_DEGREES, ModelDims, NxdiSplit, dtype_bytes, nxdi_split

_NO_RULES = "no rules of this target are written down here: nothing is checked"
_WORKSPACE = "what compiler and runtime take beside it, nobody has published"


def rule_rows(state: State) -> Iterator[Row]:
    """Yield a row for each rule: degrees, heads, memory, copies."""
    degree, dims = state.degree, state.dims
    if dims and state.positions > dims.max_positions:
        yield _length_row(state, dims.max_positions)
    if not state.target.on_neuron:
        yield of_rule(f"degree {degree}", Verdict.CHANGED, "counts GPUs there; memory of a GPU is not planned here")
        return
    if state.host.family not in state.target.families:
        says = f"{state.target.name} runs on {', '.join(state.target.families)}: rent another instance, with --on"
        yield of_rule(state.host.name, Verdict.NONE, says)
    elif degree > state.host.cores:
        says = f"{state.host.name} has {state.host.cores}: take a larger instance, or a smaller degree"
        yield of_rule(f"{degree} cores", Verdict.NONE, says)
    if not state.target.by_nxdi:
        yield of_rule(f"degree {degree}", Verdict.CHANGED, _NO_RULES)
        return
    yield _degree_row(state.family, degree)
    yield from _program_rows(state)
    if dims is None:
        yield of_rule("heads and memory", Verdict.CHANGED, "the model's sizes are not known here: nothing is checked")
        return
    split = _split(state, dims, degree, state.parameters)
    yield _head_row(dims, degree, split)
    yield _memory_row(degree, split)


def cheapest(state: State, entry: catalog.ModelEntry) -> str:
    """Return the smallest degree, and the cheapest instance of the family, that hold a model of the catalog."""
    for size in sorted(catalog.successor_hosts().values(), key=lambda one: one.usd_per_hour or 1e9):
        legal = [one for one in NXDI_DEGREES.get(size.family, ()) if one <= size.cores]
        for degree in legal if size.family == state.family else ():
            split = _split(state, entry.dims, degree, entry.parameters)
            if split.fits and entry.dims.heads % degree == 0:
                price = f"{size.usd_per_hour:.2f} USD/h" if size.usd_per_hour else "no price known"
                used = f"{split.weights_gb + split.cache_gb:.0f} of {split.room_gb:.0f} GB"
                return f"degree {degree} on {size.name}, {used}, {price} on demand"
    return f"no instance of {state.family} in the catalog holds it by the feature guide's rule"


def _split(state: State, dims: ModelDims, degree: int, parameters: int | None = None) -> NxdiSplit:
    return nxdi_split(
        dims,
        degree,
        family=state.family,
        rows=state.rows,
        positions=min(state.positions, dims.max_positions),
        parameters=parameters or dims.parameters,
        number_bytes=dtype_bytes(state.dtype),
    )


def _degree_row(family: str, degree: int) -> Row:
    listed = ", ".join(map(str, NXDI_DEGREES[family]))
    if degree in NXDI_DEGREES[family]:
        return of_rule(f"degree {degree}", Verdict.KEPT, f"among those of {family}: {listed}")
    says = f"not among those of {family} ({listed}): what the runtime says to it, nobody has shown"
    return of_rule(f"degree {degree}", Verdict.CHANGED, says)


def _program_rows(state: State) -> Iterator[Row]:
    """Programs of the prompt, and blocks of the cache."""
    if state.target.config_key != "override_neuron_config":
        return
    entry, longest = state.stated.option("context_length_estimate"), state.positions
    given = [int(part) for part in entry.value.split(",") if part.strip().isdigit()] if entry else []
    lengths = given or [*(2**power for power in range(7, longest.bit_length()) if 2**power < longest), longest]
    over = [length for length in lengths if length > longest]
    says = f"{over[0]} is beyond the longest text, {longest}" if over else "each is compiled before the server answers"
    verdict = Verdict.NONE if over else Verdict.KEPT
    yield of_rule(f"prompt programs {', '.join(map(str, lengths))}", verdict, says)
    if not state.forked:
        says = "without prefix caching a block is a whole text, and there must be as many as rows"
        yield of_rule(plural(state.rows, "block"), Verdict.KEPT, says)


def _length_row(state: State, most: int) -> Row:
    refused = f"beyond the model's own {most}, which vLLM refuses"
    verdict, source, sure = Verdict.CHANGED, "vllm", "inferred"
    if not state.target.on_neuron:
        verdict, says, sure = Verdict.NONE, f"{refused}: write {most} at most", "ran"
    elif state.target.name == "vllm-nxdi" and not state.forked:
        says = f"{refused}; the Neuron plugin takes that check away, and nobody showed a text"
        source, sure = "vn", "source"
    else:
        says = f"{refused}; whether it refuses there, nobody here knows"
    return Row("rules", f"{state.positions} positions", verdict, "", says, catalog.successor_sources()[source], sure)


def _head_row(dims: ModelDims, degree: int, split: NxdiSplit) -> Row:
    what = f"{dims.heads} heads, {dims.kv_heads} for keys and values"
    if dims.heads % degree == 0 and split.kv_heads == dims.kv_heads:
        return of_rule(what, Verdict.KEPT, f"degree {degree} divides them")
    says = f"on the cores {split.heads} and {split.kv_heads}: padded or repeated, and the cache grows with them"
    if dims.heads % degree:
        says += "; the guide asks for heads that divide, the code pads, and vLLM on a CPU refuses"
    return of_rule(what, Verdict.CHANGED, says)


def _memory_row(degree: int, split: NxdiSplit) -> Row:
    needed = f"weights {split.weights_gb:.1f} + cache {split.cache_gb:.1f} GB"
    verdict = Verdict.KEPT if split.fits else Verdict.NONE
    word = "below" if split.fits else "not below"
    return of_rule(needed, verdict, f"{word} {degree} cores' {split.room_gb:.0f} GB; {_WORKSPACE}")
