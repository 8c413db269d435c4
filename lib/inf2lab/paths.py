"""Where the laboratory keeps things: the one module that reads inf2lab's environment variables.

| variable | meaning | default |
|---|---|---|
| INF2LAB_ROOT | the repository a notebook or command works in | the folder above with `notebooks/` and `lib/` |
| INF2LAB_CACHE | downloads and prepared stand-ins | the user's cache folder + `/inf2lab` |
| INF2LAB_LOGS | server logs, state files, executed runs | `logs/` of the repository |
| DJL_SERVING_HOME | an unpacked DJLServing, for `inf2lab serve --server djl` | a Docker image is tried |
| INF2LAB_LANGUAGE | the language of pictures, tables and answers in notebooks: en, ja | en |
| INF2LAB_DEVICES | folder of the Neuron device files | `/dev` |
| HF_TOKEN | the hub's token for gated models: only whether it is set is looked at, and its name passed on | - |
| INF2LAB_<PARAMETER> | replaces a notebook parameter's default, e.g. INF2LAB_PORT=8081 | - |
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from inf2lab.errors import LabError, ServerError

PREFIX = "INF2LAB_"
HUB_TOKEN = "HF_TOKEN"


def root() -> Path:
    """Return the repository's folder; raises LabError when neither the current folder nor this file is inside it."""
    named = os.environ.get(f"{PREFIX}ROOT")
    if named:
        if not os.path.isdir(named):
            raise LabError(f"{PREFIX}ROOT={named}: no such folder; name the clone, or do not set it")
        return real(named)
    for start in (here(), Path(__file__).resolve()):
        for folder in (start, *start.parents):
            if (folder / "notebooks").is_dir() and (folder / "lib" / "inf2lab").is_dir():
                return folder
    raise LabError(f"no repository around {here()}: change into the clone, or set {PREFIX}ROOT to it")


def here() -> Path:
    """Return the current folder; raises LabError if somebody has removed it."""
    try:
        return Path.cwd()
    except OSError as error:
        raise LabError(f"the current folder is gone ({error.strerror}): change into one that is there") from error


def real(path: Path | str) -> Path:
    """Return the absolute path without links; unlike pathlib's it takes any name, and one that no folder can have."""
    return Path(os.path.realpath(here() / path))


def enter_repository() -> None:
    """Change into the repository's folder, so that a path means the same in JupyterLab, papermill and nbval.

    From notebooks/ja, where JupyterLab starts the kernel of a Japanese notebook, that language is set, unless one is.
    """
    opened = Path(os.path.relpath(here(), root() / "notebooks")).parts
    if opened and re.fullmatch("[a-z]{2}", opened[0]):
        os.environ.setdefault(f"{PREFIX}LANGUAGE", opened[0])
    os.chdir(root())


def own_python(name: str, what: str, size: str) -> Path:
    """Return the Python of `what`, which has an environment of its own; raises ServerError with the command for it."""
    environment = root() / f".venv-{name}"
    python = environment / "bin" / "python"
    if not (python.exists() and any(environment.glob(".set-up-*"))):  # the mark comes last
        reason = f"{what} has an environment of its own, and it is not here, or not finished"
        raise ServerError(f"{reason}: `make {name}-env` makes it ({size})")
    return python


def models() -> Path:
    """Return the model store's folder."""
    return root() / "models"


def logs() -> Path:
    """Return the folder of logs and state files; it is made if it is missing."""
    return _made(Path(os.environ.get(f"{PREFIX}LOGS") or root() / "logs"), "LOGS")


def cache() -> Path:
    """Return the folder of downloads and prepared stand-ins; it is made if it is missing."""
    named = os.environ.get(f"{PREFIX}CACHE")
    home = Path(os.path.expanduser("~"))  # pathlib raises where there is none
    if named:
        folder = Path(os.path.expanduser(named))
    elif sys.platform == "darwin":
        folder = home / "Library" / "Caches" / "inf2lab"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "inf2lab"
    return _made(folder, "CACHE")


def djl_serving_home() -> Path | None:
    """Return the unpacked DJLServing that a person named, or None; whether one lies there is not looked at."""
    named = os.environ.get("DJL_SERVING_HOME")
    return real(os.path.expanduser(named)) if named else None


def container_cache() -> Path:
    """Return the folder whose parts the container keeps downloads and compiled programs in: in the clone, so that
    it lies on the volume that was made large enough, and is found again after the container is gone."""
    return root() / "cache"


def devices() -> Path:
    """Return the folder with neuron0, neuron1, ...: /dev, unless INF2LAB_DEVICES names another."""
    return real(os.environ.get(f"{PREFIX}DEVICES") or "/dev")


def device_files() -> list[Path]:
    """Return the Neuron devices' files that are there, by number."""
    return sorted(devices().glob("neuron[0-9]*"), key=lambda path: int(re.sub(r"\D", "", path.name)))


def language() -> str | None:
    """Return the language that a reader named, or None; whether the program speaks it is not looked at."""
    return os.environ.get(f"{PREFIX}LANGUAGE") or None


def has_hub_token() -> bool:
    """Return whether a token for the hub is set. Its value stays where it is."""
    return bool(os.environ.get(HUB_TOKEN))


def shown(path: Path | str) -> str:
    """Return a path as a reader should see it: relative to the repository where it lies inside."""
    path = Path(path)
    try:
        return str(path.relative_to(root()))
    except (ValueError, LabError):  # it lies elsewhere, or there is no clone at all
        return str(path)


def parameter_from_environment(name: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Return what INF2LAB_<NAME> says of a notebook parameter, or None."""
    return (os.environ if environment is None else environment).get(PREFIX + name.upper()) or None


def _made(folder: Path, variable: str) -> Path:
    """Return the folder, made if it is missing; raises LabError with the variable that names another."""
    folder = real(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"{folder} cannot be a folder to write in ({error.strerror})"
        raise LabError(f"{reason}: set {PREFIX}{variable} to one that this user may write") from error
    return folder
