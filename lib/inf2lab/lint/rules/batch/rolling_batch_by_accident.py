"""In 0.24.0 the mere presence of the rolling batch's options changes the batch."""

from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "rolling-batch-by-accident", Severity.WARNING
WHY = (
    "0.24.0 looks only whether `rolling_batch` is there, so `disable` enables it, and max_rolling_batch_size replaces "
    "batch_size whenever it is present."
)
CURE = "Delete the line."
BAD = OPT_1_3B + "option.rolling_batch=disable\n"
GOOD = OPT_1_3B
EXPECT = ["serving.properties:3 0.24.0 starts a rolling batch for any value, `disable` too"]
PROFILE = "djl-0.24"
MORE = [
    Example(
        bad=OPT_1_3B + "option.batch_size=2\noption.max_rolling_batch_size=4\n",
        good=OPT_1_3B + "option.batch_size=2\n",
        expect=("serving.properties:4 in 0.24.0 `option.max_rolling_batch_size=4` replaces `option.batch_size=2`",),
        profile="djl-0.24",
    )
]
_OFF = {"disable", "false", "none"}


def check(folder: Folder) -> Hits:
    if not folder.built_in or folder.release[:2] != (0, 24):
        return
    entry = folder.option("rolling_batch")
    if entry and entry.value.strip().lower() in _OFF:
        message = f"{folder.profile.djl} starts a rolling batch for any value, `{entry.value.strip()}` too"
        yield Hit(entry, message, edit=entry.removed())
    rolling, batch = folder.option("max_rolling_batch_size"), folder.properties.last("option.batch_size")
    if rolling and batch and rolling.value.strip() != batch.value.strip():
        yield Hit(
            rolling,
            f"in {folder.profile.djl} `{rolling.written}={short(rolling.value)}` "
            f"replaces `{batch.written}={short(batch.value)}`",
        )
