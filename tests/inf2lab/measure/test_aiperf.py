"""The same load as aiperf's command line. Its options were looked up in aiperf 0.13's own table."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from inf2lab.errors import MeasureError
from inf2lab.measure import Load, Target, Tokens, aiperf_command
from inf2lab.shapes import SHAPES

URL = "http://127.0.0.1:8080/predictions/opt13b"
# Options of `aiperf profile` that are used here, as aiperf 0.13.0 declares them (aiperf/config/flags/cli_config.py).
OPTIONS = {
    "--model",
    "--url",
    "--endpoint-type",
    "--extra-inputs",
    "--batch-size-text",
    "--streaming",
    "--tokenizer",
    "--header",
    "--request-rate",
    "--arrival-pattern",
    "--concurrency",
    "--request-count",
    "--benchmark-duration",
    "--warmup-request-count",
    "--synthetic-input-tokens-mean",
    "--output-tokens-mean",
    "--random-seed",
}


def after(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_the_articles_request_is_a_template(root: Path) -> None:
    tokens = Tokens(root / "models" / "tiny-opt")
    target = Target(url=URL, rows=2, tokens=tokens, lengths="12", output_tokens=20)
    command = aiperf_command(target, Load(clients=4, requests=40, warm_up=2, seed=7))
    assert after(command, "--endpoint-type") == "template"
    template = next(word for word in command if word.startswith("payload_template:")).partition(":")[2]
    payload = json.loads(template.replace("{{ texts|tojson }}", json.dumps(["a", "b"])))
    assert payload == {"seq_length": 1 + 12 + 20, "text": ["a", "b"]}
    assert "response_field:outputs" in command
    assert after(command, "--batch-size-text") == "2"
    assert after(command, "--concurrency") == "4"
    assert after(command, "--request-count") == "40"
    assert after(command, "--random-seed") == "7"
    assert after(command, "--tokenizer") == str(tokens.path)
    assert "'payload_template:{" in shlex.join(command)


@pytest.mark.parametrize("kind", [kind for kind in SHAPES if kind != "raw"])
@pytest.mark.parametrize("load", [Load(clients=2, requests=5), Load(rate=2.5, seconds=10, warm_up=0)])
def test_only_options_that_exist_are_used(kind: str, load: Load) -> None:
    command = aiperf_command(Target(url=URL, kind=kind, headers={"X-A": "b"}), load)
    assert command[:2] == ["aiperf", "profile"]
    assert {word for word in command if word.startswith("--")} <= OPTIONS
    assert ("--streaming" in command) is kind.endswith("-stream")
    assert ("--request-rate" in command) is load.open


def test_an_openai_endpoint_is_named_by_its_server() -> None:
    target = Target(url="http://127.0.0.1:8000/v1/chat/completions", kind="openai-chat-stream", model="llama")
    command = aiperf_command(target, Load(requests=1))
    assert (after(command, "--url"), after(command, "--endpoint-type")) == ("http://127.0.0.1:8000", "chat")


def test_what_aiperf_has_not_is_said() -> None:
    with pytest.raises(MeasureError, match="raw"):
        aiperf_command(Target(url=URL, kind="raw"), Load(requests=1))
