"""One registered model: what its folder and the environment say about it, as DJLServing 0.25 reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from rehearsal.server.config import MODEL_LOADING_TIMEOUT_S, PREDICT_TIMEOUT_S, ServerConfig
from rehearsal.server.errors import ApiError, ModelLoadError
from rehearsal.server.java import hash_order, parse_int
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.devices import Device, default_max_workers, device_names
from rehearsal.server.properties import load_properties

PENDING, READY, FAILED = "PENDING", "READY", "FAILED"
ENGINES = ("Python", "MPI", "DeepSpeed")  # all three are DJL's Python worker
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.z")


@dataclass(frozen=True)
class Registration:
    """What the command line, the store or a POST says about a model; None: ask serving.properties."""

    name: str
    url: str
    version: str | None = None
    engine: str | None = None
    devices: str | None = None
    job_queue_size: int = -1
    batch_size: int = -1
    max_batch_delay_ms: int = -1
    max_idle_time_s: int = -1
    min_workers: int = -1
    max_workers: int = -1
    at_startup: bool = False


@dataclass
class ModelInfo:
    """A registered model and its settings; `configure` must run before anything else is read."""

    registration: Registration
    config: ServerConfig
    folder: Path = field(init=False)
    job_queue_size: int = field(init=False, default=0)  # before `configure` as the original shows them
    batch_size: int = field(init=False, default=0)
    max_batch_delay_ms: int = field(init=False, default=0)
    max_idle_time_s: int = field(init=False, default=0)
    load_on_devices: str = field(init=False, default="*")
    predict_timeout_s: float = field(init=False, default=PREDICT_TIMEOUT_S)  # for a request
    loading_timeout_s: float = field(init=False, default=MODEL_LOADING_TIMEOUT_S)  # for the init call
    status: str = PENDING
    properties: dict[str, str] = field(default_factory=dict)  # keys of serving.properties, options included
    options: dict[str, str] = field(default_factory=dict)  # those after `option.`, without the prefix
    engine: str = "Python"
    degree: int = 0  # tensor parallel degree; 0: none, or `max`
    failures: int = 0  # workers that died or were too slow

    def __str__(self) -> str:
        version = f":{self.version}" if self.version else ""
        return f"{self.name}{version} ({self.status})"

    @property
    def name(self) -> str:
        return self.registration.name

    @property
    def version(self) -> str | None:
        return self.registration.version

    @property
    def url(self) -> str:
        return self.registration.url

    @property
    def label(self) -> str:
        """The name as it stands in worker log lines."""
        return self.name

    def configure(self, log: ServerLog) -> None:
        """Reads the folder. Raises ApiError or ModelLoadError for what DJLServing refuses to load."""
        self.folder = nested_folder(folder_of(self.url))
        environ, config, asked = self.config.environ, self.config, self.registration
        self.properties = load_properties(self.folder / "serving.properties")
        for key, value in environ.items():
            if key.startswith("OPTION_"):
                option = key[7:].lower()
                self.properties.setdefault(f"option.{'entryPoint' if option == 'entrypoint' else option}", value)
        if "TENSOR_PARALLEL_DEGREE" in environ:
            self.properties.setdefault("option.tensor_parallel_degree", environ["TENSOR_PARALLEL_DEGREE"])
        self.options = {k[7:]: v for k, v in self.properties.items() if k.startswith("option.")}
        self.engine = asked.engine or self.properties.get("engine") or self._infer_engine()
        self.job_queue_size = self._setting(asked.job_queue_size, "job_queue_size", config.job_queue_size)
        self.batch_size = self._setting(asked.batch_size, "batch_size", config.batch_size)
        self.max_batch_delay_ms = self._setting(asked.max_batch_delay_ms, "max_batch_delay", config.max_batch_delay_ms)
        self.max_idle_time_s = self._setting(asked.max_idle_time_s, "max_idle_time", config.max_idle_time_s)
        self.load_on_devices = asked.devices or self.properties.get("load_on_devices", config.load_on_devices)
        self.predict_timeout_s = self._seconds("predict_timeout", PREDICT_TIMEOUT_S)
        self.loading_timeout_s = self._seconds("model_loading_timeout", MODEL_LOADING_TIMEOUT_S)
        log.info("ModelInfo", self._settings_text())
        if self.engine not in ENGINES:
            raise ModelLoadError("IllegalArgumentException", f"Deep learning engine not found: {self.engine}")
        degree = self.options.get("tensor_parallel_degree", "0")
        # `max` means all GPUs of the machine; there is none here, and 0.25 then counts 0.
        self.degree = self.config.neuron_cores if degree == "max" else parse_int(degree)

    def stated(self, key: str) -> str | None:
        """What the engine finds under a key: the option, else the plain key."""
        return self.options.get(key, self.properties.get(key))

    @property
    def handler(self) -> str:
        """The function of the entry point that is called."""
        return self.options.get("handler", "handle")

    @property
    def rolls(self) -> bool:
        """Whether requests join and leave a running batch: for any value; `disable` is looked for from 0.27 on."""
        return self.stated("rolling_batch") is not None

    @property
    def rolling_size(self) -> int:
        """How many requests a rolling batch takes. Raises ApiError for a text that is no number."""
        text = self.stated("max_rolling_batch_size")
        return 32 if text is None else parse_int(text)

    @property
    def rolling_buffer(self) -> int:
        """How many texts of a rolling batch are sent together, after the first."""
        return abs(parse_int(self.config.environ.get("SERVING_ROLLING_BATCH_BUFFER", "4")))

    def devices(self) -> list[str]:
        """The names of the devices that the model is loaded on."""
        return device_names(self.load_on_devices, self.config.neuron_cores, self.degree)

    def worker_range(self, device: Device) -> tuple[int, int]:
        """The least and most workers on a device."""
        asked, kind = self.registration, device.kind

        def number(key: str, asked_for: int, default: int) -> int:
            if asked_for >= 0:
                return asked_for
            text = self.properties.get(f"{kind}.{key}", self.properties.get(key))
            return default if text is None else parse_int(text)

        low = number("minWorkers", asked.min_workers, 1)
        high = number("maxWorkers", asked.max_workers, default_max_workers(device, self.config.environ))
        return low, max(low, high) if asked.max_workers < 0 else high

    def entry_point(self, device: Device) -> str:
        """The module that the worker imports. Raises ModelLoadError when there is none."""
        options = self.options
        named = options.get("entryPoint") or self.config.environ.get("DJL_ENTRY_POINT")
        if named:
            return named
        for candidate in (f"{options.get('modelName', self.folder.name)}.py", "model.py"):
            if (self.folder / candidate).is_file():
                return candidate
        if self.engine == "DeepSpeed":
            return "djl_python.deepspeed"
        if device.kind == "nc" and self.degree > 0:
            return "djl_python.transformers_neuronx"
        if "model_id" in options:
            return "djl_python.huggingface"
        text = f".py file not found in: {self.folder}"
        raise ModelLoadError("FileNotFoundException", text)

    def init_properties(self) -> dict[str, str]:
        """What the init call carries: plain keys, options over them, in the order in which Java sends them."""
        sent = {k: v for k, v in self.options.items() if k != "env"}
        for key, value in self.properties.items():
            if not key.startswith("option."):
                sent.setdefault(key, value)
        sent.setdefault("handler", "handle")
        if self.degree > 0:
            sent |= {"gpu.minWorkers": "1", "gpu.maxWorkers": "1"}
        return {key: sent[key] for key in hash_order(sent)}

    def _seconds(self, option: str, default: float) -> float:
        """A timeout: the option, else the variable of its name, else the default; a bad value is ignored."""
        for text in (self.options.get(option), self.config.environ.get(option.upper())):
            if text is not None and text.strip().lstrip("-").isdigit():
                return float(text)
        return default

    def number(self, key: str, default: int) -> int:
        """A plain number of serving.properties. Raises ApiError for one that is none."""
        text = self.properties.get(key)
        return default if text is None else parse_int(text)

    def _setting(self, asked: int, key: str, default: int) -> int:
        return asked if asked > 0 else self.number(key, default)

    def _infer_engine(self) -> str:
        stem = self.options.get("modelName", self.folder.name)
        if any((self.folder / name).exists() for name in ("MAR-INF", "model.py", f"{stem}.py", "config.json")):
            return "Python"
        if "model_id" in self.options or (self.folder / "serving.properties").is_file():
            return "Python"
        raise ApiError.no_model(f"Failed to detect engine of the model: {self.folder}")

    def _settings_text(self) -> str:
        shown: Mapping[str, object] = {
            "job_queue_size": self.job_queue_size,
            "batch_size": self.batch_size,
            "max_batch_delay": self.max_batch_delay_ms,
            "max_idle_time": self.max_idle_time_s,
            "load_on_devices": self.load_on_devices,
            "engine": self.engine,
            "option.entryPoint": self.options.get("entryPoint", "null"),
        }
        rest = [key for key in hash_order(self.properties) if key not in shown]
        lines = [f"\t{key}: {value}" for key, value in shown.items()]
        return "\n".join(["Apply per model settings:", *lines, *(f"\t{k}: {self.properties[k]}" for k in rest)])


def folder_of(url: str) -> Path:
    """The folder behind a `file:` URL or a path. Raises the 404 that DJLServing answers with."""
    parts = _split(url)
    path = Path(unquote(parts.path)) if parts.scheme == "file" else Path(url)
    if not url or parts.scheme not in ("", "file") or parts.netloc or "\0" in str(path) or not path.is_dir():
        raise ApiError.no_model(f"Invalid model url: {url}")
    return path.absolute()


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # such as a bracket that is not closed
        raise ApiError.no_model(f"Invalid model url: {url}") from None


def nested_folder(folder: Path) -> Path:
    """The folder, or the only folder inside it when it holds nothing else."""
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir() and inside[0].name != "MAR-INF":
        return inside[0]
    return folder


def model_name(url: str) -> str:
    """The name that a model gets from its URL: the folder's, with `_` for all but letters, digits and `_`."""
    path = unquote(_split(url).path) or url
    is_folder = path.endswith("/")
    name = path.rstrip("/").rsplit("/", 1)[-1]
    if not is_folder:
        name = _name_part(name)
    return re.sub(r"\W|^_", "_", name, flags=re.ASCII)


def _name_part(name: str) -> str:
    for suffix in ARCHIVES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
