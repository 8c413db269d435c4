"""The file is read as Latin-1, so other letters arrive as something else."""

from inf2lab.folder import IS_UTF_16, MAKE_UTF_8, Edit
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "text-not-ascii", Severity.WARNING
WHY = (
    "Java reads a properties file as ISO 8859-1: a UTF-8 letter becomes two, and a byte order mark "
    "spoils the first key. DJL then reads it as UTF-8, and refuses bytes that are none."
)
CURE = "Write other letters as `\\uXXXX`, and save the file without a byte order mark."
BAD = "engine=Python\noption.model_id=m\u00c3\u00bcller/opt\n"
GOOD = "engine=Python\noption.model_id=m\\u00fcller/opt\n"
EXPECT = ["serving.properties:2 `option.model_id` holds letters outside ASCII, which Java reads as Latin-1"]
MORE = [
    Example(
        bad="\u00ef\u00bb\u00bfengine=Python\n",
        good="engine=Python\n",
        expect=("serving.properties:1 a byte order mark is read as part of the first key",),
    ),
    Example(
        bad="engine=Python\noption.model_id=m\u00fcller/opt\n",
        good=GOOD,
        expect=("serving.properties:2 bytes that are no UTF-8: the load ends in `Input length = ...`",),
    ),
]
_MARK = "\u00ef\u00bb\u00bf"  # the mark's three bytes, read as Latin-1


def check(folder: Folder) -> Hits:
    if folder.properties.utf_16:
        yield Hit(1, IS_UTF_16, severity=Severity.ERROR, fix=MAKE_UTF_8)
        return
    lines, bad = folder.properties.lines, list(folder.properties.bad_bytes)
    for number in bad:
        yield Hit(number, "bytes that are no UTF-8: the load ends in `Input length = ...`", severity=Severity.ERROR)
    if lines and lines[0].startswith(_MARK):
        edit = Edit(1, 1, (lines[0].removeprefix(_MARK),))
        yield Hit(1, "a byte order mark is read as part of the first key", severity=Severity.ERROR, edit=edit)
    for entry in folder.properties.effective(given=False):
        if not entry.source.removeprefix(_MARK).isascii() and entry.line not in bad:
            yield Hit(entry, f"`{short(entry.key)}` holds letters outside ASCII, which Java reads as Latin-1")
