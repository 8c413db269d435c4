"""Stand-in weights: an offline Hugging Face cache in which a large model's name leads to a small model.

The model folder says `option.model_id=facebook/opt-13b` in both lanes. Here that name resolves to
models/tiny-opt, whose configuration carries one more key, `rehearsal_stands_for`, with the named model's
dimensions: the rehearsal's device checks its rules against those and computes with the small weights.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from inf2lab import catalog, paths
from inf2lab.errors import StandInError
from neuron_rules import STANDS_FOR, ModelDims, architecture

WEIGHTS = {"opt": "tiny-opt"}  # architecture -> folder under models/


@dataclass(frozen=True)
class StandIn:
    """One prepared name: which small model answers for it, and where the cache holds it."""

    model_id: str
    played_by: str
    parameters: int
    snapshot: Path


def hub_home() -> Path:
    """Return the folder to give a worker as HF_HOME."""
    return paths.cache() / "stand-ins"


def worker_environment() -> dict[str, str]:
    """Return what makes a worker use the prepared cache and never a network."""
    return {"HF_HOME": str(hub_home()), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def prepare(model_id: str) -> StandIn:
    """Put `model_id` into the offline cache unless it is there already, and return it; raises StandInError."""
    source, named = _choose(model_id)
    config = json.loads((source / "config.json").read_text())
    if named:
        config[STANDS_FOR] = stands_for(named)
    files = sorted(f for f in source.iterdir() if f.is_file())
    revision = _revision(files, config)
    repository = hub_home() / "hub" / f"models--{model_id.replace('/', '--')}"
    snapshot = repository / "snapshots" / revision
    if not snapshot.is_dir():
        _write_snapshot(snapshot, files, config)
    _write_once(repository / "refs" / "main", revision)
    _write_once(
        hub_home() / "hub" / "version.txt", "1"
    )  # else transformers takes the cache for an old one and warns
    parameters = ModelDims.from_config(config).parameters
    return StandIn(model_id, source.name if named else model_id, parameters, snapshot)


def stands_for(dims: ModelDims) -> dict[str, object]:
    """Return the named model's dimensions in the keys of its own architecture's config.json."""
    keys = architecture(dims.architecture).keys
    sizes = {names[0]: getattr(dims, dimension) for dimension, names in keys.items()}
    return {"name": dims.name, **sizes}


def _choose(model_id: str) -> tuple[Path, ModelDims | None]:
    """Return the folder with the weights, and the named model's dimensions unless the model stands for itself."""
    own = paths.models() / model_id
    if (own / "config.json").is_file():
        return own, None
    if model_id not in catalog.models():
        known = ", ".join([*sorted(WEIGHTS.values()), *catalog.models()])
        raise StandInError(model_id, f"the rehearsal does not know this model; use one of {known}")
    named = catalog.model(model_id)
    if named.architecture not in WEIGHTS:
        reason = f"no small {named.family.title} weights ship with the rehearsal: use an OPT model"
        raise StandInError(model_id, reason)
    source = paths.models() / WEIGHTS[named.architecture]
    if not (source / "config.json").is_file():
        reason = f"models/{source.name} is incomplete: get it back with `git checkout models/{source.name}`"
        raise StandInError(model_id, reason)
    return source, named


def _revision(files: list[Path], config: dict[str, object]) -> str:
    """Return a digest of what the snapshot will hold, in place of a commit id."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for file in files:
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:40]


def _write_snapshot(snapshot: Path, files: list[Path], config: dict[str, object]) -> None:
    """Fill a snapshot beside its place and move it there, so that a killed run leaves no half-written model."""
    snapshot.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=snapshot.parent, prefix=".new-"))
    try:
        for file in files:
            shutil.copyfile(file, temporary / file.name)
        (temporary / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        os.replace(temporary, snapshot)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        if not snapshot.is_dir():  # else another run was first, and its snapshot is the same
            raise


def _write_once(path: Path, text: str) -> None:
    if path.is_file() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(text)
    os.replace(temporary, path)
