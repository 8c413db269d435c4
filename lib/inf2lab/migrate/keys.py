"""The verdict on every key, file and variable in use, and on every default that a folder leaves unsaid."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from inf2lab import catalog
from inf2lab.catalog import Fate, Verdict
from inf2lab.folder import FILE_NAME, Entry, Variable, is_secret
from inf2lab.migrate.row import Row, of_fate
from inf2lab.migrate.state import State
from inf2lab.words import short

_OFF = ("false", "disable")  # defaults that mean: not there
_USUAL = ("handle",)  # a default that names nothing of one's own
_ONLY_WITH = {"speculative_length": "speculative_draft_model"}
_UNREAD = "read by nothing in DJLServing {}: nothing is lost"
_MOUNTED = "here {} of the host is mounted: look whether it holds the weights"
_UNKNOWN = "nobody here knows who reads it: look before it is left behind"


def key_rows(state: State) -> Iterator[Row]:
    """Yield a row for each key that counts, wherever it is said."""
    for entry in state.stated.properties.effective():
        where = f"{entry.file}:{entry.line}"
        what = f"{entry.written}={short(_shown(entry))}"
        fate = fate_of(state, entry)
        row = of_fate(where, what, fate) if fate else _unknown(state, where, what, entry)
        mounted = entry.name == "model_id" and state.target.on_neuron and state.weights
        yield replace(row, says=f"{row.says}; {_MOUNTED.format(state.weights)}") if mounted else row


def _shown(entry: Entry) -> str:
    """The value; of variables for the worker their names only, for one may be a secret."""
    if is_secret(entry.key, entry.value):
        return "..."
    if entry.name != "env":
        return entry.value
    return ",".join(f"{pair.partition('=')[0]}=..." for pair in entry.value.split(","))


def fate_of(state: State, entry: Entry) -> Fate | None:
    """Return the catalog's verdict on a key; without `option.` the server's meaning comes first."""
    kinds = ("options",) if entry.is_option else ("server_keys", "options")
    found = (catalog.fate(kind, entry.name, state.target.name) for kind in kinds)
    return next((fate for fate in found if fate), None)


def _unknown(state: State, where: str, what: str, entry: Entry) -> Row:
    stated, table = state.stated, catalog.options()
    told = stated.built_in and entry.is_option and stated.release < table.incomplete_from
    unread = told and not stated.other_engine
    says = _UNREAD.format(stated.profile.djl) if unread else _UNKNOWN
    return Row(where, what, Verdict.BUILT_IN if unread else Verdict.NONE, "", says, "the catalog of options", "source")


def default_rows(state: State) -> Iterator[Row]:
    """Yield a row for each default that the folder leaves unsaid, with the value that held."""
    stated = state.stated
    taken = {
        "tensor_parallel_degree": str(state.degree),
        stated.rows_option: str(state.rows),
        "n_positions": str(state.positions),
        "dtype": state.dtype,
    }
    for name in catalog.options().options:
        value = taken.get(name) or stated.default(name)
        needless = name == "max_rolling_batch_size" and name not in taken
        alone = name in _ONLY_WITH and stated.option(_ONLY_WITH[name]) is None
        fate = catalog.fate("options", name, state.target.name)
        if value is None or stated.option(name) or needless or alone or fate is None:
            continue
        row = of_fate("unsaid", f"{name}={value}", fate)
        if value in _OFF:
            row = replace(row, verdict=Verdict.BUILT_IN, becomes="", says="off there too, unless it is asked for")
        yield replace(row, verdict=Verdict.BUILT_IN) if value in _USUAL else row


def file_rows(state: State) -> Iterator[Row]:
    """Yield a row for each file of the folder: a handler of one's own, requirements, the model, and the rest."""
    own = state.stated.own_file
    for name in sorted(state.stated.files - {FILE_NAME}):
        known = "model.py" if name == own else name
        fate = catalog.fate("things", known, state.target.name)
        if name == "config.json" and not state.weights_here:
            yield Row(name, name, Verdict.BUILT_IN, "", "a line names another model", "the folder", "inferred")
        elif fate:
            row = of_fate(name, name, fate)
            yield replace(row, says=f"{row.says}; {_reads(state)}") if name == own else row
        elif not state.weights_here and Path(name).suffix == ".py":
            says = "no line names it as the handler: it may be imported by one"
            yield Row(name, name, Verdict.NONE, "", says, "the folder", "inferred")


def _reads(state: State) -> str:
    """What the folder's own handler asks of requests and options, which somebody else must do now."""
    code = state.stated.own
    keys, options = ([one.key for one in found[0]] for found in (code.body_keys, code.options)) if code else ([], [])
    said = (
        f"{kind} {', '.join(dict.fromkeys(names))}"
        for kind, names in (("of a request", keys), ("options", options))
        if names
    )
    return f"it reads {'; '.join(said) or 'nothing that can be followed'}"


def variable_rows(state: State) -> Iterator[Row]:
    """Yield a row for each variable of the old container that is no key of serving.properties."""
    taken = {entry.variable for entry in state.stated.properties.given}
    for one in state.needs.variables:
        if one.name not in taken:
            kind = "SERVING_*" if one.name.startswith("SERVING_") else one.name
            fate = catalog.fate("things", kind, state.target.name)
            fate = fate or catalog.fate("things", "another variable", state.target.name)
            assert fate is not None  # a test holds that every target has this row
            yield of_fate(f"{one.file}:{one.line}", one.name, fate)


def handed_on(state: State) -> tuple[Variable, ...]:
    """Return the old container's variables that the new one is given too."""
    rows = {row.what for row in variable_rows(state) if not row.verdict.lost and row.verdict is not Verdict.BUILT_IN}
    return tuple(one for one in state.needs.variables if one.name in rows)
