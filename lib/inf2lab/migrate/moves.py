"""What moves under a folder's feet: routes, lengths, sampling, clocks, health, metrics, error codes, artefacts."""

from collections.abc import Iterator
from string import Template

from inf2lab import catalog
from inf2lab.catalog import Verdict
from inf2lab.migrate.row import Row
from inf2lab.migrate.state import State

_SAME = ("the same", "the same option", "the folder's", "the server's", "503", "507")


def move_rows(state: State) -> Iterator[Row]:
    """Yield a row for each of them, with what held before in the folder's own words and numbers."""
    old = _before(state)
    for move in catalog.moves(state.target.name):
        was = Template(move.was).substitute(old)
        verdict = Verdict.KEPT if move.becomes in (was, *_SAME) else Verdict.CHANGED
        source = catalog.successor_sources()[move.source]
        yield Row(move.what, was, verdict, move.becomes, move.says, source, move.sure)


def _before(state: State) -> dict[str, str]:
    needs, stated, request = state.needs, state.stated, state.stated.profile.request
    own = stated.own_file is not None
    exact = "exactly" if own or request.exact_batch else "up to"
    total = f"{request.default_length or state.positions} tokens, prompt and answer together"
    length = f"{catalog.old_answers().rolling_tokens} new tokens" if stated.rolling else total
    return {
        "length": "model.py's own rule" if own else length,
        "prompt": "no" if stated.rolling and not own else "yes",
        "sampling": f"top-k {catalog.old_answers().top_k}, temperature 1, no seed" if state.sampled else "greedy",
        "end": "forbidden: an answer has its whole length" if state.end_forbidden else "the answer ends there",
        "rows": f"a list of {exact} {state.rows}",
        "response": "{outputs: [text]}" if own else stated.profile.response,
        "streaming": stated.profile.streaming,
        "load_clock": f"{needs.loading_s} s, then the worker is ended",
        "answer_clock": f"{needs.predict_s} s, then the worker is ended",
    }
