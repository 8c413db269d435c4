"""A model folder has one serving.properties; another version of it replaces it or is not read."""

import re

from inf2lab.folder import FILE_NAME
from inf2lab.lint.commands import written_files
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Place, Severity, short

NAME, SEVERITY = "second-properties-file", Severity.WARNING
WHY = "The server reads serving.properties only. Two versions in one place end as one: the file written last."
CURE = "Give each version a model folder of its own."
BAD = {
    "serving.properties": "option.model_id=facebook/opt-13b\n",
    "serving.properties.1": "option.model_id=facebook/opt-1.3b\n",
}
GOOD = {"serving.properties": "option.model_id=facebook/opt-13b\n"}
EXPECT = ["serving.properties:1 `serving.properties.1` beside this file is never read"]
_WRITTEN = {"serving.properties": "engine=Python\n"}
_SCRIPT = "echo engine=Python > serving.properties\necho option.dtype=f16 >> serving.properties\n"
MORE = [
    Example(
        bad=_WRITTEN | {"make.sh": _SCRIPT.replace(">>", ">")},
        good=_WRITTEN | {"make.sh": _SCRIPT},
        expect=("make.sh:2 `serving.properties` is written anew here, and what line 1 wrote is lost",),
    )
]
_OTHER = re.compile(r"serving.*\.properties.*|.*\.serving\.properties", re.IGNORECASE)


def check(folder: Folder) -> Hits:
    for name in sorted(folder.files):
        if name != FILE_NAME and FILE_NAME in folder.files and _OTHER.fullmatch(name):
            yield Hit(1, f"`{short(name)}` beside this file is never read")
    for file, text in folder.scripts.items():
        for (_, target), lines in written_files(text).items():
            if target.rsplit("/", 1)[-1] == FILE_NAME and len(lines) > 1:
                message = f"`{short(target)}` is written anew here, and what line {lines[0]} wrote is lost"
                yield Hit(Place(file, lines[-1]), message)
