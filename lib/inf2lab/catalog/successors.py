"""Where a folder goes when its stack has ended: targets, images, flags, and a verdict for each key and field."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from inf2lab.catalog import rows
from inf2lab.catalog.facts import Version, latest, parse_version
from inf2lab.catalog.lookups import instances
from inf2lab.errors import SettingsError
from neuron_rules import ModelDims

_SAID = {"changed": "meaning changes", "built in": "not needed", "none": "no successor", "dropped": "silently dropped"}


class Verdict(StrEnum):
    """What becomes of something that is in use."""

    KEPT = "kept"
    RENAMED = "renamed"
    CHANGED = "changed"
    BUILT_IN = "built in"  # the target does it unasked
    NONE = "none"
    DROPPED = "dropped"  # the target takes it, and says nothing

    @property
    def lost(self) -> bool:
        """Whether nothing of it is left on the target."""
        return self in (Verdict.NONE, Verdict.DROPPED)

    @property
    def said(self) -> str:
        """The verdict as a report says it."""
        return _SAID.get(self, self)


@dataclass(frozen=True)
class Ended:
    """Something of the old stack that ended, or began to, on a day."""

    date: str
    what: str


@dataclass(frozen=True)
class Successor:
    """One way on: `words` start its server in its image, `config_key` is where NxD Inference's settings
    stand, by whose rules heads and memory are split where `by_nxdi`."""

    name: str
    title: str
    by_nxdi: bool
    families: tuple[str, ...]
    image: str  # tag of the default one
    words: tuple[str, ...]
    config_key: str
    sage: str  # prefix of the variables that SageMaker gives it; empty: it reads none
    health: str
    why_image: str

    @property
    def on_neuron(self) -> bool:
        """Whether it runs on Neuron devices."""
        return "gpu" not in self.families


@dataclass(frozen=True)
class SuccessorHost:
    """An instance that successors run on; `cores` as a degree counts them, the price on demand, if one is known."""

    name: str
    family: str
    chips: int
    cores: int
    usd_per_hour: float | None
    source: str


@dataclass(frozen=True)
class SuccessorImage:
    """One image of a target; `repository` has no registry's address."""

    target: str
    repository: str
    tag: str
    vllm: str
    sdk: str
    families: tuple[str, ...]
    says: str

    @property
    def name(self) -> str:
        """The image as `docker run` takes it, without a registry's address."""
        return f"{self.repository}:{self.tag}"

    @property
    def version(self) -> Version:
        """vLLM's release, as numbers that compare."""
        return parse_version(self.vllm)


@dataclass(frozen=True)
class Flag:
    """A flag of vLLM that not every release has: from `since` on, before `until`."""

    name: str
    since: str = ""
    until: str = ""

    def known_in(self, release: Version) -> bool:
        """Whether that release has it."""
        begun = not self.since or parse_version(self.since) <= release
        return begun and (not self.until or release < parse_version(self.until))


@dataclass(frozen=True)
class OverrideNames:
    """The settings of NxD Inference that its code knows; of models with experts a few more."""

    neuron: tuple[str, ...]
    experts: tuple[str, ...]


@dataclass(frozen=True)
class Fate:
    """What becomes of keys, fields or files on some targets; `source` is a short name of `successor_sources`."""

    names: tuple[str, ...]
    targets: tuple[str, ...]
    verdict: str
    becomes: str
    says: str
    source: str
    sure: str

    @property
    def judged(self) -> Verdict:
        """The verdict as one of the six."""
        return Verdict(self.verdict)

    @property
    def rule(self) -> str:
        """`becomes` where a program can write it: a flag, a setting, an option or a variable; else empty."""
        return self.becomes if re.fullmatch(r"--[\w-]+|(?:override|option)\.\w+|\$\w+", self.becomes) else ""


@dataclass(frozen=True)
class Move:
    """Something that changes whether a folder says it or not."""

    what: str
    was: str
    targets: tuple[str, ...]
    becomes: str
    says: str
    source: str
    sure: str


@dataclass(frozen=True)
class Answers:
    """How DJL's handler wrote an answer: by transformers-neuronx's `sample`, or Hugging Face's `generate`."""

    route: Mapping[str, str]  # since which release
    top_k: int
    rolling_tokens: int  # that a rolling batch writes unless it is told otherwise
    chat: Mapping[str, float]  # what stands in for what a chat leaves unsaid

    def sampled_in(self, release: Version) -> bool:
        """Whether the built-in handler of that release samples unless it is told otherwise."""
        return latest(self.route, release) == "sample"


@dataclass(frozen=True)
class Support:
    """Whether a target's images serve models of some types, by a table, by code, or because somebody ran it."""

    types: tuple[str, ...]
    models: str
    target: str
    sdk: str
    verdict: str  # yes, no or unknown
    kind: str  # table, code or report
    says: str
    source: str
    date: str


@dataclass(frozen=True)
class Sizes:
    """A model that only successors serve, with Llama's layers."""

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    vocab: int
    max_positions: int


@dataclass(frozen=True)
class Ports:
    """Contributed ports by model type, with the accuracy that their authors measured."""

    rows: Mapping[str, str] = field(default_factory=dict)


def stack_history() -> tuple[Ended, ...]:
    """Return what ended of the old stack, oldest first."""
    return rows.read_rows(Ended, "successors", "ended")


def successors() -> Mapping[str, Successor]:
    """Return the targets by name."""
    return rows.read_table(Successor, "successors", "targets")


def successor(name: str) -> Successor:
    """Return a target by name; raises SettingsError."""
    return rows.find("to", name, successors())


def successor_images() -> tuple[SuccessorImage, ...]:
    """Return every image, oldest first for each target."""
    return rows.read_rows(SuccessorImage, "successors", "images")


def successor_image(target: Successor, tag: str = "") -> SuccessorImage:
    """Return a target's image: the default one, or that of a tag or a whole name; raises SettingsError."""
    wanted = tag.rsplit(":", 1)[-1] or target.image
    own = {one.tag: one for one in successor_images() if one.target == target.name}
    if wanted not in own:
        raise SettingsError("image", tag, f"is none of {target.name}'s; use one of {', '.join(own)}")
    return own[wanted]


@cache
def successor_hosts() -> Mapping[str, SuccessorHost]:
    """Return every instance that a successor may run on: those of the old stack, and later ones."""
    table = rows.read_file("instances")["source"]
    old = {
        one.name: SuccessorHost(one.name, one.family, one.chips, one.cores, one.usd_per_hour, table)
        for one in instances().values()
    }
    return MappingProxyType(old | dict(rows.read_table(SuccessorHost, "successors", "instances")))


def successor_host(name: str) -> SuccessorHost:
    """Return one of them; raises SettingsError with the known names."""
    return rows.find("on", name, successor_hosts())


def successor_flags() -> Mapping[str, Flag]:
    """Return the flags that not every release of vLLM has."""
    return rows.read_table(Flag, "successors", "flags")


def override_names() -> OverrideNames:
    """Return the settings that NxD Inference knows."""
    return rows.read_row(OverrideNames, "successors", "override_names")


def fates(kind: str) -> tuple[Fate, ...]:
    """Return the verdicts on `options`, `server_keys`, `things` or `request_fields`."""
    return rows.read_rows(Fate, "successor_requests" if kind == "request_fields" else "successor_keys", kind)


def fate(kind: str, name: str, target: str) -> Fate | None:
    """Return the verdict on one of them for a target; None where there is none."""
    return next((one for one in fates(kind) if name in one.names and target in one.targets), None)


def successor_sources() -> Mapping[str, str]:
    """Return what the short names of sources stand for."""
    return rows.read_file("successor_keys")["sources"]


@cache
def moves(target: str) -> tuple[Move, ...]:
    """Return what moves under a folder's feet on the way to a target."""
    return tuple(one for one in rows.read_rows(Move, "successor_moves", "moves") if target in one.targets)


def old_answers() -> Answers:
    """Return how DJL's handlers wrote their answers."""
    return rows.read_row(Answers, "successor_requests", "answers")


def model_support() -> tuple[Support, ...]:
    """Return all that is known of who serves which model."""
    return rows.read_rows(Support, "successor_models", "support")


def newer_model(name: str) -> ModelDims | None:
    """Return the sizes of a model that only successors serve; None where they are not listed."""
    found = rows.read_table(Sizes, "successor_models", "sizes").get(name)
    return ModelDims(architecture="llama", **asdict(found)) if found else None


def contributed_port(model_type: str) -> str:
    """Return what is known of a contributed port for models of a type; empty where there is none."""
    return rows.read_row(Ports, "successor_models", "ports").rows.get(model_type, "")
