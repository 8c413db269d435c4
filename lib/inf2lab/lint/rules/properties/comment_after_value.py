"""A comment behind a value is part of the value."""

import re

from inf2lab import catalog
from inf2lab.folder import Edit
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "comment-after-value", Severity.ERROR
WHY = "Only a line that begins with `#` or `!` is a comment; elsewhere the sign and all after it are read as value."
CURE = "Put the comment on a line of its own."
BAD = "engine=Python\noption.batch_size=2 # rows\n"
GOOD = "engine=Python\n# rows\noption.batch_size=2\n"
EXPECT = ["serving.properties:2 the value of `option.batch_size` is `2 # rows`: a comment needs its own line"]
_COMMENT = re.compile(r"(.*?)[ \t]+([#!].*)")


def check(folder: Folder) -> Hits:
    table = catalog.options()  # what else a handler reads may be any text
    for entry in folder.properties.effective(given=False):
        if match := _COMMENT.fullmatch(entry.value):
            edit = None
            if entry.line == entry.last and match[2] in entry.source:
                kept = entry.source[: entry.source.index(match[2])].rstrip()
                edit = Edit(entry.line, entry.last, (match[2], kept))
            message = f"the value of `{entry.key}` is `{short(entry.value)}`: a comment needs its own line"
            known = entry.name in table.options or entry.key in table.server_keys
            yield Hit(entry, message, edit=edit, severity=None if known else Severity.WARNING)
