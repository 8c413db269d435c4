"""Both s3url and model_id say where the weights are."""

from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Folder, Hit, Hits, Severity

NAME, SEVERITY = "two-sources-of-weights", Severity.ERROR
WHY = (
    "0.21.0 throws while it loads when both are set; a file that names two sources is wrong in one of them everywhere."
)
CURE = "Keep `option.model_id`; from 0.24.0 on it takes an s3 address too."
BAD = OPT_1_3B + "option.s3url=s3://bucket/opt-1.3b/\n"
GOOD = OPT_1_3B + "#option.s3url=s3://bucket/opt-1.3b/\n"
EXPECT = ["serving.properties:3 `option.s3url` and `option.model_id` (line 2) both name the weights"]


def check(folder: Folder) -> Hits:
    entry, model = folder.properties.last("option.s3url"), folder.properties.last("option.model_id")
    if entry and model and entry.value.strip() and model.value.strip():
        yield Hit(entry, f"`option.s3url` and `option.model_id` (line {model.line}) both name the weights")
