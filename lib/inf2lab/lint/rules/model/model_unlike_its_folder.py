"""The folder's name and the model's differ in size."""

import re

from inf2lab.lint.examples import OPT_1_3B, OPT_13B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "model-unlike-its-folder", Severity.WARNING
WHY = (
    "The model is called in the URL what its folder is called. A folder named after 13B that loads 1.3B "
    "answers, and nobody notices."
)
CURE = "Name the model that the folder is named after, or rename the folder."
BAD = OPT_1_3B
GOOD = OPT_13B
EXPECT = ["serving.properties:2 folder `opt13b` serves `facebook/opt-1.3b`"]
_SIZE = re.compile(r"(?<![\d.])(\d{1,4}(?:\.\d{1,2})?)([bm])(?![a-z])", re.IGNORECASE)


def check(folder: Folder) -> Hits:
    entry = folder.option("model_id")
    if entry is None or entry.value.startswith("/"):
        return
    # A folder's name writes 1.3b as 1_3b or 1-3b, because a point becomes _ in the URL; llama2-7b is 7b all the same.
    name = folder.name.lower()
    named = [*_SIZE.findall(name), *_SIZE.findall(re.sub(r"(?<=\d)[_-](?=\d+[bm])", ".", name))]
    meant = _SIZE.findall(entry.value.lower())
    if named and meant and meant[-1] not in named:
        yield Hit(entry, f"folder `{short(folder.name)}` serves `{short(entry.value)}`")
