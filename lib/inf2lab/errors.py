"""What inf2lab raises, as one tree: a branch for each thing a caller would do differently.

LabError                 base; `str()` is one sentence with the value, the rule and the remedy
├── SettingsError        a parameter has an unknown name, a wrong type or a value no rule allows
├── FolderError          a model folder is missing, incomplete or unreadable
├── StandInError         the rehearsal has no small weights that can answer for the named model
├── ServerError          a server could not be started or is not there
│   ├── PortInUse        somebody else listens where the server should
│   ├── EngineError      Docker is not there, may not be used, or did not do what was asked
│   ├── LoadFailed       the server stopped while it loaded the model
│   └── NotReady         the server runs, but it did not open its port in time
├── MeasureError         a measurement lacks something: prompts, a tokenizer, a log
└── EndpointError        a request was not answered with 200
    └── EndpointDown     nothing listens at the endpoint's address
"""


class LabError(Exception):
    """Base of every error that a user of inf2lab can cause and mend."""


class SettingsError(LabError):
    """A parameter that cannot be used: `name`, the `value` found and why it is refused."""

    def __init__(self, name: str, value: object, reason: str) -> None:
        super().__init__(name, value, reason)
        self.name, self.value, self.reason = name, value, reason

    def __str__(self) -> str:
        return f"{self.name}={self.value!r}: {self.reason}"


class FolderError(LabError):
    """A model folder that cannot be served: `path` and what is wrong with it."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class StandInError(LabError):
    """No small weights of this architecture are at hand for the model called `model_id`."""

    def __init__(self, model_id: str, reason: str) -> None:
        super().__init__(model_id, reason)
        self.model_id, self.reason = model_id, reason

    def __str__(self) -> str:
        return f"{self.model_id}: {self.reason}"


class ServerError(LabError):
    """The server could not be started, found or stopped."""


class PortInUse(ServerError):
    """Another process listens on `port`; `owner` says which, where that could be found out."""

    def __init__(self, port: int, owner: str) -> None:
        super().__init__(port, owner)
        self.port, self.owner = port, owner

    def __str__(self) -> str:
        return (
            f"port {self.port} is taken by {self.owner}: stop it (`inf2lab stop` stops what the lab started), "
            f"or choose another port (`port = {self.port + 1}`)"
        )


class EngineError(ServerError):
    """Docker did not do `what`; `said` is its own reason in short, `remedy` what to do."""

    def __init__(self, what: str, said: str, remedy: str) -> None:
        super().__init__(what, said, remedy)
        self.what, self.said, self.remedy = what, said, remedy

    def __str__(self) -> str:
        return f"{self.what}: {self.said}; {self.remedy}"


class LoadFailed(ServerError):
    """The server ended before it opened its port; `cause` is the last error line of its log."""

    def __init__(self, model: str, cause: str, log: str) -> None:
        super().__init__(model, cause, log)
        self.model, self.cause, self.log = model, cause, log

    def __str__(self) -> str:
        return f"{self.model} did not load: {self.cause} (whole log: {self.log})"


class NotReady(ServerError):
    """The server's process runs, but its port stayed closed for `waited_s` seconds."""

    def __init__(self, model: str, waited_s: float, last_line: str) -> None:
        super().__init__(model, waited_s, last_line)
        self.model, self.waited_s, self.last_line = model, waited_s, last_line

    def __str__(self) -> str:
        return (
            f"{self.model} is not ready after {self.waited_s:.0f} s; last log line: {self.last_line!r}. "
            f"Wait again with `server.wait_ready()`, or look with `inf2lab logs`"
        )


class MeasureError(LabError):
    """A measurement that cannot be made, or whose data cannot be read."""


class EndpointError(LabError):
    """The endpoint answered with `status`; `body` is what it said."""

    def __init__(self, status: int, reason: str, body: str) -> None:
        super().__init__(status, reason, body)
        self.status, self.reason, self.body = status, reason, body

    def __str__(self) -> str:
        return f"the endpoint answered {self.status} {self.reason}: {self.body.strip()}"


class EndpointDown(EndpointError):
    """Nothing listens at `url`."""

    def __init__(self, url: str) -> None:
        super().__init__(0, "no answer", url)
        self.url = url
        self.args = (url,)

    def __str__(self) -> str:
        return f"nothing listens at {self.url}: start a server first (notebook 05, or `inf2lab serve models/opt13b`)"
