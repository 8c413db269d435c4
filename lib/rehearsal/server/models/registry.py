"""The registered models, by name and version, and how they are registered, described, scaled and removed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rehearsal.server.config import ServerConfig
from rehearsal.server.errors import ApiError, ModelLoadError
from rehearsal.server.java import parse_boolean
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.devices import Device, parse_device
from rehearsal.server.models.info import FAILED, PENDING, READY, ModelInfo, Registration
from rehearsal.server.switches import Switch
from rehearsal.server.workers.factory import WorkerFactory
from rehearsal.server.workers.members import WorkerGroup
from rehearsal.server.workers.pool import WorkerPool

MEMINFO = Path("/proc/meminfo")


@dataclass(eq=False)
class Entry:
    """One version of one model, with its workers."""

    model: ModelInfo
    pool: WorkerPool

    @property
    def health(self) -> str:
        """What `/ping` and a description say: PENDING, FAILED, Healthy or Unhealthy."""
        if self.model.status != READY:
            return self.model.status
        return "Healthy" if self.pool.groups and self.pool.fully_scaled else "Unhealthy"


@dataclass
class Endpoint:
    """All versions of one model; unversioned requests go round them."""

    entries: list[Entry] = field(default_factory=list)
    default: Entry | None = None  # that has no version, until another is removed
    _turn: int = 0

    def get(self, version: str | None, *, rotate: bool) -> Entry | None:
        """The entry of a version; without one the first, or with `rotate` the next in turn."""
        if version is not None:
            return next(iter(self.named(version)), None)
        size = len(self.entries)
        if size == 1 or not rotate:
            return self.entries[0]
        turn, self._turn = self._turn % size, (self._turn + 1) % size
        return self.entries[turn]

    def named(self, version: str | None) -> list[Entry]:
        """The entry of a version, `default` being one; all entries without one."""
        if version == "default" and self.default is not None:
            return [self.default]
        return [entry for entry in self.entries if version in (None, entry.model.version)]


class Registry:
    """The models of one server."""

    def __init__(self, config: ServerConfig, factory: WorkerFactory, log: ServerLog) -> None:
        self._config, self._factory, self._log = config, factory, log
        self.endpoints: dict[str, Endpoint] = {}
        self.startup: set[str] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def find(self, name: str, version: str | None = None, *, rotate: bool = False) -> Entry | None:
        """The entry of a name and version, or None."""
        endpoint = self.endpoints.get(name)
        return endpoint.get(version, rotate=rotate) if endpoint else None

    def only_startup_model(self) -> str | None:
        """The name of the model that the server started with, if it was exactly one."""
        return next(iter(self.startup)) if len(self.startup) == 1 else None

    def add(self, registration: Registration) -> Entry:
        """Takes a name. Raises the 409 of a name and version that are taken."""
        name, version = registration.name, registration.version
        endpoint = self.endpoints.setdefault(name, Endpoint())
        if endpoint.named(version):
            text = f"Workflow {name}{f':{version}' if version is not None else ''} is already registered."
            raise ApiError.bad_request(text, status=409)
        model = ModelInfo(registration, self._config)
        entry = Entry(model, WorkerPool(model, self._factory, self._log))
        endpoint.entries.append(entry)
        endpoint.default = entry if version is None else endpoint.default
        if registration.at_startup:
            self.startup.add(name)
        return entry

    async def load(self, entry: Entry) -> None:
        """Reads the model's folder and starts its workers. Raises ApiError; `model.status` says how far it got."""
        model = entry.model
        try:
            model.configure(self._log)
            if (model.folder / "requirements.txt").is_file():
                self._log.warn(
                    "Rehearsal", f"{model.name}: requirements.txt is not installed here, unlike on an instance"
                )
            if parse_boolean(model.options.get("enable_venv", "")):
                self._log.warn("Rehearsal", f"{model.name}: no virtual environment is made here, unlike on an instance")
            names = model.devices()
            self._log.info("ModelManager", f"Loading model on {model.engine}:[{', '.join(names)}]")
            if not names:
                text = f"load_on_devices={model.load_on_devices} names no device"
                raise ModelLoadError("IllegalArgumentException", text)
            names = self._limit(names)
            for name in names:
                await self.load_on(entry, name)
        except ApiError:
            raise
        except Exception as error:  # a folder that cannot be read is no reason to end the server
            raise ApiError.illegal_argument(str(error)) from error
        finally:  # whatever ended it, it is not on its way any more
            if model.status == PENDING:
                model.status = FAILED

    def remove(self, name: str, version: str | None) -> bool:
        """Forgets a version (all, without one) and ends its workers in the background; False if unknown."""
        endpoint = self.endpoints.get(name)
        gone = endpoint.named(version) if endpoint else []
        if endpoint is None or not gone:
            return False
        endpoint.default = None
        self.startup.discard(name)
        for entry in gone:
            endpoint.entries.remove(entry)
            self._log.info("ModelManager", f"Unregistering model: {entry.model}")
            task = asyncio.get_running_loop().create_task(entry.pool.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        if not endpoint.entries:
            del self.endpoints[name]
        return True

    async def close(self) -> None:
        """Ends all workers."""
        pools = [entry.pool for endpoint in self.endpoints.values() for entry in endpoint.entries]
        await asyncio.gather(*(pool.close() for pool in pools), *self._closing, return_exceptions=True)

    async def load_on(self, entry: Entry, name: str, low: int = -1, high: int = -1) -> None:
        """Loads a model on one more device, and starts its workers there; limits below 0 are the model's own."""
        model, device = entry.model, parse_device(name)
        self._log.info("WorkerPool", f"loading model {model} on {device} ...")
        if device not in model.entry_points:
            self._check_memory(model, device)
            self._log.info("ModelInfo", f"Loading model {model.name} on {device}")
            await asyncio.to_thread(model.load, device)  # which may fetch a handler
            model.status = READY
        if model.job_queue_size <= 0:
            raise ModelLoadError("IllegalArgumentException", None)
        if model.batch_size < 0 and Switch.NEGATIVE_BATCH_ENDS_WORKERS not in self._config.original:
            raise ModelLoadError("IllegalArgumentException", f"Illegal Capacity: {model.batch_size} (batch_size)")
        await entry.pool.scale(device, low, high)

    def _limit(self, names: list[str]) -> list[str]:
        limit = self._config.worker_limit
        if limit is None or len(names) <= limit:
            return names
        text = f"--worker-limit {limit}: an instance would start {len(names)} workers, on {', '.join(names)}"
        self._log.warn("Rehearsal", f"{text}; started here: {', '.join(names[:limit])}")
        return names[:limit]

    def _check_memory(self, model: ModelInfo, device: Device) -> None:
        required = model.number("required_memory_mb", 0)
        reserved = model.number("reserved_memory_mb", self._config.reserved_memory_mb)
        _ = model.cores_wanted  # a number that is none is noticed here
        free = available_memory_mb()
        if free is None:
            return
        text = f"Available CPU memory: {free} MB, required: {required} MB, reserved: {reserved} MB"
        self._log.info("ModelInfo", text)
        if free - required < reserved:
            raise ModelLoadError("WlmOutOfMemoryException", "No enough memory to load the model.", status=507)
        if device.kind == "gpu":
            raise ModelLoadError("IllegalStateException", "No GPU device detected.")


def describe(entry: Entry, name: str, *, at_startup: bool) -> dict[str, object]:
    """A model as GET /models/{name} shows it."""
    model = entry.model
    workflow: dict[str, object] = {"workflowName": name}
    if model.version is not None:
        workflow["version"] = model.version
    workflow["models"] = [
        {
            "modelName": model.name,
            "modelUrl": model.url,
            "batchSize": model.batch_size,
            "maxBatchDelayMillis": model.max_batch_delay_ms,
            "maxIdleSeconds": model.max_idle_time_s,
            "queueSize": model.job_queue_size,
            "requestInQueue": entry.pool.queued,
            "status": entry.health,
            "loadedAtStartup": at_startup,
            "workerGroups": [_group(device, group) for device, group in entry.pool.groups.items()],
        }
    ]
    return workflow


def _group(device: Device, group: WorkerGroup) -> dict[str, object]:
    return {
        "device": {"deviceType": device.kind, "deviceId": device.number},
        "minWorkers": group.min_workers,
        "maxWorkers": group.max_workers,
        "workers": [
            {
                "id": worker.id,
                "startTime": datetime.fromtimestamp(worker.started, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
                "status": worker.shown_state,
            }
            for worker in group.workers
        ],
    }


def available_memory_mb() -> int | None:
    """Free memory as Linux estimates it; None elsewhere."""
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:")), None)
