"""Everything that can go wrong here, in one tree.

RehearsalError
|- SetupError            the server cannot start: a bad flag, file or model store; nothing was started
|  `- WorkerPackageError  DJL's Python worker could not be fetched or is not the pinned one
|- CodecError            bytes on the worker's socket that are no message
`- ApiError              a request is refused or fails; becomes a JSON body in DJLServing's shape
   |- ModelLoadError     a model or one of its workers did not load
   `- WorkerLost         the worker died during a request
      `- WorkerTimeout   or was too slow
"""

from __future__ import annotations

from http import HTTPStatus

JAVA_PACKAGES = {
    "EngineException": "ai.djl.engine",
    "ModelNotFoundException": "ai.djl.repository.zoo",
    "TranslateException": "ai.djl.translate",
    "WlmCapacityException": "ai.djl.serving.wlm.util",
    "WlmException": "ai.djl.serving.wlm.util",
    "WlmOutOfMemoryException": "ai.djl.serving.wlm.util",
    "WlmShutdownException": "ai.djl.serving.wlm.util",
    "FileNotFoundException": "java.io",
    "MalformedInputException": "java.nio.charset",
    "MalformedModelException": "ai.djl",
    "IOException": "java.io",
    "ConnectException": "java.net",
    "MalformedURLException": "java.net",
    "UnknownHostException": "java.net",
}  # of the classes that a log names in full; all others are java.lang's
DISCONNECTED = "java.util.concurrent.ExecutionException: java.io.IOException: Python worker disconnected."
TIMED_OUT = "java.util.concurrent.TimeoutException"


class RehearsalError(Exception):
    """Base of all errors of the rehearsal server."""


class SetupError(RehearsalError):
    """The server cannot start as it was told to; `java` is what the original's log says of it."""

    def __init__(self, message: str, java: str | None = None) -> None:
        super().__init__(message)
        self.java = message if java is None else java


class WorkerPackageError(SetupError):
    """DJL's Python worker is missing, cannot be fetched, or differs from the pinned one."""


class CodecError(RehearsalError):
    """A message cannot be written to, or was not understood from, the worker's socket."""


class ApiError(RehearsalError):
    """An answer in the server's own error shape: `code`, `type` (a Java class name) and `message`."""

    def __init__(self, status: int, java_type: str, message: str | None, reason: str | None = None) -> None:
        super().__init__(status, java_type, message, reason)
        self.status = status
        self.java_type = java_type
        self.message = message
        self.reason = reason  # None: the standard phrase of the status

    def __str__(self) -> str:
        return f"{self.java_type}: {self.message}" if self.message is not None else self.java_type

    @property
    def causes(self) -> tuple[str, ...]:
        """The chain of exceptions as the log shows it, outermost first."""
        return (f"{JAVA_PACKAGES.get(self.java_type, 'java.lang')}.{self}",)

    @property
    def phrase(self) -> str:
        """The reason phrase of the status line, on one line."""
        if self.reason is None:
            return HTTPStatus(self.status).phrase
        return " ".join(self.reason.splitlines())

    @classmethod
    def bad_request(cls, message: str, *, status: int = 400, reason: str | None = None) -> ApiError:
        """400 (or 409), with the message also as reason phrase."""
        return cls(status, "BadRequestException", message, reason or message)

    @classmethod
    def no_resource(cls) -> ApiError:
        """404 for a path that is no route."""
        text = "Requested resource is not found, please refer to API document."
        return cls(404, "ResourceNotFoundException", text)

    @classmethod
    def no_method(cls) -> ApiError:
        """405 for a method that a route does not have."""
        text = "Requested method is not allowed, please refer to API document."
        return cls(405, "MethodNotAllowedException", text)

    @classmethod
    def no_model(cls, message: str) -> ApiError:
        """404 for a model that is not registered."""
        return cls(404, "ModelNotFoundException", message)

    @classmethod
    def number_format(cls, text: str) -> ApiError:
        """500 for a parameter that should be a number."""
        return cls(500, "NumberFormatException", f'For input string: "{text}"')

    @classmethod
    def illegal_argument(cls, message: str) -> ApiError:
        """500 for what Java refuses with an IllegalArgumentException."""
        return cls(500, "IllegalArgumentException", message)

    @classmethod
    def translate(cls, message: str | None) -> ApiError:
        """400 for a worker whose answer cannot be used."""
        return cls(400, "TranslateException", message)


class ModelLoadError(ApiError):
    """A model did not load. `report` is the handler's own traceback, where it left one."""

    def __init__(
        self, java_type: str, message: str | None, chain: tuple[str, ...] = (), report: str = "", *, status: int = 500
    ) -> None:
        ApiError.__init__(self, status, java_type, message)
        self.args = (java_type, message, chain, report)
        self.chain = chain
        self.report = report

    @property
    def causes(self) -> tuple[str, ...]:
        return self.chain or super().causes


class WorkerLost(ApiError):
    """The worker died; `unread` if it surely had not read the request to its end."""

    def __init__(self, message: str = DISCONNECTED, *, unread: bool = False) -> None:
        ApiError.__init__(self, 503, "WlmException", message)
        self.args = (message,)
        self.unread = unread


class WorkerTimeout(WorkerLost):
    """The worker did not answer in time."""

    def __init__(self, message: str = TIMED_OUT) -> None:
        WorkerLost.__init__(self, message)
