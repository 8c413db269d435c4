"""How many tokens a request asks for, prompt and answer together, whichever handler reads it."""

from inf2lab.lint.commands import Request
from inf2lab.lint.target import Folder

_OWN_KEYS = ("seq_length", "sequence_length", "max_length")  # words of handlers of one's own


def asked_length(folder: Folder, request: Request) -> int | None:
    """The length in the request; None where it gives none, or where the handler does not say how it reads it."""
    keys = folder.profile.request.length if folder.built_in else _OWN_KEYS if folder.own else ()
    for key in keys:
        value = request.body
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
            return value
    return None
