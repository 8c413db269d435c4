"""A batch of several rows and a rolling batch at once, which the handler refuses."""

from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "two-kinds-of-batch", Severity.ERROR
WHY = (
    "From 0.26.0 on the handler refuses a batch_size above 1 while a rolling batch runs, and from 0.32.0 on one runs "
    "unless `option.rolling_batch=disable` says otherwise. In 0.25.0 the model is compiled for batch_size rows, and "
    "the server sends the rolling batch more requests than that."
)
CURE = (
    "Keep one: `option.max_rolling_batch_size` with a rolling batch, `batch_size` with `option.rolling_batch=disable`."
)
BAD = OPT_1_3B + "option.rolling_batch=auto\noption.batch_size=4\n"
GOOD = OPT_1_3B + "option.rolling_batch=auto\noption.max_rolling_batch_size=4\n"
EXPECT = [
    "serving.properties:4 `option.batch_size=4` beside a rolling batch: the handler of 0.29.0 refuses both at once"
]
PROFILE = "djl-0.29"
MORE = [
    Example(
        bad=OPT_1_3B + "batch_size=4\n",
        good=OPT_1_3B + "batch_size=4\noption.rolling_batch=disable\n",
        expect=(
            "serving.properties:3 `batch_size=4` beside a rolling batch: the handler of 0.32.0 refuses both at once",
        ),
        profile="djl-0.32",
    ),
    Example(
        bad=OPT_1_3B + "option.rolling_batch=auto\noption.max_rolling_batch_size=4\n",
        good=OPT_1_3B + "option.rolling_batch=auto\noption.max_rolling_batch_size=4\noption.batch_size=4\n",
        expect=(
            "serving.properties:4 a rolling batch of 4 requests, and 0.25.0 compiles for 1 of them: more at once are "
            "`Cannot prefill`",
        ),
    ),
]
_REFUSED = (0, 26)


def check(folder: Folder) -> Hits:
    if not folder.built_in or not folder.rolling:
        return
    entry = folder.properties.last("option.batch_size") or folder.gathers
    if (
        folder.release >= _REFUSED
        and entry
        and entry.number
        and entry.number > 1
        and not entry.written.startswith("SERVING_")
    ):
        message = f"`{entry.written}={short(entry.value)}` beside a rolling batch"
        yield Hit(entry, f"{message}: the handler of {folder.profile.djl} refuses both at once")
    rolls, rows = folder.number("max_rolling_batch_size"), folder.rows
    if folder.release[:2] == (0, 25) and rolls and rows and rolls > rows:
        message = f"a rolling batch of {rolls} requests, and {folder.profile.djl} compiles for {rows} of them"
        place = folder.option("max_rolling_batch_size") or folder.option("rolling_batch") or 1
        yield Hit(place, f"{message}: more at once are `Cannot prefill`", severity=Severity.WARNING)
