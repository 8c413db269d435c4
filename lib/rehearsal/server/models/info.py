"""One registered model: what its folder and the environment say about it, as DJLServing 0.25 reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.server.config import MODEL_LOADING_TIMEOUT_S, PREDICT_TIMEOUT_S, ServerConfig
from rehearsal.server.errors import ApiError, ModelLoadError
from rehearsal.server.java import concurrent_order, hash_order, parse_boolean, parse_int
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.devices import Device, default_max_workers, device_names
from rehearsal.server.models.handler import fetched_handler
from rehearsal.server.properties import load_properties
from rehearsal.server.uris import no_folder, read_uri

PENDING, READY, FAILED = "PENDING", "READY", "FAILED"
ENGINES = ("Python", "MPI", "DeepSpeed")  # all three are DJL's Python worker
ARCHIVES = (".zip", ".mar", ".tar", ".tar.gz", ".tgz", ".tar.z")
NAME_ENDS = (".tar.z", ".tgz", ".zip", ".tar", ".mar", ".gz", ".z")  # that a name loses
FILE_NAME = "serving.properties"


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


@dataclass(eq=False)
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
    predict_timeout_s: int = field(init=False, default=PREDICT_TIMEOUT_S)  # for a request
    loading_timeout_s: int = field(init=False, default=MODEL_LOADING_TIMEOUT_S)  # for the init call
    status: str = PENDING
    properties: dict[str, str] = field(default_factory=dict)  # keys of serving.properties, options included
    arguments: dict[str, str] = field(default_factory=dict)  # those without `option.`
    options: dict[str, str] = field(default_factory=dict)  # those after `option.`, without the prefix
    engine: str = "Python"
    entry_points: dict[Device, str] = field(default_factory=dict)  # what the worker imports, once loaded on a device
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
        config, asked = self.config, self.registration
        self.properties = load_properties(self.folder / FILE_NAME)
        self.job_queue_size = self._setting(asked.job_queue_size, "job_queue_size", config.job_queue_size)
        self.batch_size = self._setting(asked.batch_size, "batch_size", config.batch_size)
        self.max_batch_delay_ms = self._setting(asked.max_batch_delay_ms, "max_batch_delay", config.max_batch_delay_ms)
        self.max_idle_time_s = self._setting(asked.max_idle_time_s, "max_idle_time", config.max_idle_time_s)
        stated = self.properties.get("load_on_devices", config.load_on_devices)
        self.load_on_devices = stated if asked.devices is None else asked.devices
        named = _first(asked.engine, self.properties.get("engine"))
        self.engine = self._infer_engine() if named is None else named
        self._read_variables()
        log.info("ModelInfo", self._settings_text())
        self._find_weights(log)
        self._take(self.properties)
        if self.engine not in ENGINES:
            raise ModelLoadError("IllegalArgumentException", f"Deep learning engine not found: {self.engine}")
        self.predict_timeout_s = self._seconds("predict_timeout", PREDICT_TIMEOUT_S)
        self.loading_timeout_s = self._seconds("model_loading_timeout", MODEL_LOADING_TIMEOUT_S)

    def load(self, device: Device) -> None:
        """What is read once for each device, before a worker starts. Raises ApiError or ModelLoadError."""
        # The file is read a second time, now as UTF-8; what the first reading found stays.
        self._take(load_properties(self.folder / FILE_NAME, as_utf8=True))
        self.entry_points[device] = self._entry_point(device)
        if parse_boolean(self.options.get("mpi_mode", str(self.engine != "Python"))):
            if self.degree == 0:  # all GPUs, of which there are none
                raise ModelLoadError("ArithmeticException", "/ by zero")
            text = f"GPU devices are not enough to run {self.degree} partitions."
            raise ModelLoadError("EngineException", text)

    def _read_variables(self) -> None:
        for key, value in self.config.environ.items():
            if key.startswith("OPTION_") and value:
                option = key[7:].lower()
                self.properties.setdefault(f"option.{'entryPoint' if option == 'entrypoint' else option}", value)

    def _find_weights(self, log: ServerLog) -> None:
        """What the original downloads before it loads a model. Raises ApiError: here nothing is, and of two none."""
        named = [text for key in ("s3url", "model_id") if (text := self.properties.get(f"option.{key}")) is not None]
        if len(named) > 1:
            text = "model_id and s3url could not both set!"
            raise ModelLoadError("MalformedModelException", text, status=400)
        for url in named:
            if url.startswith("s3://"):
                log.info("ModelInfo", f"S3 url found, start downloading from {url}")
                log.warn("Rehearsal", f"{self.name}: S3 is not read here; name the weights by their name on the hub")
                raise ModelLoadError("EngineException", "Download model failed.")
            if url.startswith("djl://"):
                raise no_folder(read_uri(url))

    def _take(self, properties: Mapping[str, str]) -> None:
        """Sorts keys into options and others; what is there stays."""
        for key in hash_order(concurrent_order(properties)):
            where, name = (self.options, key[7:]) if key.startswith("option.") else (self.arguments, key)
            where.setdefault(name, properties[key])

    @property
    def cores_wanted(self) -> int:
        """The degree by which a model is spread over the devices; `max` is all cores. Raises ApiError."""
        text = self.options.get("tensor_parallel_degree", self.config.environ.get("TENSOR_PARALLEL_DEGREE", "0"))
        return self._degree(text)

    @property
    def degree(self) -> int:
        """The tensor parallel degree of a worker; 0: none, or `max` without cores. Raises ApiError."""
        stated = self._degree(self.options.get("tensor_parallel_degree", "0"))
        return stated or self._degree(self.config.environ.get("TENSOR_PARALLEL_DEGREE", "0"))

    def _degree(self, text: str) -> int:
        return self.config.neuron_cores if text == "max" else parse_int(text)

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
        """The names of the devices that the model is loaded on. Raises ApiError."""
        degree = self.cores_wanted if self.load_on_devices == "*" else 0
        return device_names(self.load_on_devices, self.config.neuron_cores, degree)

    def worker_range(self, device: Device) -> tuple[int, int]:
        """The least and most workers on a device: the most that was stated cuts the least. Raises ApiError."""
        asked = self.registration
        low = min(asked.min_workers, asked.max_workers)  # who registers must say both
        low = low if low >= 0 else self._workers(device, "minWorkers", 1)
        high = asked.max_workers if asked.max_workers >= 0 else self._workers(device, "maxWorkers", -1)
        if high <= 0 and asked.max_workers < 0:
            high = default_max_workers(device, self.config.environ)
        return min(low, high), high

    def _workers(self, device: Device, key: str, default: int) -> int:
        known = self.model_properties
        text = known.get(f"{device.kind}.{key}", known.get(key))
        return default if text is None else parse_int(text)

    def gives_up_after(self, failures: int) -> bool:
        """Whether these are more failures than the model, or else the environment, allows; a bad number allows none."""
        stated = self.model_properties.get("retry_threshold")
        threshold = _int(_first(stated, self.config.environ.get("SERVING_RETRY_THRESHOLD")), 10, bad=0)
        return failures > threshold

    @property
    def model_properties(self) -> dict[str, str]:
        """What DJL's model knows: options are stronger than plain keys."""
        gathers = {"batchifier": "stack"} if self.batch_size > 1 else {}
        return self.arguments | gathers | {key: value for key, value in self.options.items() if key != "env"}

    def _entry_point(self, device: Device) -> str:
        """The module that the worker imports. Raises ModelLoadError when there is none."""
        options = self.options
        named = _first(options.get("entryPoint"), self.config.environ.get("DJL_ENTRY_POINT"))
        if options.get("entryPoint", "").lower().startswith("http"):
            return str(fetched_handler(options["entryPoint"], self.config.environ))
        if named is not None:
            return named
        stem = options.get("modelName", self.folder.name)
        candidates = [stem] if stem.endswith(".py") else [stem, "model.py"]
        for candidate in candidates:
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
        """What the init call carries: options, plain keys, in the order in which Java's maps hand them on."""
        known, options = self.model_properties, [key for key in _handed_on(self.options) if key != "env"]
        first = [key for key in _handed_on(known) if key not in self.options or key in self.arguments]
        if self.degree > 0:
            if "maxWorkers" not in known and "gpu.maxWorkers" not in known:
                known |= {"gpu.minWorkers": "1", "gpu.maxWorkers": "1"}
            known["tensor_parallel_degree"] = str(self.degree)
        sent = {"handler": "handle"} | known
        order = concurrent_order([*options, *concurrent_order([*first, *options, *known]), "handler"])
        return {key: sent[key] for key in order}

    def _seconds(self, option: str, default: int) -> int:
        """A timeout: the option, else (as for 0) the variable of its name, else the default; a bad value is ignored."""
        return _int(self.options.get(option), 0) or _int(self.config.environ.get(option.upper()), default)

    def number(self, key: str, default: int) -> int:
        """A plain number of serving.properties. Raises ApiError for one that is none."""
        text = self.properties.get(key)
        return default if text is None else parse_int(text)

    def _setting(self, asked: int, key: str, default: int) -> int:
        return asked if asked > 0 else self.number(key, default)

    def _infer_engine(self) -> str:
        stem = self.properties.get("option.modelName", self.folder.name)
        files = any((self.folder / name).is_file() for name in ("model.py", f"{stem}.py", "config.json"))
        if files or (self.folder / "MAR-INF").is_dir() or "option.model_id" in self.properties:
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
            "option.entryPoint": self.properties.get("option.entryPoint", "null"),
        }
        rest = [key for key in concurrent_order(self.properties) if key not in shown]
        lines = [f"\t{key}: {value}" for key, value in shown.items()]
        return "\n".join(
            ["Apply per model settings:", *lines, *(f"\t{k}: {self.config.shown(k, self.properties[k])}" for k in rest)]
        )


def _first(*texts: str | None) -> str | None:
    """The first text that is there, be it empty."""
    return next((text for text in texts if text is not None), None)


def _int(text: str | None, default: int, *, bad: int | None = None) -> int:
    """A number, or what counts where there is none, or a bad one."""
    try:
        return default if text is None else parse_int(text)
    except ApiError:
        return default if bad is None else bad


def _handed_on(keys: Iterable[str]) -> list[str]:
    """The order of keys that one concurrent map took over from another."""
    return concurrent_order(concurrent_order(keys), at_once=True)


def folder_of(url: str) -> Path:
    """The folder behind a `file:` URL or a path. Raises what DJLServing answers to a URL that leads to none."""
    uri = read_uri(url)
    if uri.scheme not in (None, "file"):
        raise no_folder(uri)
    if "\0" in uri.path:
        raise ApiError(500, "InvalidPathException", f"Nul character not allowed: {uri.path}")
    path = Path(uri.path)
    if url and path.is_dir():
        return path.absolute()
    if path.is_file() and not path.name.lower().endswith(ARCHIVES):
        raise ApiError.no_model(f"Failed to detect engine of the model: {path}")
    raise ApiError.no_model(f"Invalid model url: {url}")


def nested_folder(folder: Path) -> Path:
    """The folder, or the only folder inside it when it holds nothing else that is not hidden."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if len(inside) == 1 and inside[0].is_dir():
        return inside[0]
    return folder


def model_name(url: str) -> str:
    """The name that a model gets from its URL: the folder's, with `_` for all but letters, digits and `_`."""
    path = read_uri(url).path
    is_folder = path.endswith("/")
    name = path.removesuffix("/").rsplit("/", 1)[-1]
    if not is_folder:
        name = _name_part(name)
    return re.sub(r"\W|^_", "_", name, flags=re.ASCII)


def _name_part(name: str) -> str:
    if name.lower().endswith(".tar.gz"):  # the only one in capitals, too
        return name[:-7]
    return next((name.removesuffix(end) for end in NAME_ENDS if name.endswith(end)), name)
