"""Start, wait for, look at and stop the server that answers for a model folder, in either lane."""

from inf2lab.serving.container import ContainerServer, stop_labelled
from inf2lab.serving.docker_run import USER as CONTAINER_USER
from inf2lab.serving.interface import ModelServer, State, Worker
from inf2lab.serving.local import end_orphans
from inf2lab.serving.rehearsal import RehearsalServer
from inf2lab.serving.server import Server, all_servers, left_over, on_record, stop_everything

__all__ = [
    "CONTAINER_USER",
    "ContainerServer",
    "ModelServer",
    "RehearsalServer",
    "Server",
    "State",
    "Worker",
    "all_servers",
    "end_orphans",
    "left_over",
    "on_record",
    "stop_everything",
    "stop_labelled",
]
