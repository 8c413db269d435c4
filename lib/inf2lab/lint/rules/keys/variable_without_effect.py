"""A variable of the container is beaten by serving.properties, or read by nothing in this release."""

from inf2lab.folder import PLAIN_VARIABLES, key_of
from inf2lab.lint.examples import OLD_OPT_1_3B, OPT_1_3B, served
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "variable-without-effect", Severity.WARNING
WHY = (
    "An option in serving.properties wins over OPTION_* of the container, which wins over the plain variables. "
    "OPTION_* are read from 0.24.0 on. HF_MODEL_ID makes the server load a second model beside the folder's."
)
CURE = "State the value in one place."
_FP16 = OPT_1_3B + "option.dtype=fp16\n"
_SET = "-e {} -v $PWD:/opt/ml/model"
BAD = served(_FP16, more=_SET.format("OPTION_DTYPE=bf16"))
GOOD = served(more=_SET.format("OPTION_DTYPE=bf16"))
EXPECT = ["run.sh:2 `OPTION_DTYPE=bf16` has no effect: line 3 of serving.properties says fp16"]
MORE = [
    Example(
        bad=served(_FP16, more=_SET.format("HF_MODEL_ID=gpt2")),
        good=GOOD,
        expect=("run.sh:2 `HF_MODEL_ID=gpt2` loads a second model beside `facebook/opt-1.3b`",),
    ),
    Example(
        bad=served(OLD_OPT_1_3B, more=_SET.format("OPTION_DTYPE=bf16"), tag="0.21.0-pytorch-inf2"),
        good=OLD_OPT_1_3B + "option.dtype=fp16\n",
        expect=("run.sh:2 `OPTION_DTYPE` is read from DJLServing 0.24.0 on; 0.21.0 ignores it",),
        profile="seed-0.21",
    ),
]


def check(folder: Folder) -> Hits:
    for run in folder.containers:
        for one in run.variables:
            if message := _effect(folder, one.name, one.value if one.known else "..."):
                yield Hit(one, message)


def _effect(folder: Folder, name: str, value: str) -> str | None:
    key = key_of(name, folder.release) or (f"option.{PLAIN_VARIABLES[name]}" if name in PLAIN_VARIABLES else None)
    if key is None:
        early = name.startswith("OPTION_")
        return f"`{name}` is read from DJLServing 0.24.0 on; {folder.profile.djl} ignores it" if early else None
    entry = folder.properties.last(key)
    timeout = name in PLAIN_VARIABLES and key.endswith("_timeout")  # L002 tells of it
    if entry is None or entry.variable == name or entry.value.strip() == value or timeout:
        return None
    if name == "HF_MODEL_ID":
        return f"`{name}={short(value)}` loads a second model beside `{short(entry.value)}`"
    where = f"`{entry.variable}`" if entry.variable else f"line {entry.line} of serving.properties"
    return f"`{name}={short(value)}` has no effect: {where} says {short(entry.value)}"
