"""A key that says nothing."""

from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "empty-value", Severity.WARNING
WHY = "An empty value is not the default: the handler gets an empty text, and a number or a name made of it fails."
CURE = "Give the key a value, or delete the line."
BAD = "engine=Python\noption.revision=\n"
GOOD = "engine=Python\n"
EXPECT = ["serving.properties:2 `option.revision` has no value"]


def check(folder: Folder) -> Hits:
    for entry in folder.properties.effective():
        if not entry.value.strip() and not entry.variable:
            yield Hit(entry, f"`{short(entry.written)}` has no value")
