"""A key that no release of the handler or the server reads."""

import difflib
import re
from collections.abc import Mapping

from inf2lab import catalog
from inf2lab.folder import Entry, key_of
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "unknown-key", Severity.WARNING
WHY = "An unknown key is ignored without a word, and the default holds instead."
CURE = "Delete it, or write the key that was meant."
BAD = "option.model_id=facebook/opt-13b\noption.tensor_paralel_degree=2\n"
GOOD = "option.model_id=facebook/opt-13b\noption.tensor_parallel_degree=2\n"
EXPECT = ["serving.properties:2 `option.tensor_paralel_degree` is read by nothing in DJLServing 0.25.0"]
_SOUGHT = 100  # keys for which a known one is sought: that takes a millisecond each
_DEVICE_KEYS = re.compile(r"(?:option\.)?(?:cpu|gpu|nc)\.(?:minWorkers|maxWorkers)")
_PREFIX = re.compile(r"options?[._]", re.IGNORECASE)
# The same thing in the words of transformers-neuronx, vLLM and Hugging Face.
_ELSEWHERE = {
    **dict.fromkeys(("tp_degree", "tp_size", "tensor_parallel_size", "num_cores"), "tensor_parallel_degree"),
    **dict.fromkeys(("max_model_len", "max_length", "max_seq_len", "sequence_length"), "n_positions"),
    **dict.fromkeys(("torch_dtype", "precision"), "dtype"),
    **dict.fromkeys(("max_num_seqs", "max_batch_size"), "batch_size"),
    **dict.fromkeys(("model", "model_name", "hf_model_id"), "model_id"),
}


def check(folder: Folder) -> Hits:
    table = catalog.options()
    known = [*table.options, *table.server_keys]
    lowered = {name.lower(): name for name in reversed(known)}
    sought = 0
    for entry in folder.properties.effective():
        name = entry.name if entry.is_option else entry.key
        if name.lower() in lowered or _DEVICE_KEYS.fullmatch(entry.key):
            continue
        if not folder.built_in:  # a handler of one's own may read any key; M004 knows what it reads
            continue
        sought += 1
        other = folder.other_engine
        meant = _meant(name.lower(), lowered, guess=not other) if sought <= _SOUGHT else None
        # The lists of later releases are not complete, and a plain key may be the server's.
        unsure = not meant and (other or not entry.is_option or folder.release >= table.incomplete_from)
        plain = not entry.is_option and not _PREFIX.match(name)
        server = meant in table.server_keys and (plain or meant not in table.options)
        right = f"{'' if server else 'option.'}{meant}"
        yield Hit(
            entry,
            f"`{short(entry.written)}` is read by nothing in DJLServing {folder.profile.djl}",
            fix=_remedy(right, folder, entry) if meant else None,
            severity=Severity.NOTE if unsure else None,
        )


def _remedy(right: str, folder: Folder, entry: Entry) -> str:
    """Name the key, or the variable that becomes it: most of those with a capital letter have none."""
    if not entry.variable:
        return f"did you mean `{right}`?"
    variable = f"OPTION_{right.removeprefix('option.').upper()}"
    becomes = key_of(variable, folder.release) == right
    return f"did you mean `{variable}`?" if becomes else f"write `{right}` in serving.properties"


def _meant(name: str, known: Mapping[str, str], *, guess: bool) -> str | None:
    """Return the key that a small-lettered name may mean: under another prefix; guessed, in other words or misspelt."""
    plain = _PREFIX.sub("", name)
    if plain in known or not guess:
        return known.get(plain)
    return _ELSEWHERE.get(plain) or next(
        (known[close] for close in difflib.get_close_matches(plain, known, 1, 0.8)), None
    )
