"""Everything a rule may look at: the model folder's files, parsed, and the facts of the profile and instance."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from inf2lab import catalog, paths
from inf2lab.errors import FolderError
from inf2lab.folder import (
    FILE_NAME,
    Aim,
    Container,
    Launch,
    ModelFolder,
    Properties,
    Reading,
    Stated,
    Words,
    containers_in,
    default_handler,
    launches_in,
    merge,
    parse_properties,
    read_config,
    reading_of,
    shell_commands,
)
from inf2lab.lint.commands import Request, curl_requests, read_json
from inf2lab.lint.handler import Handler, parse_handler
from neuron_rules import ModelDims, NeuronRulesError, core_groups, dtype_bytes, rule_dims

_MAX_BYTES = 4 * 2**20  # a larger file is no text of ours
_COMPOSE = re.compile(r"(?:docker-)?compose\.ya?ml")
_SERVERS = "config.properties"  # its own configuration
_STARTERS = (".sh", ".yaml", ".yml", ".json")
_NO_SCRIPTS = (".json", ".properties", ".yaml", ".yml", ".py", ".env")
NO_FOLDER = "no such model folder: name one with a serving.properties or a model.py"


@dataclass(frozen=True)
class Target:
    """A profile and an instance to lint for, by name."""

    profile: str = catalog.default_profile()
    instance: str = "inf2.48xlarge"


@dataclass(frozen=True)
class Folder(Stated):
    """A model folder as the rules see it: what it states, its handler read, and what starts it.

    `scripts` and `containers` are of the files given with it.
    """

    handler: Handler | None = None
    scripts: dict[str, str] = field(default_factory=dict)
    containers: tuple[Container, ...] = ()
    requests: tuple[Request, ...] = ()
    server: Properties = field(default_factory=Properties)
    requirements: tuple[str, ...] = ()
    launches: tuple[Launch, ...] = ()  # of servers that came after DJLServing
    path: Path = Path()

    @cached_property
    def commands(self) -> tuple[Words, ...]:
        """Every command of the scripts."""
        return tuple(c for file, text in self.scripts.items() for c in shell_commands(file, text))

    @property
    def serving(self) -> Iterator[Container]:
        """The containers that may be DJLServing's."""
        return (one for one in self.containers if one.serves)

    def as_started(self) -> Iterator[Folder]:
        """Yield the folder as each of its containers configures it; the folder itself where none does."""
        for variables in dict.fromkeys(one.variables for one in self.serving) or [()]:
            yield replace(self, properties=merge(self.properties, variables, self.release))

    @cached_property
    def all_requests(self) -> tuple[Request, ...]:
        """Requests in JSON files and curl commands, but for those that another model of the store answers."""
        found = (*self.requests, *curl_requests(self.commands))
        return tuple(one for one in found if one.model in (None, self.model_name) or one.model not in self._beside)

    @cached_property
    def _beside(self) -> set[str]:
        """Names of the models in the folders beside this one."""
        try:
            others = [ModelFolder(one) for one in self.path.resolve().parent.iterdir()]
            return {one.name for one in others if one.properties_path.is_file() or one.handler_path.is_file()}
        except OSError:  # not ours to read
            return set()

    @cached_property
    def own(self) -> Handler | None:
        """The folder's own handler, if it is the one that serves."""
        return self.handler if self.handler and self.handler.file == self.own_file else None

    @property
    def on_cores(self) -> bool:
        """Whether the handler that serves may load a model on NeuronCores."""
        return self.built_in or (self.own is not None and self.own.may_use_cores)

    def default(self, name: str) -> str | None:
        """What the reader of an unset option takes: what the handler's code says, else the catalog's."""
        if self.own is None:
            return super().default(name)
        found = [read for read in self.own.options[0] if read.key == name and read.default is not None]
        return str(found[0].default) if found else None

    @property
    def copies(self) -> int:
        """Workers, each with a copy of the model: groups of cores of the devices that a script passes, or of all."""
        seen = [len(run.visible(self.instance.chips)) for run in self.containers]
        passed = [count for count in seen if count]
        return self.copies_on(max(passed, default=self.instance.chips))

    def copies_on(self, devices: int) -> int:
        """Return the workers that a server starts on so many Neuron devices."""
        degree = self.degree or 1
        return len(core_groups(devices * self.instance.cores_per_chip, degree)) if degree > 0 else 0

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
        return catalog.planned(self.meant) if self.meant else None

    @property
    def meant(self) -> str | None:
        """The model's name: the code's own word counts where it does not ask the file."""
        if self.own and self.own.models and not self.own.reads("model_id"):
            return self.own.models[0][0]
        return super().meant

    @cached_property
    def reading(self) -> Reading:
        """How the handler that serves reads the checkpoint."""
        return reading_of(self, self.own.tree if self.own else None)

    @property
    def read_bytes(self) -> int | None:
        """Bytes of the model as its handler reads the checkpoint."""
        return catalog.parameters_of(self.dims) * dtype_bytes(self.reading.dtype) if self.dims else None


def read_folder(path: Path, aim: Aim, also: Iterable[Path] = ()) -> Folder:
    """Return the folder at `path`, with the scripts and requests in `also`; raises FolderError, SettingsError."""
    profile, instance = catalog.profile(aim.profile), catalog.instance(aim.instance)
    path = Path(path)
    if not os.path.isdir(path):
        raise FolderError(path, NO_FOLDER)
    try:
        files = sorted(entry for entry in path.iterdir() if entry.is_file())
    except OSError as error:
        raise FolderError(path, f"cannot be read ({error.strerror})") from error
    names = frozenset(file.name for file in files)
    name = paths.real(path).name
    code = default_handler(name, names)
    if FILE_NAME not in names and code is None:
        raise FolderError(path, f"has neither {FILE_NAME} nor model.py: nothing says what to serve")
    own = (f for f in files if f.suffix == ".sh" or f.name == "request.json" or _COMPOSE.fullmatch(f.name))
    others = [*own, *map(Path, also)]
    texts = {_shown(file, path): _read(file) for file in others}
    started = {_shown(f, path): containers_in(_shown(f, path), texts[_shown(f, path)], f.parent) for f in others}
    scripts = {n: t for n, t in texts.items() if not n.endswith(_NO_SCRIPTS)}
    containers = tuple(container for found in started.values() for container in found)
    launches = _launches(containers, scripts)
    text = _read(path / _SERVERS, "latin-1") if _SERVERS in names else ""
    own_server = parse_properties(text, _SERVERS)
    return Folder(
        path=path,
        name=name,
        profile=profile,
        instance=instance,
        properties=parse_properties(_read(path / FILE_NAME, "latin-1")) if FILE_NAME in names else Properties(),
        handler=parse_handler(code, _read(path / code), profile.python) if code else None,
        files=names,
        scripts=scripts,
        containers=tuple(
            one for one in containers if one not in [launch.container for launch in launches if launch.other]
        ),
        launches=launches,
        requests=tuple(Request(n, 1, read_json(t)) for n, t in texts.items() if n.endswith(".json") and not started[n]),
        server=next((parse_properties(t, n) for n, t in texts.items() if n.endswith(".properties")), own_server),
        requirements=tuple(_read(path / "requirements.txt").splitlines()) if "requirements.txt" in names else (),
        config=read_config(path / "config.json") if "config.json" in names else None,
    )


def read_launches(files: Iterable[Path], aim: Aim) -> Folder | None:
    """Return what files start that need no model folder, None where they start nothing; raises as `read_folder`."""
    texts = {file: _read(file) for file in files if file.suffix in _STARTERS and os.path.isfile(file)}
    containers = [one for file, text in texts.items() for one in containers_in(file.name, text, file.parent)]
    found = _launches(containers, {file.name: text for file, text in texts.items() if file.suffix == ".sh"})
    if not found:
        return None
    profile, instance = catalog.profile(aim.profile), catalog.instance(aim.instance)
    return Folder("", profile, instance, Properties(), frozenset(), launches=found)


def _launches(containers: Iterable[Container], scripts: Mapping[str, str]) -> tuple[Launch, ...]:
    commands = (one for file, text in scripts.items() for one in shell_commands(file, text))
    return tuple(launches_in(containers, commands))


def _shown(file: Path, folder: Path) -> str:
    return file.name if file.parent == folder else str(file)


def _read(file: Path, encoding: str = "utf-8") -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_MAX_BYTES).decode(encoding, errors="replace")
    except OSError as error:
        raise FolderError(file, f"cannot be read ({error.strerror})") from error
