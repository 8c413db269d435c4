"""Whether a release of the stack can read a model: the model's configuration against what the image has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inf2lab.catalog.facts import ModelKind, Profile, parse_version
from inf2lab.catalog.lookups import kinds_of, library_modules, long_contexts, profiles

Config = Mapping[str, Any]
_LIBRARY = "transformers-neuronx"
_OPTIMUM = (0, 26)  # from here on optimum-neuron may load what the handler's own list lacks


@dataclass(frozen=True)
class Obstacle:
    """Why a profile does not serve a model: what is `said`, and the `remedy`.

    `loads`: it loads, and computes something else. `in_handler`: a handler of one's own is not held up.
    """

    said: str
    remedy: str
    loads: bool = False
    in_handler: bool = False

    @property
    def text(self) -> str:
        """Both in one sentence."""
        return f"{self.said}: {self.remedy}"


def obstacles(config: Config, profile: Profile) -> tuple[Obstacle, ...]:
    """Return what keeps a profile from serving a model with that configuration (`model_type` and what decides)."""
    kinds = kinds_of(config)
    nowhere = next((kind for kind in kinds if kind.runs_on), None)
    if nowhere:
        said = f"no generation of this stack serves `{nowhere.model_type}`"
        return (Obstacle(said, f"it runs today on {nowhere.runs_on}"),)
    handler = tuple(_of_handler(config, profile, listed=bool(kinds)))
    found = handler + tuple(_of_packages(kinds, profile))
    way = _way_out(config, profile) if found else ""
    return tuple(Obstacle(said, way, loads, in_handler) for said, loads, in_handler in found)


def _of_handler(config: Config, profile: Profile, *, listed: bool) -> Iterator[tuple[str, bool, bool]]:
    kind = config.get("model_type")
    if isinstance(kind, str) and kind not in profile.architectures:
        classes = ", ".join(profile.architectures)
        said = f"the built-in handler of {profile.djl} has no class for `{kind}`; it has {classes}"
        yield said, not listed and profile.version >= _OPTIMUM, True


def _of_packages(kinds: tuple[ModelKind, ...], profile: Profile) -> Iterator[tuple[str, bool, bool]]:
    for kind in kinds:
        for needs, loads in ((kind.packages, False), (kind.advised, True)):
            for package, least in needs.items():
                have = profile.packages.get(package)
                if have and parse_version(have) < parse_version(least):
                    what = kind.because or f"`{kind.model_type}`"
                    verb = "is computed right from" if loads else "is read from"
                    yield f"{what} {verb} {package} {least} on, and the image of {profile.djl} has {have}", loads, False


def _way_out(config: Config, profile: Profile) -> str:
    kinds = kinds_of(config)
    later = [p for p in profiles().values() if p.version > profile.version]
    for one in later:
        if not [*_of_handler(config, one, listed=True), *_of_packages(kinds, one)]:
            return f"take {one.name} or a later profile"
    return "choose a release that knows the family, or write a model.py"


def untried_context(positions: int, profile: Profile) -> str | None:
    """Return why so many positions are uncertain under a profile; None where the vendor names them, or shorter ones."""
    have = profile.packages[_LIBRARY]
    row = next((row for row in reversed(long_contexts()) if positions > row.above), None)
    if row is None or profile.library >= parse_version(row.since):
        return None
    way = f" with {row.option}" if row.option else ""
    return (
        f"{positions} positions are uncertain: the vendor names contexts above {row.above} from {_LIBRARY} {row.since} "
        f"on{way}, and {profile.djl} has {have}"
    )


def missing_from_library(module: str, name: str | None, profile: Profile) -> str | None:
    """Return why the profile's transformers-neuronx has no such module, or no such name in it.

    None where it has, and where nobody knows.
    """
    have, inner = profile.packages[_LIBRARY], f"{module}.{name}"
    if inner in library_modules():
        return _missing_module(inner, have)
    return _missing_module(module, have) or (_missing_name(module, name, have) if name else None)


def _missing_module(module: str, have: str) -> str | None:
    row = library_modules().get(module)
    if row:
        return _missing(f"module `{module}`", row.since, row.until, have)
    parent, _, last = module.rpartition(".")
    folder = any(name.startswith(f"{module}.") for name in library_modules())
    misspelt = parent in library_modules() and last.islower() and not folder  # else it may be a class
    return f"{_LIBRARY} {have} has no module `{module}`: no release has" if misspelt else None


def _missing_name(module: str, name: str, have: str) -> str | None:
    row = library_modules().get(module)
    if row is None or not row.names:
        return None
    if name in row.names:
        since, _, until = row.names[name].partition("-")
        return _missing(f"`{name}` in `{module}`", since, until, have)
    elsewhere = [other.name for other in library_modules().values() if name in other.names]
    where = " and ".join(sorted(elsewhere))
    return f"no release of {_LIBRARY} has `{name}` in `{module}`: it is in {where}" if elsewhere else None


def _missing(what: str, since: str, until: str, have: str) -> str | None:
    if parse_version(have) < parse_version(since):
        return f"{_LIBRARY} {have} has no {what}: it came with {since}"
    if until and parse_version(have) >= parse_version(until):
        return f"{_LIBRARY} {have} has no {what}: it went with {until}"
    return None
