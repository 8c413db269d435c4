"""A model's files from the user's own Hugging Face cache, or through it from the hub."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from inf2lab.errors import StandInError
from inf2lab.waits import told

UNASKED_GB = 1.0  # more than this is downloaded only on a second word
_TEXTS = (".json", ".txt", ".model")
_WEIGHTS = (".safetensors", ".bin")  # in order of preference


def files_of(model_id: str, *, large: bool, report: Callable[[str], object]) -> Path:
    """Return the folder of a whole snapshot; raises StandInError (not reachable, too large without `large`)."""
    from huggingface_hub import HfApi, snapshot_download  # reads HF_HOME, HF_ENDPOINT and the user's login itself

    try:
        here = Path(snapshot_download(model_id, local_files_only=True))
        if is_whole(here):
            return here
    except (OSError, ValueError):
        pass  # not in the user's cache
    try:
        info = HfApi().model_info(model_id, files_metadata=True)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
        names = choose(sizes)
        gigabytes = sum(sizes[name] for name in names) / 1e9
        if gigabytes > UNASKED_GB and not large:
            reason = f"its weights are {gigabytes:.1f} GB: `inf2lab fetch {model_id} --large` downloads them"
            raise StandInError(model_id, reason)
        report(f"downloading {model_id} from the hub ({gigabytes:.2f} GB)")
        with told(report, lambda: "downloading"):
            return Path(snapshot_download(model_id, allow_patterns=names))
    except (OSError, ValueError) as error:
        said = type(error).__name__  # GatedRepoError, RepositoryNotFoundError, ConnectionError, ...
        reason = (
            f"its weights are not in this user's Hugging Face cache, and the hub did not give them ({said}): connect, "
            "log in where the model wants it, or leave the name to a stand-in"
        )
        raise StandInError(model_id, reason) from error


def list_wanted(folder: Path) -> list[str]:
    """Return the names of the files in a snapshot that serving needs."""
    return choose(path.name for path in folder.iterdir() if path.is_file())


def choose(names: Iterable[str]) -> list[str]:
    """Return configuration, tokenizer and one form of the weights: no copies for other frameworks, no subfolders."""
    top = [name for name in names if "/" not in name]
    for suffix in _WEIGHTS:
        weights = [name for name in top if name.endswith(suffix) and name.startswith(("model", "pytorch_model"))]
        if weights:
            break
    return sorted(weights + [name for name in top if name.endswith(_TEXTS)])


def is_whole(folder: Path) -> bool:
    """Whether a snapshot, which an interrupted download may have left, has all that serving needs."""
    names = list_wanted(folder)
    parts = {
        part
        for name in names
        if name.endswith(".index.json")
        for part in json.loads((folder / name).read_text())["weight_map"].values()
    }
    found = parts <= set(names) if parts else any(name.endswith(_WEIGHTS) for name in names)
    return found and "config.json" in names
