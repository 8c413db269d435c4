"""A key that says nothing."""

from collections.abc import Iterator

from inf2lab.lint.finding import Hit, Severity, short
from inf2lab.lint.target import Folder

NAME, SEVERITY = "empty-value", Severity.WARNING
WHY = "An empty value is not the default: the handler gets an empty text, and a number or a name made of it fails."
CURE = "Give the key a value, or delete the line."
BAD = "engine=Python\noption.revision=\n"
GOOD = "engine=Python\n"
EXPECT = ["serving.properties:2 `option.revision` has no value"]


def check(folder: Folder) -> Iterator[Hit]:
    for entry in folder.properties.effective():
        if not entry.value.strip():
            yield Hit(entry.line, f"`{short(entry.key)}` has no value")
