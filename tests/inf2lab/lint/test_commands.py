"""Shell commands as the rules need them: docker's devices, ports and variables, curl's body and header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inf2lab.folder import ARTICLE, docker_runs, shell_commands
from inf2lab.lint.commands import curl_requests, written_files


def test_the_articles_docker_command() -> None:
    (run,) = docker_runs(shell_commands("run.sh", ARTICLE["built-in"]["run.sh"]))
    assert run.image == "deepjavalibrary/djl-serving:0.21.0-pytorch-inf2"
    assert run.devices == (0, 10, 2, 4, 6, 8, 1, 11)
    assert run.env == {"MODEL_LOADING_TIMEOUT": "7200", "PREDICT_TIMEOUT": "360"}
    assert run.on_host_network
    assert run.all("user") == ("djl",)
    assert [value.split(":")[1] for value in run.all("volume")] == ["/opt/ml/model", "/opt/djl/logs"]
    assert run.command.line_of("PREDICT_TIMEOUT") == 6


def test_the_articles_request() -> None:
    (request,) = curl_requests(shell_commands("call.sh", ARTICLE["built-in"]["call.sh"]))
    assert request.body["seq_length"] == 2048
    assert len(request.body["text"]) == 2
    assert request.json_type
    assert request.url.endswith("/predictions/opt13b")


@pytest.mark.parametrize(
    "text",
    [
        "sudo docker run --rm -e A=1 -p 80:80 image:1 serve",
        "docker pull x && docker run -eA=1 --publish=80:80 image:1",
        "# docker run other\nDOCKER=1\ndocker run --env A=1 \\\n  -p 80:80 \\\n  image:1 -p 90:90",
    ],
)
def test_spellings_of_docker_options(text: str) -> None:
    (run,) = docker_runs(shell_commands("run.sh", text))
    assert (run.image, run.env, run.all("publish")) == ("image:1", {"A": "1"}, ("80:80",))


def test_a_device_counts_by_its_number_in_the_container() -> None:
    (run,) = docker_runs(shell_commands("r.sh", "docker run --device /dev/neuron6:/dev/neuron0 --device /dev/kvm i"))
    assert run.devices == (0,)


@pytest.mark.parametrize(
    ("header", "typed"), [("", False), ("-H 'content-type: application/json'", True), ("-H 'Accept: */*'", False)]
)
def test_curl_without_a_type_sends_a_form(header: str, typed: bool) -> None:
    (request,) = curl_requests(shell_commands("c.sh", f"curl {header} http://h/predictions/m -d '{{}}'"))
    assert request.json_type is typed


def test_files_that_a_script_writes_anew() -> None:
    text = "cat > a <<E\nE\necho x >> a\necho y 2> err > a\n# > a\n"
    assert written_files(text)[0, "a"] == [1, 4]


@given(st.text(max_size=200))
def test_no_script_stops_the_reader(text: str) -> None:
    commands = shell_commands("x.sh", f"docker run {text}\ncurl {text} /predictions/")
    list(docker_runs(commands))
    list(curl_requests(commands))
