"""requirements.txt replaces a package that the image pins."""

import re

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from inf2lab.lint.examples import HANDLER
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Place, Severity, short

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
_SAFETENSORS, _SPLITS_THEM = "4.35", (0, 9)
_NEW = Version(_SAFETENSORS)


def check(folder: Folder) -> Hits:
    images = {canonicalize_name(name): version for name, version in folder.profile.packages.items()}
    for number, line in enumerate(folder.requirements, 1):
        wanted = _requirement(line)
        name = canonicalize_name(wanted.name if wanted else "")
        if wanted is None or name not in images or not _is_installed(wanted, folder.profile.python):
            continue
        if not wanted.url and wanted.specifier.contains(images[name], prereleases=True):
            continue
        message = f"`{short(line.split('#')[0])}` replaces the image's {name} {images[name]}"
        breaks = name == "transformers" and _breaks_splitting(folder, wanted.specifier)
        if breaks:
            message += (
                f": save_pretrained_split of transformers-neuronx {folder.profile.packages['transformers-neuronx']} "
                "then writes safetensors, and the load finds no pytorch_model.bin"
            )
        yield Hit(Place("requirements.txt", number), message, severity=Severity.ERROR if breaks else None)


def _requirement(line: str) -> Requirement | None:
    try:
        return Requirement(re.split(r"(?:^|\s)#", line)[0].strip())
    except InvalidRequirement:  # an option of pip's, an address, or nothing
        return None


def _is_installed(wanted: Requirement, python: str) -> bool:
    image = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    return wanted.marker is None or wanted.marker.evaluate(image | {"platform_system": "Linux"})


def _breaks_splitting(folder: Folder, allowed: SpecifierSet) -> bool:
    own = folder.own
    splits = own is not None and any(taken.name == "save_pretrained_split" for taken in own.taken)
    named = [clause.version.removesuffix(".*") for clause in allowed if clause.operator != "==="]
    newer = (text for text in (*named, *(f"{text}.1" for text in named), "9999") if Version(text) >= _NEW)
    return splits and folder.profile.library < _SPLITS_THEM and any(map(allowed.contains, (_SAFETENSORS, *newer)))
