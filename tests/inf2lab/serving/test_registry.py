"""inf2lab.serving's question to a registry: a played one on a port of this machine, with a token as Docker Hub asks."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest

from inf2lab import Settings
from inf2lab.serving import ask_registry, second_source
from inf2lab.serving.registry import DOCKER_HUB, split_name

if TYPE_CHECKING:
    from conftest import Listen

DIGEST = "sha256:" + 64 * "a"


class Registry(BaseHTTPRequestHandler):
    """Has djl/serving:1, to who shows the token; answers other repositories with the code in their name."""

    def do_GET(self) -> None:
        assert self.path == "/token?service=played&scope=repository%3Adjl%2Fserving%3Apull"
        body = json.dumps({"token": "t"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        assert "oci.image.index" in self.headers["Accept"]
        if "/code/" in self.path:
            self.answer(int(self.path.rpartition("/")[2]))
        elif self.headers.get("Authorization") != "Bearer t":
            realm = f"http://127.0.0.1:{self.server.server_address[1]}/token"
            challenge = f'Bearer realm="{realm}",service="played",scope="repository:djl/serving:pull"'
            self.answer(401, challenge=challenge)
        elif self.path == "/v2/djl/serving/manifests/1":
            self.answer(200, digest=DIGEST)
        else:
            self.answer(404)

    def answer(self, code: int, *, challenge: str = "", digest: str = "") -> None:
        self.send_response(code)
        for name, value in (("WWW-Authenticate", challenge), ("Docker-Content-Digest", digest)):
            if value:
                self.send_header(name, value)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        return


@pytest.fixture
def host(listen: Listen) -> str:
    return f"127.0.0.1:{listen(Registry).server_port}"


def test_an_image_that_is_there_is_known_by_its_digest(host: str) -> None:
    answer = ask_registry(f"{host}/djl/serving:1")
    assert (answer.there, answer.digest) == (True, DIGEST)
    assert str(answer) == f"{host}/djl/serving:1: {host} has it, {DIGEST}"


def test_an_image_that_is_gone_is_found_out_before_an_instance_is_rented(host: str) -> None:
    """Nobody asked: the pull failed on the instance, which billed meanwhile."""
    answer = ask_registry(f"{host}/djl/serving:0.25.0")
    assert answer.there is False
    assert answer.said == f"{host} has no such image"


@pytest.mark.parametrize(("code", "said"), [(401, "asks for a login"), (429, "too many"), (503, "code 503")])
def test_a_registry_that_does_not_say_is_not_taken_for_a_no(host: str, code: int, said: str) -> None:
    answer = ask_registry(f"{host}/code/x:{code}")
    assert answer.there is None
    assert said in answer.said


def test_a_registry_that_is_not_reached_is_not_taken_for_a_no(free_port: int) -> None:
    answer = ask_registry(f"127.0.0.1:{free_port}/djl/serving:1")
    assert answer.there is None
    assert "did not say (ConnectionError)" in answer.said


@pytest.mark.parametrize(
    ("image", "place"),
    [
        ("deepjavalibrary/djl-serving:0.25.0-x", (DOCKER_HUB, "deepjavalibrary/djl-serving", "0.25.0-x")),
        ("ubuntu", (DOCKER_HUB, "library/ubuntu", "latest")),
        ("localhost/a/b", ("localhost", "a/b", "latest")),
        (f"1.dkr.ecr.us-east-2.amazonaws.com/djl@{DIGEST}", ("1.dkr.ecr.us-east-2.amazonaws.com", "djl", DIGEST)),
        (f"acme/djl:1@{DIGEST}", (DOCKER_HUB, "acme/djl", DIGEST)),
    ],
)
def test_an_images_name_is_read_as_docker_reads_it(image: str, place: tuple[str, str, str]) -> None:
    assert split_name(image) == place


def test_the_second_source_is_the_same_release() -> None:
    assert second_source(Settings(), "us-east-2").endswith(
        ".us-east-2.amazonaws.com/djl-inference:0.25.0-neuronx-sdk2.15.0"
    )
    assert second_source(Settings(), "eu-north-1") == ""
    assert second_source(Settings(profile="seed-0.21"), "us-east-2") == ""
