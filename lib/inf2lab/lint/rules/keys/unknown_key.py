"""A key that no release of the handler or the server reads."""

import difflib
import re

from inf2lab import catalog
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "unknown-key", Severity.WARNING
WHY = "An unknown key is ignored without a word, and the default holds instead."
CURE = "Delete it, or write the key that was meant."
BAD = "option.model_id=facebook/opt-13b\noption.tensor_paralel_degree=2\n"
GOOD = "option.model_id=facebook/opt-13b\noption.tensor_parallel_degree=2\n"
EXPECT = ["serving.properties:2 `option.tensor_paralel_degree` is read by nothing in DJLServing 0.25.0"]
_SOUGHT = 100  # keys for which a known one is sought: that takes a millisecond each
_DEVICE_KEYS = re.compile(r"(?:option\.)?(?:cpu|gpu|nc)\.(?:minWorkers|maxWorkers)")


def check(folder: Folder) -> Hits:
    table = catalog.options()
    known = [*table.options, *table.server_keys]
    lowered = {name.lower() for name in known}
    sought = 0
    for entry in folder.properties.effective():
        name = entry.name if entry.is_option else entry.key
        if name.lower() in lowered or _DEVICE_KEYS.fullmatch(entry.key):
            continue
        if not folder.built_in:  # a handler of one's own may read any key; M004 knows what it reads
            continue
        sought += 1
        close = difflib.get_close_matches(name, known, 1, 0.8) if sought <= _SOUGHT else []
        # The lists of later releases are not complete, and a plain key may be the server's.
        unsure = not close and (not entry.is_option or folder.release >= table.incomplete_from)
        prefix = "" if close and close[0] in table.server_keys and not entry.is_option else "option."
        yield Hit(
            entry,
            f"`{short(entry.written)}` is read by nothing in DJLServing {folder.profile.djl}",
            fix=f"did you mean `{prefix}{close[0]}`?" if close else None,
            severity=Severity.NOTE if unsure else None,
        )
