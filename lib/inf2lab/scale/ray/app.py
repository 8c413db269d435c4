"""The Ray Serve application: replicas that hold NeuronCores, keep a model server beside them and pass requests on.

Runs in Ray's own environment (`make scale-env`): Ray needs pydantic 2, DJL's worker 1, and only HTTP crosses.
"""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from inf2lab.errors import LoadFailed
from inf2lab.files import write_file
from inf2lab.scale.ray import server
from inf2lab.scale.ray.spec import FAILED, LIVES, RaySpec

# Of one connection, and not of the request that is passed on (RFC 9110, 7.6.1); and where a browser's page is from,
# which the server beside would take for a page that reached this machine.
_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length"} | {
    "origin",
    "sec-fetch-site",
}
_READ_ONLY = ("GET", "HEAD")


class ModelReplica:
    """One copy of the model: `neuron_cores` of a node, a server beside it, and requests passed to that."""

    def __init__(self, described: dict[str, Any]) -> None:
        self._spec = RaySpec.from_dict(described)
        if self._spec.loopback:
            _stay_on_loopback()
        started = time.time()
        self._id = serve.get_replica_context().replica_id.unique_id
        try:
            self._server = server.begin(self._spec, os.environ.get("NEURON_RT_VISIBLE_CORES", ""))
        except LoadFailed as error:
            self._write_note(FAILED, vars(error))
            raise
        self._session: aiohttp.ClientSession | None = None
        self._note = self._write_note(LIVES, self._about(started))
        # Ends the replica at once, and Serve starts another: exit handlers would wait for requests that hang.
        self._server.watch(lambda: os._exit(1))

    async def __call__(self, request: Request) -> Response:
        """Pass a request to the server and its answer back as it comes; 403 for what manages models."""
        path = request.url.path
        if not _is_inference(request.method, path):
            return PlainTextResponse(
                f"{request.method} {path} is not passed on: manage the server beside its replica", 403
            )
        headers = {k: v for k, v in request.headers.items() if k not in _HOP}
        query = f"?{request.url.query}" if request.url.query else ""
        answer = await self._client().request(
            request.method,
            f"{self._server.url}{path}{query}",
            data=await request.body(),
            headers=headers,
            skip_auto_headers=("Content-Type", "User-Agent"),
            allow_redirects=False,
        )
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP} | {"x-replica": self._id}
        if answer.content_length is not None:
            async with answer:
                return Response(await answer.read(), answer.status, kept)
        return StreamingResponse(_chunks(answer), answer.status, kept)

    async def check_health(self) -> None:
        """Raise if the server does not call itself healthy; Serve then replaces the replica."""
        if not await asyncio.to_thread(self._server.answers):
            raise RuntimeError(f"{self._server.url}/ping did not answer 200")

    def __del__(self) -> None:
        """Serve calls this once the replica's requests are answered."""
        if hasattr(self, "_server"):
            self._server.stop()
            if self._note:
                self._note.unlink(missing_ok=True)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:  # needs the loop that answers requests
            # No time-out here: the server has its own, and another one would only hide it.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
                auto_decompress=False,
            )
        return self._session

    def _write_note(self, kind: str, told: dict[str, Any]) -> Path | None:
        """Write a file for whoever looks at the cluster from outside, and return it; None where nobody does."""
        folder = self._spec.notes
        return write_file(Path(folder) / f"{self._id}{kind}", json.dumps(told)) if folder else None

    def _about(self, started: float) -> dict[str, Any]:
        process = self._server.process
        return {
            "id": self._id,
            "model": self._spec.model,
            "node": ray.get_runtime_context().get_node_id(),
            "pid": os.getpid(),
            "server_pid": process.pid if process else 0,
            "url": self._server.url,
            "visible_cores": os.environ.get("NEURON_RT_VISIBLE_CORES", ""),
            "load_s": round(time.time() - started, 3),
        }


def build(described: dict[str, Any]) -> serve.Application:
    """Return the application that a RaySpec, as plain values, describes; what KubeRay's `import_path` names."""
    spec = RaySpec.from_dict(described)
    told = spec.for_replicas()
    # Trap: without a version of its own each deployment gets a new one, and Serve restarts every replica.
    version = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
    deployment = serve.deployment(ModelReplica).options(**spec.deployment_options, version=version, _internal=True)
    return deployment.bind(told)


def _is_inference(method: str, path: str) -> bool:
    """Whether a request asks the model, or only looks: management listens on the same port in the rehearsal."""
    if path == "/ping" or path.startswith(("/predictions/", "/invocations")):
        return True
    return method in _READ_ONLY and path.startswith("/models/")


def _stay_on_loopback() -> None:
    """Bind this replica's own port to 127.0.0.1. Trap: Serve binds it to every address, whatever Ray was told."""
    from ray.serve._private import replica  # of the pinned release; a test looks at what listens

    bind = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: bind(server, address.replace("[::]", "127.0.0.1"))


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    finally:
        answer.close()  # also when the client has gone: the server then stops writing
