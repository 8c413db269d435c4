"""Start, wait for, look at and stop the server that answers for a model folder, in either lane."""

from inf2lab.serving._interface import ModelServer, ServerStatus, Worker
from inf2lab.serving._server import Server, all_servers, left_over, on_record, stop_everything

__all__ = [
    "ModelServer",
    "Server",
    "ServerStatus",
    "Worker",
    "all_servers",
    "left_over",
    "on_record",
    "stop_everything",
]
