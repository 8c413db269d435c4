"""How the target's server is started: its words, its variables and its folders, from what the old folder says."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from inf2lab import catalog
from inf2lab.errors import FolderError
from inf2lab.folder import INSIDE_PORT, MODEL_STORE, Entry, is_secret
from inf2lab.migrate.keys import fate_of, handed_on
from inf2lab.migrate.state import State
from neuron_rules import NXDI_CORES_A_DEVICE

PATIENCE_BEGINS = (0, 12)  # VLLM_ENGINE_READY_TIMEOUT_S came after 0.11.0: vllm PR 27444 of 2025-10-24
DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
LMI_DTYPES = {"f32": "fp32", "f16": "fp16", "bf16": "bf16"}
ARTIFACTS, CACHE, MODEL = "/artifacts", "/cache", "/model"
INT8 = {"quantized": True, "quantization_dtype": "int8", "quantization_type": "per_channel_symmetric"}
_CORE = {"tensor_parallel_degree", "batch_size", "max_rolling_batch_size", "n_positions", "dtype", "model_id", "s3url"}
_CORE |= {"quantize", "load_in_8bit", "neuron_quant", "override_neuron_config"}


@dataclass(frozen=True)
class Mount:
    """A folder of the host, or of a volume, and where the server finds it."""

    name: str
    host: str
    inside: str
    read_only: bool = False

    @property
    def text(self) -> str:
        """As `docker run -v` takes it."""
        return f"{self.host}:{self.inside}" + (":ro" if self.read_only else "")


@dataclass(frozen=True)
class Launch:
    """`words` start the server, `arguments` are what the image's entry point is given of them."""

    words: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: dict[str, str | None]  # None: a secret, which who starts it has
    mounts: tuple[Mount, ...]
    devices: int  # of Neuron; 0 on a GPU
    properties: dict[str, str] = field(default_factory=dict)  # of LMI: it is started by a folder
    port: int = INSIDE_PORT


def launch(state: State) -> Launch:
    """Return how the target is started."""
    arguments = {"optimum": _optimum, "lmi-vllm": _none}.get(state.target.name, _vllm)(state)
    words = (*state.target.words, *arguments)
    whole = state.target.words[0] == "vllm"  # other images put the program in front themselves
    return Launch(
        words=words,
        arguments=words if whole else arguments,
        environment=dict(_environment(state, words)),
        mounts=tuple(_mounts(state)),
        devices=-(-state.degree // NXDI_CORES_A_DEVICE[state.family]) if state.target.on_neuron else 0,
        properties=_properties(state) if state.target.name == "lmi-vllm" else {},
    )


def _vllm(state: State) -> tuple[str, ...]:
    rows, dtype = str(state.rows), DTYPES[state.dtype]
    words = [_model(state), "--served-model-name", state.name, "--tensor-parallel-size", str(state.degree)]
    words += ["--max-num-seqs", rows, "--max-model-len", str(state.positions), "--dtype", dtype]
    settings = _settings(state)
    if state.forked:
        words += ["--device", "neuron"]
        words += ["--override-neuron-config", json.dumps(settings)] if settings else []
    elif state.target.config_key == "override_neuron_config":
        words += ["--no-enable-prefix-caching", "--num-gpu-blocks-override", rows]  # a block is a whole text
    if settings and not state.forked:
        words += ["--additional-config", json.dumps({state.target.config_key: settings})]
    return (*words, *_flags(state), "--port", str(INSIDE_PORT))


def _optimum(state: State) -> tuple[str, ...]:
    words = ["--model", _model(state), "--served_model_name", state.name]
    words += ["--tensor_parallel_size", str(state.degree), "--batch_size", str(state.rows)]
    return (*words, "--sequence_length", str(state.positions), "--allow_non_cached_model", *_flags(state))


def _none(state: State) -> tuple[str, ...]:
    return ()


def _properties(state: State) -> dict[str, str]:
    own = {
        "engine": "Python",
        "option.model_id": _source(state),
        "option.tensor_parallel_degree": "max",
        "option.max_rolling_batch_size": str(state.rows),
        "option.max_model_len": str(state.positions),
        "option.dtype": LMI_DTYPES[state.dtype],
    }
    kept = {rule: entry.value for entry, rule in _written(state) if rule.startswith("option.")}
    server = {}
    for entry in state.stated.properties.effective():
        fate = fate_of(state, entry)
        if fate and not entry.is_option and fate.judged == "kept":
            server[entry.key] = entry.value
    return own | kept | server


def _flags(state: State) -> Iterator[str]:
    for entry, rule in _written(state):
        if rule.startswith("--") and entry.value.lower() != "false":
            yield rule
            yield from () if entry.value.lower() == "true" else (entry.value,)


def _settings(state: State) -> dict[str, Any]:
    """NxD Inference's settings: those that stood in JSON already, and the options that became one."""
    settings = _given(state) if state.target.name == "vllm-nxdi" else {}
    if state.stated.in_8bit and state.target.name == "vllm-nxdi":
        settings |= INT8 | {"quantized_checkpoints_path": f"{ARTIFACTS}/quantized"}
    for entry, rule in _written(state):
        if rule.startswith("override."):
            kind = catalog.options().options[entry.name].kind
            settings[rule.removeprefix("override.")] = _value(entry.value, kind)
    return settings


def _given(state: State) -> dict[str, Any]:
    entry = state.stated.option("override_neuron_config")
    found = _value(entry.value, "text") if entry else {}
    if not isinstance(found, dict):
        where = f"{entry.file}:{entry.line}" if entry else ""
        raise FolderError(where, f'override_neuron_config={found}: write a JSON object, as in {{"fused_qkv": true}}')
    return dict(found)


def _written(state: State) -> Iterator[tuple[Entry, str]]:
    """The keys that a program can carry over, each with its rule."""
    for entry in state.stated.properties.effective():
        fate = fate_of(state, entry)
        if fate and fate.rule and entry.name not in _CORE:
            yield entry, fate.rule


def _value(text: str, kind: str) -> Any:
    if kind == "list":
        return [_value(part.strip(), "int") for part in text.split(",") if part.strip()]
    try:
        return json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except (ValueError, RecursionError):
        return text


def _model(state: State) -> str:
    return MODEL if state.weights else state.model_id


def _source(state: State) -> str:
    """The model as LMI takes it, which reads s3:// itself."""
    given = state.stated.option("s3url")
    named = given.value if given else state.model_id
    return named if named.startswith("s3://") else _model(state)


def _environment(state: State, words: tuple[str, ...]) -> Iterator[tuple[str, str | None]]:
    yield "HF_HOME", f"{CACHE}/huggingface"
    if state.target.name == "vllm-nxdi":
        # A found artefact wins over changed flags, so other flags look for another one.
        yield "NEURON_COMPILED_ARTIFACTS", f"{ARTIFACTS}/{hashlib.sha256(repr(words).encode()).hexdigest()[:12]}"
    if state.target.words[0] == "vllm" and state.image.version >= PATIENCE_BEGINS:
        yield "VLLM_ENGINE_READY_TIMEOUT_S", str(state.needs.loading_s)
    if state.target.name == "vllm-neuron":
        yield "NEURON_SKIP_EFA_AFFINITY", "1"
    if catalog.is_gated(state.model_id):
        yield "HF_TOKEN", None
    for one in handed_on(state):
        yield one.name, None if is_secret(one.name, one.value) or not one.known else one.value
    stated = state.stated.option("env") if state.target.on_neuron else None  # LMI still reads the option
    for name, equals, value in (pair.partition("=") for pair in stated.value.split(",")) if stated else ():
        if equals and name.strip():
            yield name.strip(), None if is_secret(name, value) else value.strip()


def _mounts(state: State) -> Iterator[Mount]:
    yield Mount("cache", "./cache", CACHE)
    if state.target.on_neuron:
        yield Mount("artifacts", "./artifacts", ARTIFACTS)
    else:
        yield Mount("folder", f"./{state.name}", MODEL_STORE, True)
    if state.weights and (state.target.on_neuron or _source(state) == MODEL):
        yield Mount("model", state.weights, MODEL, True)
