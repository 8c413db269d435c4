"""One key is set twice, and only the last value takes effect."""

from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity

NAME, SEVERITY = "duplicate-key", Severity.WARNING
WHY = "Java keeps the last of two equal keys without a word; the first line looks active and is not."
CURE = "Delete the line that is no longer meant."
BAD = "option.model_id=facebook/opt-13b\noption.batch_size=2\noption.batch_size=4\n"
GOOD = "option.model_id=facebook/opt-13b\noption.batch_size=4\n"
EXPECT = ["serving.properties:2 `option.batch_size` is set again on line 3, and only that one counts"]
MORE = [
    Example(
        bad="engine=Python\nengine=Python\n",
        good="engine=Python\n",
        expect=("serving.properties:1 `engine` is set again on line 2, and only that one counts",),
    )
]


def check(folder: Folder) -> Hits:
    for entry in folder.properties.entries:
        last = folder.properties.last(entry.key)
        if last and last is not entry:
            # Where the values are equal nothing is lost with the line; elsewhere a person has to choose.
            edit = entry.removed() if last.value == entry.value else None
            yield Hit(entry, f"`{entry.key}` is set again on line {last.line}, and only that one counts", edit=edit)
