"""requirements.txt replaces a package that the image pins."""

import re

from inf2lab.lint.examples import HANDLER
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "packages-that-replace-the-images", Severity.WARNING
WHY = (
    "The image's packages are pinned together: pip, run at the start of a worker, lifts one of them over the others. "
    "From transformers 4.35 on a model is saved as safetensors, which save_pretrained_split before 0.9 does not split."
)
CURE = "Delete the line, or pin the image's version."
BAD = {"serving.properties": "engine=Python\n", "model.py": HANDLER, "requirements.txt": "transformers>=4.40\n"}
GOOD = BAD | {"requirements.txt": "transformers\naccelerate==0.23.0\nrequests\n"}
EXPECT = ["requirements.txt:1 `transformers>=4.40` replaces the image's transformers 4.34.0"]
_SPLITS = "from transformers_neuronx.module import save_pretrained_split\n" + HANDLER
MORE = [
    Example(
        bad=BAD | {"model.py": _SPLITS},
        good=GOOD | {"model.py": _SPLITS},
        expect=(
            "requirements.txt:1 `transformers>=4.40` replaces the image's transformers 4.34.0: save_pretrained_split "
            "of transformers-neuronx 0.8.268 then writes safetensors, and the load finds no pytorch_model.bin",
        ),
    )
]
_LINE = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*([^;#]*)")
_CLAUSE = re.compile(r"(==|>=|<=|~=|!=|>|<)\s*([\d.]+)(\.\*)?")
_SAFETENSORS, _SPLITS_THEM = (4, 35), (0, 9)


def check(folder: Folder) -> Hits:
    images = {name.replace("_", "-").lower(): version for name, version in folder.profile.packages.items()}
    for number, line in enumerate(folder.requirements, 1):
        match = _LINE.match(line.strip())
        name = match[1].replace("_", "-").lower() if match else ""
        if match is None or name not in images or _keeps(match[2], images[name]):
            continue
        message = f"`{short(line.split('#')[0])}` replaces the image's {name} {images[name]}"
        breaks = name == "transformers" and _breaks_splitting(folder, match[2])
        library = images["transformers-neuronx"]
        if breaks:
            message += (
                f": save_pretrained_split of transformers-neuronx {library} then writes safetensors, and the load "
                "finds no pytorch_model.bin"
            )
        yield Hit(number, message, file="requirements.txt", severity=Severity.ERROR if breaks else None)


def _keeps(clauses: str, installed: str) -> bool:
    """Whether pip is content with what the image has."""
    return all(_holds(sign, bound, bool(any_), installed) for sign, bound, any_ in _CLAUSE.findall(clauses))


def _holds(sign: str, bound: str, prefix: bool, installed: str) -> bool:
    have, limit = _numbers(installed), _numbers(bound)
    width = len(limit) if prefix else max(len(have), len(limit))
    padded = [(*numbers, *([0] * width))[:width] for numbers in (have, limit)]
    mine, theirs = padded
    if sign == "~=":
        return mine >= theirs and have[: len(limit) - 1] == limit[:-1]
    return {
        "==": mine == theirs,
        "!=": mine != theirs,
        ">=": mine >= theirs,
        "<=": mine <= theirs,
        ">": mine > theirs,
        "<": mine < theirs,
    }[sign]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _breaks_splitting(folder: Folder, clauses: str) -> bool:
    own = folder.own
    splits = own is not None and any(taken.name == "save_pretrained_split" for taken in own.taken)
    upper = [bound for sign, bound, _ in _CLAUSE.findall(clauses) if sign in ("==", "<=", "<", "~=")]
    may_be_new = all(_numbers(bound)[:2] >= _SAFETENSORS for bound in upper)
    return splits and may_be_new and folder.profile.library < _SPLITS_THEM
