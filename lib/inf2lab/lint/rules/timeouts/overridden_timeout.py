"""A timeout in the docker command is beaten by the one in the file."""

from inf2lab.lint.examples import OPT_13B, served
from inf2lab.lint.rules import Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "overridden-timeout", Severity.WARNING
WHY = "An option in serving.properties wins over the environment variable of the container, whichever is longer."
CURE = "State the time in one place: in serving.properties."
_SAID = "option.model_loading_timeout=1800\n" + OPT_13B
BAD = served(_SAID, more="-e MODEL_LOADING_TIMEOUT=7200 -v $PWD:/opt/ml/model")
GOOD = served(_SAID)
EXPECT = ["run.sh:2 `MODEL_LOADING_TIMEOUT=7200` has no effect: line 1 of serving.properties says 1800"]


def check(folder: Folder) -> Hits:
    for name in ("model_loading_timeout", "predict_timeout"):
        entry = folder.properties.last(f"option.{name}")
        for run in folder.containers:
            value = run.env.get(name.upper())
            if entry and value is not None and value != entry.value.strip():
                yield Hit(
                    run.command.at(name.upper()),
                    f"`{name.upper()}={short(value)}` has no effect: "
                    f"line {entry.line} of serving.properties says {short(entry.value)}",
                )
