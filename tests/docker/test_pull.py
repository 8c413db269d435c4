"""Pulling an image from a registry: progress, and the digest that is used from then on."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import secrets
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from inf2lab import Server, catalog
from inf2lab.errors import EngineError
from tests.support import chip_image  # tools/

if TYPE_CHECKING:
    from conftest import MakeSettings, WriteFolder

pytestmark = pytest.mark.thorough
TYPES = ("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.container.image.v1+json")
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
HANDLER = "def handle(inputs):\n    return None\n"


def contents_of(image: str) -> tuple[bytes, dict[str, bytes]]:
    """An image's manifest and its blobs by digest, from `docker save`."""
    saved = subprocess.run(["docker", "save", image], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as tar:

        def read(name: str) -> bytes:
            file = tar.extractfile(name)
            assert file is not None
            return file.read()

        (listed,) = json.loads(read("manifest.json"))
        config = read(listed["Config"])
        layers = [gzip.compress(read(name), mtime=0) for name in listed["Layers"]]
    blobs = {f"sha256:{hashlib.sha256(blob).hexdigest()}": blob for blob in [config, *layers]}
    first, *others = [
        {"mediaType": kind, "size": len(blob), "digest": digest}
        for (digest, blob), kind in zip(blobs.items(), [TYPES[1], *[LAYER] * len(layers)], strict=True)
    ]
    manifest = {"schemaVersion": 2, "mediaType": TYPES[0], "config": first, "layers": others}
    return json.dumps(manifest).encode(), blobs


@pytest.fixture
def registry(engine: str) -> Iterator[str]:
    """The address of a registry that has one image, `djl:tests`, which the engine has not."""
    image = "inf2lab-chip-rehearsal:pulled"
    chip_image.build(image, files=chip_image.FILES | {"etc/motd": (0o644, secrets.token_hex())})
    manifest, blobs = contents_of(image)
    subprocess.run(["docker", "rmi", image], capture_output=True, check=True)
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            last = self.path.rpartition("/")[2]
            if self.path == "/v2/":
                self._answer(200, "application/json", b"{}")
            elif self.path in ("/v2/djl/manifests/tests", f"/v2/djl/manifests/{digest}"):
                self._answer(200, TYPES[0], manifest, digest)
            elif last in blobs:
                self._answer(200, "application/octet-stream", blobs[last], last)
            else:
                error = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
                self._answer(404, "application/json", json.dumps(error).encode())

        do_HEAD = do_GET

        def _answer(self, status: int, kind: str, body: bytes, digest: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            if digest:
                self.send_header("Docker-Content-Digest", digest)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        name = f"127.0.0.1:{server.server_port}/djl"
        yield name
        server.shutdown()
        thread.join()
        subprocess.run(
            ["docker", "rmi", "--force", f"{name}:tests", f"{name}@{digest}"], capture_output=True, check=False
        )


def test_an_image_is_pulled_once_and_then_named_by_its_digest(
    registry: str, settings: MakeSettings, write_folder: WriteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, tag = write_folder("m", HANDLER), f"{registry}:tests"
    profile = replace(catalog.profile("djl-0.25"), image=tag)
    monkeypatch.setattr(catalog, "profile", lambda name: profile)
    chosen = settings(image="")
    assert Server.of(chosen, folder.path).command()[-2] == tag
    said: list[str] = []
    server = Server.start(chosen, folder.path, report=said.append)
    assert said[0] == f"pulling {tag}: minutes the first time, and kept afterwards"
    assert "image pulled (1 layers)" in said[1]
    assert f"the tag stands for {registry}@sha256:" in said[2]
    pinned = server.command()[-2]
    assert pinned.startswith(f"{registry}@sha256:")
    assert f"    {pinned} serve" in said[3]
    again: list[str] = []
    Server.start(chosen, folder.path, report=again.append)
    assert not any(line.startswith("pulling") for line in again)


def test_an_image_that_is_not_there_is_one_sentence(
    registry: str, settings: MakeSettings, write_folder: WriteFolder
) -> None:
    with pytest.raises(EngineError, match=r"docker pull .*/djl:other: there is no such image"):
        Server.start(settings(image=f"{registry}:other"), write_folder("m", HANDLER).path, report=print)


def test_a_registry_that_does_not_answer_is_one_sentence(
    settings: MakeSettings, write_folder: WriteFolder, free_port: int
) -> None:
    image = f"127.0.0.1:{free_port}/djl:tests"
    with pytest.raises(EngineError, match=r"the image's registry does not answer"):
        Server.start(settings(image=image), write_folder("m", HANDLER).path, report=print)
