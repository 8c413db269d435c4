"""The handler passes `unroll` on as text, and the library cannot count with it."""

from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "unroll-as-text", Severity.ERROR
WHY = "Up to 0.25.0 the handler never turns the value into a number; transformers-neuronx then fails with TypeError."
CURE = "Delete the line: without it all layers are in one program."
BAD = "option.model_id=facebook/opt-13b\noption.unroll=24\n"
GOOD = "option.model_id=facebook/opt-13b\n"
EXPECT = ["serving.properties:2 `option.unroll` reaches the library as the text `24`"]
_LAST = (0, 25, 0)


def check(folder: Folder) -> Hits:
    entry = folder.option("unroll")
    if entry and folder.built_in and folder.release <= _LAST:
        yield Hit(entry, f"`{entry.written}` reaches the library as the text `{short(entry.value)}`")
