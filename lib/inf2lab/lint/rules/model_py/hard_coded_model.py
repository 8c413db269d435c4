"""model.py names its model itself, so the file's model_id has no effect."""

from inf2lab.lint.examples import HANDLER_OF_MODEL_ID, HANDLER_OF_ONE_MODEL
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "hard-coded-model", Severity.WARNING
WHY = "A reader of serving.properties believes what it says; code that loads another model answers under its name."
CURE = 'Load `properties["model_id"]`.'
BAD = {"serving.properties": "option.model_id=facebook/opt-1.3b\n", "model.py": HANDLER_OF_ONE_MODEL}
GOOD = {"serving.properties": "option.model_id=facebook/opt-13b\n", "model.py": HANDLER_OF_MODEL_ID}
EXPECT = ["model.py:7 `facebook/opt-13b` is written into the code; serving.properties says `facebook/opt-1.3b`"]
MORE = [
    Example(
        bad={"serving.properties": "engine=Python\n", "model.py": HANDLER_OF_ONE_MODEL},
        good={"serving.properties": "option.model_id=facebook/opt-13b\n", "model.py": HANDLER_OF_MODEL_ID},
        expect=("model.py:7 `facebook/opt-13b` is written into the code; serving.properties names no model",),
    )
]


def check(folder: Folder) -> Hits:
    if (own := folder.own) is None:
        return
    entry = folder.option("model_id")
    said = f"says `{short(entry.value)}`" if entry else "names no model"
    for name, line in own.models:
        if entry is None or entry.value.strip() != name or not own.reads("model_id"):
            yield Hit(own.at(line), f"`{short(name)}` is written into the code; serving.properties {said}")
