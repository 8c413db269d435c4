"""Quotes around a value are part of the value."""

from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "quoted-value", Severity.ERROR
WHY = "The format knows no quotes, so the handler is asked for a model whose name begins with one."
CURE = "Delete the quotes."
BAD = 'option.model_id="facebook/opt-13b"\n'
GOOD = "option.model_id=facebook/opt-13b\n"
EXPECT = ["serving.properties:1 the quotes are part of the value of `option.model_id`"]


def check(folder: Folder) -> Hits:
    for entry in folder.properties.effective(given=False):
        value = entry.value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            inner = value[1:-1]
            plain = inner.isascii() and inner.isprintable() and "\\" not in inner
            message = f"the quotes are part of the value of `{entry.key}`"
            yield Hit(entry, message, edit=entry.with_value(inner) if plain else None)
