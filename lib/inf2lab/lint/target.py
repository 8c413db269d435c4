"""Everything a rule may look at: the model folder's files, parsed, and the facts of the profile and instance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from inf2lab import catalog
from inf2lab.errors import FolderError
from inf2lab.lint.commands import (
    DockerRun,
    Request,
    Words,
    curl_requests,
    docker_runs,
    read_json,
    shell_commands,
)
from inf2lab.lint.finding import PROPERTIES
from inf2lab.lint.handler import Handler, parse_handler
from inf2lab.lint.properties import OPTION, Entry, Properties, parse_properties
from neuron_rules import GENERATIONS, Generation, ModelDims, NeuronRulesError, rule_dims

IMAGE_SERVICE = (0, 23)  # first release whose handler also serves pictures
PLAIN_KEYS_REACH_PYTHON = (0, 22, 1)  # from here on the server copies keys without `option.` to the handler
_NEURON_HANDLER = re.compile(r"djl_python\.transformers?[-_]neuronx")
_MAX_BYTES = 4 * 2**20  # a larger file is no text of ours


class Aim(Protocol):
    """What a folder is linted for: anything with the names of a profile and an instance, such as Settings."""

    @property
    def profile(self) -> str: ...
    @property
    def instance(self) -> str: ...


@dataclass(frozen=True)
class Target:
    """A profile and an instance to lint for, by name."""

    profile: str = catalog.default_profile()
    instance: str = "inf2.48xlarge"


@dataclass(frozen=True)
class Folder:
    """A model folder as the rules see it. `files` are names of its own files; `texts` of others given with it."""

    name: str
    profile: catalog.Profile
    instance: catalog.Instance
    properties: Properties
    handler: Handler | None
    files: frozenset[str]
    scripts: dict[str, str] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    server: Properties = field(default_factory=Properties)
    requirements: tuple[str, ...] = ()
    config: object = None

    @property
    def model_name(self) -> str:
        """The model's name in URLs."""
        return re.sub(r"\W", "_", self.name, flags=re.ASCII)

    @property
    def release(self) -> tuple[int, ...]:
        """DJLServing's release, as numbers."""
        return self.profile.version

    @property
    def rules(self) -> Generation:
        """The chip's rules that hold under this profile."""
        return GENERATIONS[self.profile.degree_rules]

    @cached_property
    def commands(self) -> tuple[Words, ...]:
        """Every command of the scripts."""
        return tuple(c for file, text in self.scripts.items() for c in shell_commands(file, text))

    @cached_property
    def containers(self) -> tuple[DockerRun, ...]:
        """Every `docker run` of the scripts."""
        return tuple(docker_runs(self.commands))

    @cached_property
    def all_requests(self) -> tuple[Request, ...]:
        """Requests in JSON files and curl commands."""
        return (*self.requests, *curl_requests(self.commands))

    @property
    def entry_point(self) -> Entry | None:
        """The line that names the handler."""
        return self.properties.last(f"{OPTION}entryPoint")

    @cached_property
    def built_in(self) -> bool:
        """Whether DJL's own Neuron handler serves the folder; a wrong spelling of its name still means it."""
        if self.option("use_stable_diffusion") and self.release >= IMAGE_SERVICE:
            return False  # the same module serves pictures then, by other rules
        if self.entry_point:
            return _NEURON_HANDLER.fullmatch(self.entry_point.value.strip()) is not None
        return self.handler is None

    @cached_property
    def own(self) -> Handler | None:
        """The folder's own handler, if it is the one that serves."""
        if self.handler is None:
            return None
        value = self.entry_point.value.strip() if self.entry_point else self.handler.file
        return self.handler if value in (self.handler.file, self.handler.file.removesuffix(".py")) else None

    def option(self, name: str) -> Entry | None:
        """The line that sets the option for the handler: with `option.`, or without where that release copies it."""
        entry = self.properties.last(OPTION + name)
        plain = name not in catalog.options().server_keys and self.release >= PLAIN_KEYS_REACH_PYTHON
        return entry or (self.properties.last(name) if plain else None)

    def number(self, name: str) -> int | None:
        """The option as a number: from the file, else the default of whoever reads it; None where unknown."""
        if entry := self.option(name):
            if name == "tensor_parallel_degree" and entry.value.strip() == "max":
                return self.instance.cores
            return entry.number
        text = self._default(name)
        return int(text) if text is not None and re.fullmatch(r"\d{1,9}", text) else None

    def text(self, name: str) -> str | None:
        """The option as text: from the file, else the default of whoever reads it."""
        entry = self.option(name)
        return entry.value.strip() if entry else self._default(name)

    @cached_property
    def amp(self) -> str | None:
        """The number format that reaches transformers-neuronx, or None where the file's word means nothing."""
        word = self.text("dtype")
        if self.built_in:
            return self.profile.handler_dtypes.get(word or "")
        return word if word in self.rules.dtypes else None

    @property
    def copies(self) -> int:
        """Workers, each with a copy of the model: groups of cores of the devices that a script passes, or of all."""
        degree = self.number("tensor_parallel_degree") or 1
        passed = [len(set(run.devices)) for run in self.containers if run.devices]
        cores = max(passed) * self.cores_a_device if passed else self.instance.cores
        return cores // degree if degree > 0 else 0

    @property
    def cores_a_device(self) -> int:
        """NeuronCores of one Neuron device."""
        return self.instance.cores // self.instance.chips

    @property
    def rows(self) -> int | None:
        """Rows of the compiled batch."""
        if self.built_in and self.rolling:
            return self.number("max_rolling_batch_size")
        return self.number("batch_size")

    @property
    def rolling(self) -> bool:
        """Whether the built-in handler runs a rolling batch."""
        if self.release < (0, 25):
            return self.release >= (0, 24) and self.option("rolling_batch") is not None
        return (self.text("rolling_batch") or "disable") != "disable"

    @cached_property
    def dims(self) -> ModelDims | None:
        """The model's dimensions: from config.json in the folder, else from the catalog by name."""
        if isinstance(self.config, dict):
            try:
                found = rule_dims(self.config)
            except (NeuronRulesError, TypeError, ValueError, AttributeError, OverflowError):
                return None
            sizes = (found.hidden, found.layers, found.heads, found.ffn, found.vocab, found.kv_heads)
            return found if all(0 < size < 2**24 for size in sizes) else None
        model_id = self.text("model_id")
        if self.own and self.own.models and not self.own.reads("model_id"):
            model_id = self.own.models[0][0]  # the code's own word counts where it does not ask the file
        if not model_id:
            return None
        known = catalog.models()
        last = model_id.rstrip("/").rsplit("/", 1)[-1]
        return known.get(model_id) or next(
            (dims for name, dims in known.items() if name.rsplit("/", 1)[-1] == last), None
        )

    def _default(self, name: str) -> str | None:
        if own := self.own:
            found = [read for read in own.options[0] if read.key == name and read.default is not None]
            return str(found[0].default) if found else None
        option = catalog.options().options.get(name)
        return option.default_in(self.release) if option else None


def read_folder(path: Path, aim: Aim, also: Iterable[Path] = ()) -> Folder:
    """Return the folder at `path`, with the scripts and requests in `also`; raises FolderError, SettingsError."""
    profile, instance = catalog.profile(aim.profile), catalog.instance(aim.instance)
    path = Path(path)
    if not path.is_dir():
        raise FolderError(path, "no such model folder")
    try:
        files = sorted(entry for entry in path.iterdir() if entry.is_file())
    except OSError as error:
        raise FolderError(path, f"cannot be read ({error.strerror})") from error
    names = frozenset(file.name for file in files)
    name = path.resolve().name
    code = next((n for n in ("model.py", f"{name}.py") if n in names), None)
    if PROPERTIES not in names and code is None:
        raise FolderError(path, f"has neither {PROPERTIES} nor model.py: nothing says what to serve")
    others = [*(f for f in files if f.suffix == ".sh" or f.name == "request.json"), *map(Path, also)]
    texts = {_shown(file, path): _read(file) for file in others}
    return Folder(
        name=name,
        profile=profile,
        instance=instance,
        properties=parse_properties(_read(path / PROPERTIES, "latin-1")) if PROPERTIES in names else Properties(),
        handler=parse_handler(code, _read(path / code), profile.python) if code else None,
        files=names,
        scripts={n: t for n, t in texts.items() if not n.endswith((".json", ".properties"))},
        requests=tuple(Request(n, 1, read_json(t)) for n, t in texts.items() if n.endswith(".json")),
        server=parse_properties(
            next((t for n, t in texts.items() if n.endswith(".properties")), None)
            or (_read(path / "config.properties", "latin-1") if "config.properties" in names else "")
        ),
        requirements=tuple(_read(path / "requirements.txt").splitlines()) if "requirements.txt" in names else (),
        config=_config(path / "config.json") if "config.json" in names else None,
    )


def _shown(file: Path, folder: Path) -> str:
    return file.name if file.parent == folder else str(file)


def _read(file: Path, encoding: str = "utf-8") -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_MAX_BYTES).decode(encoding, errors="replace")
    except OSError as error:
        raise FolderError(file, f"cannot be read ({error.strerror})") from error


def _config(file: Path) -> object:
    try:
        return json.loads(_read(file))
    except (ValueError, RecursionError):
        return None
