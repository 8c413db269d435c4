"""A backslash at the end of a line makes the next line part of the value."""

import re

from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "swallowed-line", Severity.WARNING
WHY = "A line that ends in an odd number of backslashes goes on in the next one, so a key there is never set."
CURE = "Delete the backslash, or write two if the value ends in one."
BAD = "option.model_id=facebook/opt-13b\\\noption.batch_size=2\n"
GOOD = "option.context_length_estimate=256,\\\n  512\n"
EXPECT = ["serving.properties:1 `option.model_id` goes on in line 2, which looks like a key of its own"]
_KEY = re.compile(r"[ \t]*(?:option\.)?[A-Za-z_]\w*[ \t]*[=:]")


def check(folder: Folder) -> Hits:
    for entry in folder.properties.entries:
        for number in range(entry.line + 1, entry.last + 1):
            if _KEY.match(folder.properties.lines[number - 1]):
                yield Hit(entry, f"`{entry.key}` goes on in line {number}, which looks like a key of its own")
                break
