"""A backslash-u without four hexadecimal digits: Java refuses the whole file."""

from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "unreadable-escape", Severity.ERROR
WHY = (
    "Java's reader takes `\\u` for the start of a character number and throws IllegalArgumentException "
    "on anything else."
)
CURE = "Write `\\uXXXX` with four hexadecimal digits, or `/` instead of `\\` in a path."
BAD = "engine=Python\noption.model_id=C:\\users\\opt\n"
GOOD = "engine=Python\noption.model_id=/users/opt\n"
EXPECT = ["serving.properties:2 `\\u` is not followed by four hexadecimal digits"]


def check(folder: Folder) -> Hits:
    for line in folder.properties.bad_escapes:
        yield Hit(line, "`\\u` is not followed by four hexadecimal digits")
