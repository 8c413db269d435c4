"""A blank after the value belongs to the value."""

from inf2lab import catalog
from inf2lab.folder import Edit, Entry
from inf2lab.lint.rules import Folder, Hit, Hits, Severity
from inf2lab.lint.rules.values.not_a_number import WARNED_OF

NAME, SEVERITY = "trailing-blank", Severity.WARNING
WHY = "Java cuts blanks before a value and keeps those after it: `fp16 ` is not `fp16`, and `2 ` is no number."
CURE = "Delete the blanks at the end of the line."
BAD = "engine=Python\noption.dtype=fp16 \n"
GOOD = "engine=Python\noption.dtype=fp16\n"
EXPECT = ["serving.properties:2 the value of `option.dtype` ends in a blank"]
_COMPARED = {"dtype", "entryPoint", "engine", "model_id", "s3url", "handler"}  # a blank makes another word


def check(folder: Folder) -> Hits:
    table = catalog.options()
    for entry in folder.properties.effective(given=False):
        if entry.value != entry.value.rstrip(" \t\f") and entry.value.strip():
            option = table.options.get(entry.name)
            java_number = option is not None and option.reader != "handler" and option.kind in ("int", "degree")
            java_number &= entry.name not in WARNED_OF
            java_number |= entry.key in table.server_keys and table.server_keys[entry.key].kind == "int"
            severe = entry.name in _COMPARED or java_number
            message = f"the value of `{entry.key}` ends in a blank"
            yield Hit(entry, message, severity=Severity.ERROR if severe else None, edit=_cut(entry))


def _cut(entry: Entry) -> Edit | None:
    lines = entry.source.splitlines()
    lines[-1] = lines[-1].rstrip(" \t\f")
    # A backslash before the blank makes it a character of its own: leave that to a person.
    return None if lines[-1].endswith("\\") else Edit(entry.line, entry.last, tuple(lines))
