"""Without `option.dtype` the older handlers take 32-bit floats: twice the memory."""

from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "dtype-left-to-default", Severity.NOTE
WHY = "The default was fp32 up to 0.25.0 and is fp16 from 0.26.0 on, so the same file needs another size elsewhere."
CURE = "Say `option.dtype=fp16`."
BAD = OPT_1_3B
GOOD = BAD + "option.dtype=fp16\n"
EXPECT = ["serving.properties:1 no `option.dtype`: 0.25.0 takes fp32, twice the memory of fp16"]


def check(folder: Folder) -> Hits:
    if folder.built_in and folder.option("dtype") is None and folder.profile.handler_default_dtype == "fp32":
        place = folder.entry_point or 1
        yield Hit(place, f"no `option.dtype`: {folder.profile.djl} takes fp32, twice the memory of fp16")
