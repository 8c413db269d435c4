"""`option.model_id` is no name that the hub can answer to."""

import re

from inf2lab import catalog
from inf2lab.folder import MODEL_STORE
from inf2lab.lint.examples import OPT_1_3B
from inf2lab.lint.rules import Example, Folder, Hit, Hits, Severity, short

NAME, SEVERITY = "name-that-the-hub-lacks", Severity.ERROR
WHY = (
    "The handler gives the name to Hugging Face's libraries, which take a folder or OWNER/NAME: no address, no second "
    "slash, and no name without its owner (but for a few old ones, such as gpt2). The server itself fetches s3://."
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
    if entry is None or not name or not folder.built_in or _ELSEWHERE.match(name) or _is_folder(folder, name):
        return
    meant = re.sub("^https?://[^/]+/", "", name).strip("/")
    if not _NAME.fullmatch(name):
        what = "is an address, and no name on the hub" if "://" in name else "is no name on the hub"
        said, right = f"`{short(name)}` {what}", meant if _NAME.fullmatch(meant) else None
    elif right := _with_owner(name):
        said = f"the hub has no `{short(name)}` without its owner"
    elif catalog.is_unconverted(name):
        said, right = f"`{short(name)}` holds its maker's own files, without a config.json", f"{name}-hf"
    else:
        return
    edit = entry.with_value(right) if right else None
    yield Hit(entry, said, fix=f"write `{right}`" if right else None, edit=edit)


def _is_folder(folder: Folder, name: str) -> bool:
    """Whether the name is a folder inside the model's, or a script mounts something where it begins."""
    mounted = re.compile(rf"{MODEL_STORE}/[^/]+/{re.escape(name.split('/')[0])}(?:/.*)?")
    targets = (target for run in folder.serving for _, target in run.mounts)
    return (folder.path / name).is_dir() or any(map(mounted.fullmatch, targets))


def _with_owner(name: str) -> str | None:
    """Return the hub's name of the very model that is named without its owner: a chat model's base is another."""
    found = catalog.planned(name)
    owner, slash, last = (found.name if found else "").rpartition("/")
    same = last.lower() in (name.lower(), f"{name.lower()}-hf")
    return f"{owner}/{last}" if slash and same else None
