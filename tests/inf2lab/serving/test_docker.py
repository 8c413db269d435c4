"""inf2lab.serving's use of Docker where Docker refuses: one sentence each, from what a real engine prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from inf2lab.errors import EngineError
from inf2lab.serving import docker

Docker = Callable[..., Path]


@pytest.fixture
def fake_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """A function that puts a `docker` on PATH which prints and ends as told; returns the file of its calls."""

    def write(*, stderr: str = "", stdout: str = "", code: int = 0, seconds: float = 0) -> Path:
        folder, calls = tmp_path / "bin", tmp_path / "calls"
        folder.mkdir(exist_ok=True)
        (tmp_path / "out").write_text(stdout)
        (tmp_path / "err").write_text(stderr)
        script = folder / "docker"
        script.write_text(
            f'#!/bin/sh\necho "$@" >> {calls}\nsleep {seconds}\n'
            f"cat {tmp_path}/out\ncat {tmp_path}/err >&2\nexit {code}\n"
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return calls

    return write


# What Docker 20.10 to 28 print, and the sentence for it.
REFUSED = {
    "no permission": (
        "Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: "
        'Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.24/containers/json": dial unix /var/run/docker.sock: '
        "connect: permission denied",
        "this user may not talk to the Docker engine; `sudo usermod -aG docker $USER`, then log in again",
    ),
    "no engine": (
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        "the Docker engine does not run; start it with `sudo systemctl start docker`",
    ),
    "port taken": (
        "docker: Error response from daemon: driver failed programming external connectivity on endpoint x: "
        "Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use.",
        "the port is taken; stop who listens there",
    ),
    "name taken": (
        'docker: Error response from daemon: Conflict. The container name "/inf2lab-opt13b" is already in use by '
        'container "51f". You have to remove (or rename) that container to be able to reuse that name.',
        "a container of that name is there already",
    ),
    "no such image": (
        "Error response from daemon: manifest for acme/none:1 not found: manifest unknown: manifest unknown",
        "there is no such image",
    ),
    "no way out": (
        'Error response from daemon: Get "https://registry.example/v2/": dial tcp: lookup registry.example: '
        "no such host",
        "the image's registry does not answer",
    ),
    "no device": (
        'docker: Error response from daemon: error gathering device information while adding custom device "/dev/'
        'neuron0": no such file or directory.',
        "a driver that is not loaded, or no Inf2 instance; Look with `ls /dev/neuron*` and `lsmod",
    ),
    "disk full": (
        "failed to register layer: Error processing tar file: write /usr/lib/x: no space left on device",
        "The AMI's own volume has 35 GB; 512 GB of gp3",
    ),
    "unheard of": ("docker: Error response from daemon: something new.", "something new.; look at the engine"),
    "silent": ("", "Docker said nothing"),
}


@pytest.mark.parametrize(("printed", "said"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_one_sentence_with_what_to_do(fake_docker: Docker, printed: str, said: str) -> None:
    fake_docker(stderr=f"{printed}\n", code=125)
    with pytest.raises(EngineError) as caught:
        docker.run_docker("run", "x", what="docker run x")
    assert str(caught.value).startswith("docker run x: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_docker_the_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for ask in (lambda: docker.find("x"), lambda: docker.pull("x", print), lambda: docker.has_image("x")):
        with pytest.raises(EngineError, match=r"Docker is not installed; install it .* group docker"):
            ask()
    assert docker.list_owned("/logs") == []


def test_an_engine_that_hangs_is_not_waited_for(fake_docker: Docker) -> None:
    fake_docker(seconds=5)
    with pytest.raises(EngineError, match="no answer within 0 s; look at the engine"):
        docker.run_docker("ps", what="docker ps", patience_s=0.1)


def test_a_missing_container_or_image_is_no_error(fake_docker: Docker) -> None:
    fake_docker(stderr="Error: No such container: x\n", code=1)
    assert docker.find("x") is None
    assert docker.remove("x", patience_s=1) is False
    fake_docker(stderr="Error: No such image: x\n", code=1)
    assert docker.has_image("x") is False


def test_an_image_that_was_made_here_has_no_digest(fake_docker: Docker) -> None:
    fake_docker(stdout="[]\n")
    assert docker.digest("x") is None
    fake_docker(stdout='["djl@sha256:abc"]\n')
    assert docker.digest("x") == "djl@sha256:abc"


def test_a_pull_that_breaks_off_says_why(fake_docker: Docker) -> None:
    fake_docker(stdout="a1: Pulling fs layer\nno space left on device\n", code=1)
    with pytest.raises(EngineError, match=r"docker pull djl: .*The volume is too small"):
        docker.pull("djl", lambda line: None)
