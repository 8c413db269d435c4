"""Start, wait for, look at and stop the server that answers for a model folder, in either lane."""

from typing import TYPE_CHECKING

from inf2lab.faces import on_demand

if TYPE_CHECKING:
    from inf2lab.serving.container import ContainerServer, stop_labelled
    from inf2lab.serving.docker import has_image, run_docker
    from inf2lab.serving.docker_run import CONTAINER_USER, RunLine, is_closed
    from inf2lab.serving.inside_files import bridge_file
    from inf2lab.serving.interface import ModelServer, State
    from inf2lab.serving.local import end_orphans
    from inf2lab.serving.ports import claim, free_port
    from inf2lab.serving.registry import ask_registry, require_image, second_source
    from inf2lab.serving.rehearsal import RehearsalServer, worker_is_here
    from inf2lab.serving.server import Server, all_servers, left_over, on_record, stop_everything
    from inf2lab.serving.state import instance_path
    from inf2lab.serving.vllm import VllmServer, vllm_python

__all__ = [
    "CONTAINER_USER",
    "ContainerServer",
    "ModelServer",
    "RehearsalServer",
    "RunLine",
    "Server",
    "State",
    "VllmServer",
    "all_servers",
    "ask_registry",
    "bridge_file",
    "claim",
    "end_orphans",
    "free_port",
    "has_image",
    "instance_path",
    "is_closed",
    "left_over",
    "on_record",
    "require_image",
    "run_docker",
    "second_source",
    "stop_everything",
    "stop_labelled",
    "vllm_python",
    "worker_is_here",
]

# Manifests take a container's line from here, and need no package that starts a server or asks it.
__getattr__ = on_demand(__name__)
