"""Every 503 of this server: why no worker answers a request, now or any more."""

from __future__ import annotations

from rehearsal.server.errors import ApiError, WorkerLost, WorkerTimeout
from rehearsal.server.models.info import ModelInfo


def not_ready(model: ModelInfo) -> ApiError:
    """The model is still loading, or was given up."""
    return _refused(f"Model is not ready: {model}", "WlmException")


def not_ready_to_scale(name: str) -> ApiError:
    """As `not_ready`, for who wants other numbers of workers."""
    return _refused(f"Model or workflow is not ready: {name}", "ServiceUnavailableException")


def scaled_to_zero(model: ModelInfo) -> ApiError:
    """The model may have no worker."""
    return _refused(f"All model workers has been shutdown: {model}", "WlmShutdownException")


def queue_full(model: ModelInfo, detail: str) -> ApiError:
    """The queue takes no more; `detail` says which limit."""
    return _refused(f"Worker queue capacity exceeded for model: {model}{detail}", "WlmCapacityException")


def worker_ends() -> ApiError:
    """The worker was told to end, or its model is unregistered."""
    return _refused("Worker shutting down", "WlmException")


def worker_lost(error: WorkerLost, model: ModelInfo) -> WorkerLost:
    """The loss of a worker, as the client of its request is told of it."""
    why = " The worker is being replaced."
    if isinstance(error, WorkerTimeout):
        limit = f"{model.predict_timeout_s:g}"
        why = f": no answer in {limit} s (option.predict_timeout); the worker is being replaced."
    return WorkerLost(f"{error.message}{why}")


def rolls_no_item(model: ModelInfo, why: str) -> ApiError:
    """The handler does not speak the protocol of a rolling batch, which a line has switched on."""
    value = model.stated("rolling_batch")
    text = f"{why}. `rolling_batch={value}` is set, and DJLServing {model.config.djl_version} takes any value for on"
    cure = "take the line out of serving.properties, or answer with such items"
    return ApiError.translate(f"{text}: an instance leaves this request and all after it without an answer; {cure}")


def rolls_none(model: ModelInfo) -> ApiError:
    """The rolling batch has no place."""
    return ApiError.translate(
        f"Time out in: {model.predict_timeout_s:g}; max_rolling_batch_size={model.rolling_size} takes no request: "
        "set 1 or more"
    )


def _refused(message: str, java_type: str) -> ApiError:
    return ApiError(503, java_type, message)
