"""What the server was told: SERVING_* variables, then DJLServing's own flags, then config.properties, then defaults.

--host and --port are the rehearsal's own, and win over all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rehearsal.server.environment import without_secrets
from rehearsal.server.errors import ApiError, SetupError
from rehearsal.server.java import parse_boolean, parse_int
from rehearsal.server.properties import load_properties
from rehearsal.server.switches import Switch

DEFAULT_ADDRESS = "http://127.0.0.1:8080"
PREDICT_TIMEOUT_S, MODEL_LOADING_TIMEOUT_S = 120, 240  # DJLServing 0.25's, where neither model nor environment says
KNOWN_KEYS = {
    "inference_address",
    "management_address",
    "model_store",
    "load_models",
    "job_queue_size",
    "batch_size",
    "max_batch_delay",
    "max_idle_time",
    "load_on_devices",
    "wait_model_loading",
    "allow_multi_status",
    "reserved_memory_mb",
    "max_request_size",
    "cors_allowed_origin",
    "cors_allowed_methods",
    "cors_allowed_headers",
    "chunked_read_timeout",
    "number_of_netty_threads",
}
VARIABLES_ONLY = {"retry_threshold"}  # read where a model needs it; a line of config.properties does nothing


@dataclass(frozen=True)
class Address:
    """Where one of the two APIs listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"http://{self.host}:{self.port}"


@dataclass(frozen=True)
class ServerConfig:
    """Everything that decides how the server behaves; times in the units that the names say."""

    inference: Address
    management: Address
    model_store: Path | None = None
    load_models: str | None = None  # as it was told
    job_queue_size: int = 1000
    batch_size: int = 1
    max_batch_delay_ms: int = 100
    max_idle_time_s: int = 60
    load_on_devices: str = "*"
    wait_model_loading: bool = True
    allow_multi_status: bool = False
    reserved_memory_mb: int = 500
    max_request_size: int = 64 * 1024 * 1024
    cors: tuple[tuple[str, str], ...] = ()
    chunked_read_timeout_s: int = 60
    connection_fault: str = ""  # why every connection is dropped
    djl_version: str = "0.25.0"
    original: frozenset[Switch] = frozenset()  # what is played as the original does it
    neuron_cores: int = 0
    worker_limit: int | None = None
    allow_any_url: bool = False
    log_dir: Path | None = None
    config_file: Path | None = None
    unknown_keys: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def shown(self, name: str, value: str) -> str:
        """A value as a log may show it."""
        return value if Switch.SECRETS_ARE_LOGGED in self.original else without_secrets(name, value)

    @property
    def single_port(self) -> bool:
        """Whether both APIs share one listener."""
        return self.inference == self.management


@dataclass(frozen=True)
class Flags:
    """The command line, as it was given; None where a flag was not."""

    model_store: Path | None = None
    host: str | None = None
    port: int | None = None
    models: tuple[str, ...] | None = None
    config_file: Path | None = None
    log_dir: Path | None = None
    djl_version: str = ServerConfig.djl_version
    original: frozenset[Switch] = frozenset()  # what is played as the original does it
    neuron_cores: int = 0
    worker_limit: int | None = None
    allow_any_url: bool = False


def load_config(flags: Flags, environ: Mapping[str, str]) -> ServerConfig:
    """The settings that apply. Raises SetupError for a value that cannot be used."""
    path = _config_file(flags, environ)
    keys = _read(path) if path else {}
    if flags.model_store:
        keys["model_store"] = str(flags.model_store)
    if flags.models:
        keys["load_models"] = ",".join(flags.models)
    unknown = set(keys) - KNOWN_KEYS
    variables = {k[8:].lower(): v for k, v in environ.items() if k.startswith("SERVING_")}
    unknown |= set(variables) - KNOWN_KEYS - VARIABLES_ONLY
    keys |= variables
    read = _Reader(keys, str(path) if path else "SERVING_*")
    inference, management = _addresses(keys, flags)
    home = environ.get("MODEL_SERVER_HOME")
    store = Path(home or "", keys["model_store"]).absolute() if keys.get("model_store") else None
    usual = ServerConfig  # its defaults
    as_java = Switch.BAD_LIMIT_DROPS_CONNECTIONS in flags.original
    chunked, fault = read.late("chunked_read_timeout", usual.chunked_read_timeout_s, None, as_java=as_java)
    largest, too_small = read.late("max_request_size", usual.max_request_size, 0, as_java=as_java)
    if read.number("number_of_netty_threads", 0) < 0:
        text = f"number_of_netty_threads={keys['number_of_netty_threads']}: write 0 (the original's own) or more"
        raise SetupError(text, f"nThreads : {keys['number_of_netty_threads']} (expected: > 0)")
    cors = tuple(
        (f"access-control-allow-{name}", value)
        for name in ("origin", "methods", "headers")
        if (value := keys.get(f"cors_allowed_{name}"))
    )
    return ServerConfig(
        inference=inference,
        management=management,
        model_store=store,
        load_models=keys.get("load_models"),
        job_queue_size=read.number("job_queue_size", usual.job_queue_size),
        batch_size=read.number("batch_size", usual.batch_size),
        max_batch_delay_ms=read.number("max_batch_delay", usual.max_batch_delay_ms),
        max_idle_time_s=read.number("max_idle_time", usual.max_idle_time_s),
        load_on_devices=keys.get("load_on_devices", usual.load_on_devices),
        wait_model_loading=read.flag("wait_model_loading", usual.wait_model_loading),
        allow_multi_status=read.flag("allow_multi_status", usual.allow_multi_status),
        reserved_memory_mb=read.number("reserved_memory_mb", usual.reserved_memory_mb),
        max_request_size=largest,
        cors=cors,
        chunked_read_timeout_s=chunked,
        connection_fault=fault or too_small,
        djl_version=flags.djl_version,
        original=flags.original,
        neuron_cores=flags.neuron_cores,
        worker_limit=flags.worker_limit,
        allow_any_url=flags.allow_any_url,
        log_dir=flags.log_dir or (Path(home) / "logs" if home else None),
        config_file=path,
        unknown_keys=tuple(sorted(unknown)),
        environ=dict(environ),
    )


def _read(path: Path) -> dict[str, str]:
    try:
        return load_properties(path)
    except ApiError as error:
        text = f"{path}: a \\u is not followed by four hexadecimal digits; write \\\\u for a backslash and a u"
        raise SetupError(text, str(error.message)) from error


def _config_file(flags: Flags, environ: Mapping[str, str]) -> Path | None:
    if flags.config_file:
        if not flags.config_file.is_file():
            text = f"{flags.config_file}: no such configuration file (flag -f)"
            raise SetupError(text, f"Configuration file not found: {flags.config_file}")
        return flags.config_file.absolute()
    home = environ.get("MODEL_SERVER_HOME")
    if not home:
        return None
    if not Path(home).is_dir():
        text = f"MODEL_SERVER_HOME={home}: no such folder; create it or unset the variable"
        raise SetupError(text, f"Model server home not exist: {home}")
    candidates = (Path(home) / "conf" / "config.properties", Path(home) / "config.properties")
    return next((path for path in candidates if path.is_file()), None)


def _addresses(keys: Mapping[str, str], flags: Flags) -> tuple[Address, Address]:
    inference = _address("inference_address", keys.get("inference_address", DEFAULT_ADDRESS))
    management = _address("management_address", keys.get("management_address", DEFAULT_ADDRESS))
    if flags.host or flags.port is not None:
        shared = inference == management or "management_address" not in keys
        port = inference.port if flags.port is None else flags.port
        inference = Address(flags.host or inference.host, port)
        own = Address(flags.host or management.host, management.port)
        management = inference if shared else own
    return inference, management


def _address(key: str, text: str) -> Address:
    try:
        parts = urlsplit(text)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError("only http://HOST:PORT is served here")
        return Address(parts.hostname, parts.port or 80)
    except ValueError as error:
        sentence = f"{key}={text}: {error}; write for example {DEFAULT_ADDRESS}"
        raise SetupError(sentence, f"Invalid binding address: {text}") from error


class _Reader:
    """Typed look-ups that name the key and where it stood when a value is no number."""

    def __init__(self, keys: Mapping[str, str], source: str) -> None:
        self.keys, self.source = keys, source

    def number(self, key: str, default: int) -> int:
        try:
            return parse_int(self.keys.get(key, str(default)))
        except ApiError as error:
            text = f"{self.source}: {key}={self.keys[key]} is no whole number (default {default})"
            raise SetupError(text, str(error.message)) from None

    def late(self, key: str, default: int, least: int | None, *, as_java: bool) -> tuple[int, str]:
        """A number that the original first looks at for a connection, and how it fails then. Raises SetupError."""
        try:
            number = self.number(key, default)
        except SetupError as error:
            if not as_java or least is not None:
                raise
            return default, f"java.lang.NumberFormatException: {error.java}"
        if least is None or number >= least:
            return number, ""
        if not as_java:
            raise SetupError(f"{self.source}: {key}={number} is below {least} (default {default})")
        return number, f"java.lang.IllegalArgumentException: maxContentLength : {number} (expected: >= {least})"

    def flag(self, key: str, default: bool) -> bool:
        return parse_boolean(self.keys.get(key, str(default)))
