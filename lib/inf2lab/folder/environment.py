"""Configuration by variables of the container, merged with serving.properties as the profile's release does it.

The file wins over OPTION_*, which win over the plain variables; SERVING_* are the server's defaults below the folder's.
From djl-serving at each tag: ModelInfo.java, PyEnv.java, PyModel.java, ConfigManager.java, ModelServer.java.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from inf2lab.folder.properties import OPTION, Entry, Properties

OPTION_VARIABLES = (0, 24)  # first release that reads OPTION_*
_KEEPS_EMPTY = (0, 25)  # before, an empty variable is an empty value
_SPELLS_ENTRY_POINT = (0, 25)  # before, OPTION_ENTRYPOINT becomes a key that nobody reads
_ENGINE = (0, 27)  # from here on OPTION_ENGINE is the key `engine`
_KEEPS_CASE = (0, 28)  # from here on only names in capitals become small letters
_HUGGING_FACE = (0, 22, 1)  # HF_MODEL_ID
# What stands in for an option that neither the file nor OPTION_* gives.
PLAIN_VARIABLES = {
    "TENSOR_PARALLEL_DEGREE": "tensor_parallel_degree",
    "DJL_ENTRY_POINT": "entryPoint",
    "HF_MODEL_ID": "model_id",
    "MODEL_LOADING_TIMEOUT": "model_loading_timeout",
    "PREDICT_TIMEOUT": "predict_timeout",
}
# What SERVING_* says for every model, unless the folder says it: all that ConfigManager hands to WlmConfigManager.
_SERVER_DEFAULTS = {"batch_size", "max_batch_delay", "max_idle_time", "job_queue_size", "load_on_devices"}
_SERVER_DEFAULTS |= {"reserved_memory_mb"}


@dataclass(frozen=True)
class Variable:
    """One variable of a container, and where it is set."""

    name: str
    value: str
    file: str
    line: int
    known: bool = True  # False: the value is given elsewhere, as by `-e NAME` or $(...)

    @property
    def text(self) -> str:
        """As `docker run -e` takes it."""
        return f"{self.name}={self.value}" if self.known else self.name


def configures(name: str) -> bool:
    """Whether a variable of that name says something about a model or its server."""
    return name in PLAIN_VARIABLES or name.startswith(("OPTION_", "SERVING_"))


def merge(properties: Properties, variables: Iterable[Variable], release: tuple[int, ...]) -> Properties:
    """Return the file's properties with what the variables give in addition, under the rules of that release."""
    found = list(variables)
    entries = [*_options(found, release), *_plain(found, release), *_server_defaults(found)]
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.key, entry)
    return replace(properties, given=tuple(first.values()))


def key_of(name: str, release: tuple[int, ...]) -> str | None:
    """Return the key that OPTION_* of that name becomes; None where the release reads no such variable."""
    if not name.startswith("OPTION_") or release < OPTION_VARIABLES:
        return None
    rest = name.removeprefix("OPTION_")
    if release < _KEEPS_CASE or re.fullmatch(r"[A-Z_\d]+", rest):
        rest = rest.lower()
    if rest == "entrypoint" and release >= _SPELLS_ENTRY_POINT:
        return f"{OPTION}entryPoint"
    return "engine" if rest == "engine" and release >= _ENGINE else OPTION + rest


def _options(variables: list[Variable], release: tuple[int, ...]) -> Iterator[Entry]:
    for variable in variables:
        key = key_of(variable.name, release)
        if key and (variable.value or not variable.known or release < _KEEPS_EMPTY):
            yield _entry(key, variable)


def _plain(variables: list[Variable], release: tuple[int, ...]) -> Iterator[Entry]:
    for variable in variables:
        name = PLAIN_VARIABLES.get(variable.name)
        if name and (variable.value or not variable.known) and (name != "model_id" or release >= _HUGGING_FACE):
            yield _entry(OPTION + name, variable)


def _server_defaults(variables: list[Variable]) -> Iterator[Entry]:
    for variable in variables:
        key = variable.name.removeprefix("SERVING_").lower()
        if variable.name.startswith("SERVING_") and key in _SERVER_DEFAULTS:
            yield _entry(key, variable)


def _entry(key: str, variable: Variable) -> Entry:
    value = variable.value if variable.known else ""
    source = f"{variable.name}={value}"
    return Entry(key, value, variable.line, variable.line, source, variable.file, variable.name)
