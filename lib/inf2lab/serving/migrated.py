"""What every server of a folder that `inf2lab migrate` wrote has in common, in whichever lane: what the folder says."""

from functools import cached_property

from inf2lab.endpoint import Endpoint
from inf2lab.errors import EndpointError
from inf2lab.folder import Migrated
from inf2lab.serving.interface import ModelServer


class MigratedServer(ModelServer):
    """The successor of a folder's server, with the bridge before it: it takes the old requests, and its own."""

    @cached_property
    def migrated(self) -> Migrated:
        """What the folder says; raises FolderError."""
        return Migrated.read(self.folder.path)

    @property
    def name(self) -> str:
        """The model's name in requests: that of the old folder."""
        return self.migrated.name

    @property
    def shape(self) -> str:
        """The requests that the old handler took, which the bridge takes now."""
        return self.migrated.shape

    @property
    def rows(self) -> int:
        """Prompts of one request, as before."""
        return self.migrated.rows

    @property
    def model_id(self) -> str:
        """The model's name on the hub, or its folder."""
        return self.migrated.model_id

    @property
    def gathers(self) -> None:
        """It gathers as many as there is room for, and does not say how many."""

    @property
    def workers(self) -> int:
        """One copy a server."""
        return 1

    @property
    def patience_s(self) -> float:
        """How long it may load, in seconds."""
        return float(self.migrated.loading_s)

    @property
    def endpoint(self) -> Endpoint:
        """A client for the old requests; the new ones are asked of `url`."""
        return Endpoint(self.url, self.name, timeout_s=self.migrated.client_s)

    def is_healthy(self) -> bool:
        """Return whether its health route answers, which it does once the model is loaded."""
        try:
            return Endpoint(self.url, self.name, timeout_s=5).get(self.migrated.health).ok
        except EndpointError:
            return False
