"""Asking the catalog: each function reads its data file once and answers with typed facts."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

from inf2lab.catalog import facts, rows
from inf2lab.errors import SettingsError
from neuron_rules import ModelDims, refused_variants

_RELEASE = re.compile(r"(?:djl-|lmi-|seed-)?(\d{1,6})\.(\d{1,6})(?:\.\d{1,6})*")
# What a model's name may carry beside the size: who published it, its format, how it was tuned.
_BESIDE = re.compile(r"^meta-|-(hf|chat|instruct|base|fp16|bf16|it|pt|split)(?=-|$)")
_RELEASED = re.compile(r"-?v\d+(\.\d+)?(?=-|$)")


def instances() -> Mapping[str, facts.Instance]:
    """Return every instance by name."""
    return rows.read_table(facts.Instance, "instances", "instances")


def instance(name: str) -> facts.Instance:
    """Return one instance; raises SettingsError with the known names."""
    return rows.find("instance", name, instances())


def topology(name: str) -> facts.Topology:
    """Return what is known of a topology by the name that an instance's row gives it; raises SettingsError."""
    return rows.find("topology", name, rows.read_table(facts.Topology, "instances", "topologies"))


def price_basis(name: str = facts.DEFAULT_PRICE_BASIS) -> facts.PriceBasis:
    """Return what a price of that basis counts, with its months and source; raises SettingsError."""
    return rows.find("price_basis", name, rows.read_table(facts.PriceBasis, "instances", "price_bases"))


def profiles() -> Mapping[str, facts.Profile]:
    """Return every profile by name."""
    return rows.read_table(facts.Profile, "profiles", "profiles")


def profile(name: str) -> facts.Profile:
    """Return one profile: `djl-0.26`, or any release of it as in `0.26.0`.

    Raises SettingsError with the known names, or with the reason why 0.35 and later have none.
    """
    table = profiles()
    if name in table:
        return table[name]
    for entry in table.values():
        if entry.version[:2] == _release(name):
            return entry
    if neuron_removed(name):
        reason = (
            f"DJLServing removed its Neuron code in {neuron_removed_in()}: "
            f"use one of {', '.join(table)}, or go on with `inf2lab migrate`"
        )
        raise SettingsError("profile", name, reason)
    return rows.find("profile", name, table)


def driver_facts() -> facts.DriverFacts:
    """Return which driver came with which SDK, and what goes with what."""
    return rows.read_row(facts.DriverFacts, "drivers")


def accepted_drivers(runtime: str) -> facts.DriverRange:
    """Return the drivers of a host that go with a container's runtime; raises SettingsError for an unknown runtime.

    An older driver than the one that shipped with it may do, but nobody says so.
    """
    table, asked = driver_facts(), facts.parse_version(runtime)
    shipped = [row.driver for row in table.releases.values() if facts.parse_version(row.runtime)[: len(asked)] == asked]
    if not shipped:
        known = ", ".join(dict.fromkeys(row.runtime for row in table.releases.values()))
        raise SettingsError("runtime", runtime, f"no release of the SDK has it; known are {known}")
    said = [row for row in table.refusals if row.concerns(asked)]
    floors = [row.drivers_below for row in said if row.drivers_below]
    ceilings = [row.drivers_from for row in said if row.drivers_from]
    least = max([min(shipped, key=facts.parse_version), *floors], key=facts.parse_version)
    before = max(floors, key=facts.parse_version, default="")
    below = min(ceilings, key=facts.parse_version, default="")
    return facts.DriverRange(runtime, least, below, before, "; ".join(row.source for row in said))


def release_in_tag(image: str) -> facts.DriverRelease | None:
    """Return the SDK that an image's tag names, as in sdk2.28.0; None where it names none, or one that is not known."""
    named = re.search(r"sdk(\d+\.\d+\.\d+)", image)
    return driver_facts().releases.get(named[1]) if named else None


def fitting_releases(accepted: facts.DriverRange) -> list[facts.DriverRelease]:
    """Return the SDKs whose driver is accepted, the best known first."""
    fit = (row for row in driver_facts().releases.values() if accepted.accepts(row.driver))
    return sorted(fit, key=driver_facts().rank, reverse=True)


def neuron_removed(name: str) -> bool:
    """Whether `name` is a release, however spelled, from which Neuron was removed."""
    return _release(name) >= facts.parse_version(neuron_removed_in())[:2]


def neuron_removed_in() -> str:
    """Return the first release of DJLServing without Neuron."""
    return rows.read_file("profiles")["neuron_removed_in"]


def default_profile() -> str:
    """Return the name of the profile that is used when none is chosen."""
    return rows.read_file("profiles")["default"]


def options() -> facts.OptionTable:
    """Return the table of options and keys of serving.properties."""
    return rows.read_row(facts.OptionTable, "options")


@cache
def model_entries() -> Mapping[str, facts.ModelEntry]:
    """Return every model with what is known beyond its dimensions, by public name."""
    table = rows.read_file("models")["models"]
    return MappingProxyType({name: _model_entry(name, row) for name, row in table.items()})


@cache
def models() -> Mapping[str, ModelDims]:
    """Return the dimensions of every model the catalog knows, by its public name."""
    return MappingProxyType({name: entry.dims for name, entry in model_entries().items()})


def model(name: str) -> ModelDims:
    """Return one model's dimensions; raises SettingsError with the known names."""
    return rows.find("model_id", name, models())


def parameters_of(dims: ModelDims) -> int:
    """Return the parameters of a model's checkpoint; for one that is not listed, embedding and output as one."""
    entry = model_entries().get(dims.name)
    return entry.parameters if entry and entry.dims == dims else dims.parameters


def is_gated(model_id: str) -> bool:
    """Whether the hub gives this model's weights only to who shows a token."""
    return model_id.partition("/")[0] in rows.read_row(facts.Gated, "models", "gated").owners


def is_unconverted(model_id: str) -> bool:
    """Whether the hub has this model in its maker's own files, which only the name with -hf has converted."""
    return re.fullmatch(rows.read_row(facts.NamePattern, "models", "unconverted").names, model_id) is not None


def find_model(name: str) -> facts.ModelEntry:
    """Return the model a person means by `name` (opt-13b, Llama-2-7b-chat-hf, a hub name); raises SettingsError."""
    entries = model_entries()
    if key := _named(name, entries):
        return entries[key]
    if reason := _not_planned(described(name) or {}):
        raise SettingsError("model", name, reason)
    close = difflib.get_close_matches(_short(name), [_short(key) for key in entries], 3)
    near = [key for key in entries if _short(key) in close]
    known = f"did you mean {' or '.join(near)}? if not," if near else f"known are {', '.join(entries)};"
    raise SettingsError("model", name, f"{known} use a folder with a config.json")


def other_models() -> Mapping[str, facts.OtherModel]:
    """Return the models that are asked for and not planned here, by public name."""
    return rows.read_table(facts.OtherModel, "models", "others")


def model_kinds() -> Mapping[str, facts.ModelKind]:
    """Return what each kind of model takes to be read, by the kind's name."""
    return rows.read_table(facts.ModelKind, "models", "kinds")


def kinds_of(config: Mapping[str, Any]) -> tuple[facts.ModelKind, ...]:
    """Return every kind that a model with that configuration is of; none where nobody has listed its type."""
    return tuple(kind for kind in model_kinds().values() if _matches(kind, config))


def planned(name: str) -> ModelDims | None:
    """Return the dimensions of the model that `name` means where they are listed, or None."""
    key = _named(name, model_entries())
    return models()[key] if key else None


def described(name: str) -> Mapping[str, Any] | None:
    """Return what is known of the configuration of the model that `name` means, or None.

    A model that is listed nowhere is guessed by its name, and `guessed` says so.
    """
    entries, others = model_entries(), other_models()
    if key := _named(name, entries):
        return entries[key].config
    if key := _named(name, others):
        return {"model_type": others[key].model_type, **others[key].variant}
    last = name.rstrip("/").rpartition("/")[2]
    packed = re.search(rows.read_row(facts.NamePattern, "models", "quantized").names, last, re.IGNORECASE)
    stored = {"quantization_config": {"quant_method": packed[1].lower()}} if packed else {}
    guesses = [kind for kind in model_kinds().values() if kind.names and re.search(kind.names, last, re.IGNORECASE)]
    return {**_config(guesses[-1]), **stored} if guesses else None


def library_modules() -> Mapping[str, facts.LibraryModule]:
    """Return every module of transformers-neuronx by its dotted name."""
    return rows.read_table(facts.LibraryModule, "library", "modules")


def long_contexts() -> tuple[facts.LongContext, ...]:
    """Return what the vendor says of long contexts, shortest first."""
    return rows.read_rows(facts.LongContext, "library", "contexts")


def packaged_weights() -> Mapping[str, facts.PackagedWeights]:
    """Return every model whose weights come in a package, by its name on the hub."""
    return rows.read_table(facts.PackagedWeights, "weights", "weights")


def find_packaged(name: str) -> facts.PackagedWeights | None:
    """Return the packaged weights that a person means by `name`: short name, or the hub's with or without owner."""
    for row in packaged_weights().values():
        if name.lower() in (row.short_name, row.model_id.lower(), row.model_id.rpartition("/")[2].lower()):
            return row
    return None


def latencies() -> tuple[facts.Latency, ...]:
    """Return every distinct measurement that was published, oldest release first."""
    return rows.read_rows(facts.Latency, "latencies", "rows")


def memory_cases() -> tuple[facts.MemoryCase, ...]:
    """Return every configuration whose fit somebody wrote down, in the order of the data file."""
    return rows.read_rows(facts.MemoryCase, "memory_cases", "cases")


def decode_model() -> Mapping[str, Any]:
    """Return coefficients, leave-one-family-out errors, ratios of older releases, and the range of the fitted rows."""
    return MappingProxyType(rows.read_file("decode_model"))


def loading_facts() -> facts.LoadingFacts:
    """Return how long to wait for a load and an answer, and the bounds of what a load's steps take."""
    return rows.read_row(facts.LoadingFacts, "loading")


def cloud_facts() -> facts.CloudFacts:
    """Return what launching takes: images, quotas, regions, prices of what is not the instance."""
    return rows.read_row(facts.CloudFacts, "cloud")


def permissions() -> facts.Permissions:
    """Return what the lab may do in an account, call by call."""
    return rows.read_row(facts.Permissions, "permissions")


def host_image(name: str | None = None) -> facts.HostImage:
    """Return one family of images, the default one without a name; raises SettingsError with the known names."""
    return rows.find("image", name or cloud_facts().default_image, cloud_facts().images)


def launch_quota(kind: str) -> facts.Quota:
    """Return the quota that `on-demand` or `spot` instances count against; raises SettingsError."""
    return rows.find("quota", kind, cloud_facts().quotas)


def public_rule_facts() -> facts.PublicRules:
    """Return the numbers in other people's rules for a degree."""
    return rows.read_row(facts.PublicRules, "public_rules", "rules")


def headroom() -> facts.Headroom:
    """Return how much of a fleet's capacity to leave unused."""
    return rows.read_row(facts.Headroom, "scale", "headroom")


def kubernetes_facts() -> facts.KubernetesFacts:
    """Return how a cluster names and shares out Neuron devices."""
    return rows.read_row(facts.KubernetesFacts, "scale", "kubernetes")


def kuberay_facts() -> facts.KubeRayFacts:
    """Return what KubeRay's operator asks of a RayService."""
    return rows.read_row(facts.KubeRayFacts, "scale", "kuberay")


def sagemaker_facts() -> facts.SageMakerFacts:
    """Return SageMaker's names and limits."""
    return rows.read_row(facts.SageMakerFacts, "scale", "sagemaker")


def claims() -> tuple[facts.Claim, ...]:
    """Return what is said of the chip and of AWS, in the order of the data file."""
    return rows.read_rows(facts.Claim, "claims", "rows")


@cache
def troubles() -> Mapping[str, facts.Trouble]:
    """Return what goes wrong on an instance, by id, component by component."""
    found = {}
    for name in rows.files_in("troubles"):
        data = rows.read_file(name)
        for place, row in enumerate(data["rows"]):
            where = f"{name}.rows.{place}"
            found[row["id"]] = rows.build(facts.Trouble, {"component": data["component"]} | row, where)
    return found


def trouble(name: str) -> facts.Trouble:
    """Return one row; raises SettingsError with the known ids."""
    return rows.find("trouble", name, troubles())


def recognise(text: str) -> facts.Trouble | None:
    """Return the first row that names the cause of a line in `text`, or None."""
    known = (row for row in troubles().values() if row.pattern and row.level == "cause")
    parts = ((row, (row.pattern, row.before)) for row in known)
    return next((row for row, both in parts if all(re.search(part, text, re.MULTILINE) for part in both)), None)


def _release(name: str) -> tuple[int, ...]:
    """Return the first two numbers of a release, however spelled; none where `name` is no release."""
    match = _RELEASE.fullmatch(name)
    return (int(match[1]), int(match[2])) if match else ()


def _named(name: str, table: Mapping[str, Any]) -> str | None:
    """Return the key that a person means: whole, without its owner, or by its short name where that is no other's."""
    for key in table:
        if name.lower() in (key.lower(), key.rpartition("/")[2].lower()):
            return key
    meant = [key for key in table if _short(key) == _short(name)]
    if not meant and not _RELEASED.search(name.lower()):  # without a release's number the first release is meant
        meant = [key for key in table if _RELEASED.sub("", _short(key)) == _short(name)][:1]
    alike = {_like(table[key]) for key in meant}
    return meant[0] if len(alike) == 1 else None


def _like(entry: facts.ModelEntry | facts.OtherModel) -> object:
    return replace(entry.dims, name="") if isinstance(entry, facts.ModelEntry) else entry.model_type


@lru_cache(4096)  # a linted folder asks for all known names some times
def _short(name: str) -> str:
    text = name.strip().rstrip("/").rpartition("/")[2].lower()
    while (shorter := _BESIDE.sub("", text)) != text:
        text = shorter
    return re.sub(r"-(?!v\d)|_", "", text)


def _matches(kind: facts.ModelKind, config: Mapping[str, Any]) -> bool:
    return kind.model_type == config.get("model_type") and all(
        _reach(config, key) == value for key, value in kind.when.items()
    )


def _reach(config: Any, key: str) -> Any:
    """Return a nested value; a key that is absent is no null."""
    for part in key.split("."):
        if not isinstance(config, Mapping) or part not in config:
            return _reach
        config = config[part]
    return config


def _config(kind: facts.ModelKind) -> Mapping[str, Any]:
    """Return the smallest configuration that is of that kind."""
    found: dict[str, Any] = {"model_type": kind.model_type, "guessed": True}
    for key, value in kind.when.items():
        place = found
        *outer, last = key.split(".")
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = value
    return found


def nowhere(config: Mapping[str, Any]) -> str:
    """Return where a model runs that no release of this stack serves; empty for one that some release may."""
    kind = next((kind for kind in kinds_of(config) if kind.runs_on), None)
    if kind is None:
        return ""
    return f"not on this stack: no release serves `{kind.model_type}`; it runs today on {kind.runs_on}"


def _not_planned(config: Mapping[str, Any]) -> str:
    if reason := nowhere(config):
        return reason
    if not config or ("guessed" in config and "quantization_config" not in config):
        return ""
    if refused := next(refused_variants(config), None):
        return f"not on this stack: {refused}"
    reading = [p.name for p in profiles().values() if config["model_type"] in p.architectures]
    return f"a `{config['model_type']}` whose sizes are not listed here (handlers from {reading[0]} on have a class)"


def _model_entry(name: str, row: Mapping[str, Any]) -> facts.ModelEntry:
    """Return an entry whose row says dimensions and the rest side by side."""
    config = {"model_type": row.get("model_type", row["architecture"])} | row.get("variant", {})
    own = {key: row[key] for key in ("parameters", "tied")} | {"config": config}
    dims = {"name": name} | {key: value for key, value in row.items() if key not in {*own, "model_type", "variant"}}
    return rows.build(facts.ModelEntry, own | {"dims": dims}, f"models.models.{name}")
