"""`option.model_id` is no name that the hub can answer to."""

import re

from inf2lab import catalog
from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "name-that-the-hub-lacks", Severity.ERROR
WHY = (
    "The handler gives the name to Hugging Face's libraries, which take a folder or OWNER/NAME: no address, no slash "
    "more, no short name. The server itself fetches s3:// and, from 0.25.0 on, djl://."
)
CURE = "Write OWNER/NAME as the model's page on the hub is headed, or the path of a folder."
BAD = OPT_1_3B.replace("facebook/opt-1.3b", "https://huggingface.co/facebook/opt-1.3b")
GOOD = OPT_1_3B
EXPECT = ["serving.properties:2 `https://huggingface.co/facebook/opt-1.3b` is an address, and no name on the hub"]
MORE = [
    Example(
        bad=OPT_1_3B.replace("facebook/opt-1.3b", "opt-1.3b"),
        good=OPT_1_3B,
        expect=("serving.properties:2 the hub has no `opt-1.3b` without its owner",),
        folder="m",
    ),
    Example(
        bad=OPT_1_3B.replace("facebook/opt-1.3b", "meta-llama/Llama-2-7b"),
        good=OPT_1_3B.replace("facebook/opt-1.3b", "meta-llama/Llama-2-7b-hf"),
        expect=("serving.properties:2 `meta-llama/Llama-2-7b` holds its maker's own files, without a config.json",),
        folder="m",
    ),
]
_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)?")
_ELSEWHERE = re.compile(r"(?:s3|djl)://|[/.~$]")  # fetched by the server, or a path


def check(folder: Folder) -> Hits:
    entry = folder.option("model_id")
    name = entry.value.strip() if entry else ""
    if entry is None or not name or not folder.built_in or _ELSEWHERE.match(name) or (folder.path / name).is_dir():
        return
    meant = re.sub("^https?://[^/]+/", "", name).strip("/")
    if not _NAME.fullmatch(name):
        what = "is an address, and no name on the hub" if "://" in name else "is no name on the hub"
        said, right = f"`{short(name)}` {what}", meant if _NAME.fullmatch(meant) else None
    elif "/" not in name and (found := catalog.planned(name)) and "/" in found.name:
        said, right = f"the hub has no `{short(name)}` without its owner", found.name
    elif catalog.is_unconverted(name):
        said, right = f"`{short(name)}` holds its maker's own files, without a config.json", f"{name}-hf"
    else:
        return
    edit = entry.with_value(right) if right else None
    yield Hit(entry, said, fix=f"write `{right}`" if right else None, edit=edit)
