"""Migrated folders on the real vLLM: what its own parser says, and what it writes beside the old server.

`make test-migrate` runs this, with no network but loopback where the kernel allows that. Equality is asked where
arithmetic allows it: f32 and f16. At bf16 a flip may happen, and must be rounding. One server of OPT at f32 stands for
all tests that any server would do for: a start is what takes time.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import requests

from inf2lab import ModelFolder, Settings, measure
from inf2lab.migrate import Migration, compare, migrate
from inf2lab.serving import ModelServer, Server, left_over
from inf2lab.weights import prepare_standin, standins
from tests.support import ports
from tests.support.parsers import objections
from tests.support.written import written_by

if TYPE_CHECKING:
    from conftest import WriteFolder

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get("REQUIRE_MIGRATE"), reason="`make test-migrate` runs this: the real vLLM"),
]
ROOT = Path(__file__).resolve().parents[3]
OPT, SMOLLM2 = "facebook/opt-13b", "HuggingFaceTB/SmolLM2-135M-Instruct"
PROMPTS = [
    "Hello, I am a language model,",
    "Welcome to Amazon Elastic Compute Cloud,",
    "The capital of France is",
    "To start an instance, open the console and",
    "A security group controls",
    "Each volume has a size and",
    "When the load balancer receives a request,",
    "You can use the following command to",
    "An error occurs when",
    "One",
]
BASE = {"engine": "Python", "option.model_id": OPT, "option.n_positions": 256, "option.dtype": "f32"}


def written_handler(model_id: str = OPT) -> str:
    """The model.py of notebook 04, with the class of the model's family as that notebook puts it in."""
    text = written_by(ROOT / "notebooks" / "04_model_py.ipynb", "model.py")
    if model_id == SMOLLM2:
        text = text.replace("opt.model", "llama.model").replace("OPTForSampling", "LlamaForSampling")
        assert text.count("LlamaForSampling") == 2
    return text


def asks(folder: Path, batch: int, *, length: int = 48) -> list[Path]:
    """A file for each request: all prompts, `batch` at a time."""
    files = []
    for first in range(0, len(PROMPTS), batch):
        file = folder / f"ask{first}.json"
        file.write_text(json.dumps({"seq_length": length, "text": PROMPTS[first : first + batch]}))
        files.append(file)
    return files


def made(write_folder: WriteFolder, tmp_path: Path, *, batch: int, length: int = 48, **options: object) -> Migration:
    given = {f"option.{name}": value for name, value in options.items()}
    # At degree 2 the named model, 13 billion numbers of 4 bytes, would not fit, and the emulated chip would say so.
    stated = BASE | {"option.batch_size": batch, "option.tensor_parallel_degree": 8} | given
    folder = write_folder("moved", stated, handler=written_handler(stated["option.model_id"]))
    return migrate(folder.path, to="vllm-nxdi", files=asks(tmp_path, batch, length=length))


def test_the_whole_of_it_is_asked_for_by_the_right_words(write_folder: WriteFolder, tmp_path: Path) -> None:
    """Every generated command passes vLLM's parser and configuration; mutated ones are refused or reported."""
    prepare_standin(OPT)
    generated = []
    for place, options in enumerate(
        [
            {},
            {"dtype": "f16", "batch_size": 1},
            {"dtype": "bf16", "batch_size": 8, "tensor_parallel_degree": 4},
            {"dtype": "f16", "n_positions": 2048},
            {"revision": "main", "trust_remote_code": "true"},
            {"rolling_batch": "auto", "max_rolling_batch_size": 4, "context_length_estimate": "128,256"},
        ]
    ):
        given = {f"option.{name}": value for name, value in options.items()}
        stated = BASE | {"option.batch_size": 2, "option.tensor_parallel_degree": 2} | given
        folder = write_folder(f"moved{place}", stated, handler=written_handler())
        for image in ("0.13.0-neuronx-py312-sdk2.28.0-ubuntu24.04", "0.16.0-neuronx-py312-sdk2.31.1-ubuntu24.04"):
            words = list(migrate(folder.path, to="vllm-nxdi", image=image).launch.words[2:])
            # As many blocks as a processor needs; on the chip a block is a whole text.
            words[words.index("--num-gpu-blocks-override") + 1] = "4096"
            generated.append(words)
    base = generated[0]
    mutated = [
        *([*base, *more] for more in (["--device", "neuron"], ["--override-neuron-config", "{}"], ["--max-len", "9"])),
        *(
            [*base, *more]
            for more in (["--task", "generate"], ["--use-v2-block-manager"], ["--additional-config", "{x"])
        ),
        *([*base, *more] for more in (["--max-num-seqs", "two"], ["--max-num-seqs", "0"], ["--max-model-len", "x"])),
        *([*base, *more] for more in (["--max-model-len", "4096"], ["--max-model-len", "-1x"], ["--block-size", "a"])),
        *([*base, *more] for more in (["--dtype", "fp16"], ["--dtype", "f16"], ["--dtype", "half16"], ["--dtype"])),
        *([*base, *more] for more in (["--tensor-parallel-size", "3"], ["--tensor-parallel-size", "2.5"])),
        *([*base, *more] for more in (["--quantization", "neuron_quant"], ["--no-such-flag"], ["--load-in-8bit"])),
    ]
    found = objections([*generated, *mutated])
    assert found[: len(generated)] == [None] * len(generated)
    accepted = [
        words[len(base) :] for words, said in zip(mutated, found[len(generated) :], strict=True) if said is None
    ]
    assert len(mutated) >= 20
    assert accepted == []


def test_optimum_cli_is_asked_for_by_the_right_words_too(write_folder: WriteFolder) -> None:
    """Its own parser takes every generated command, and leaves nothing to vLLM's that vLLM's might refuse."""
    if not (ROOT / ".venv-migrate" / "optimum" / "optimum").is_dir():
        pytest.skip("optimum-neuron 0.4.5 is for Python 3.10 and 3.11: no optimum-cli in .venv-migrate")
    generated = []
    for place, options in enumerate(
        [{}, {"dtype": "bf16", "batch_size": 8}, {"rolling_batch": "auto", "max_rolling_batch_size": 4}]
    ):
        given = {f"option.{name}": value for name, value in options.items()}
        folder = write_folder(f"moved{place}", BASE | {"option.tensor_parallel_degree": 2} | given)
        generated.append(list(migrate(folder.path, to="optimum").launch.words[1:]))
    base = generated[0]
    mutated = [
        *([*base, "--batch_size", "two"], [*base, "--sequence_length", "1.5"], [*base, "--tensor_parallel_size"]),
        *([*base, "--max-len", "3"], [*base, "--dtype", "fp16"], [*base, "--port", "x"], ["neuron", "server"]),
        *(["neuron", "serve", "--batch_size", "2"], [word.replace("model", "modell") for word in base]),
    ]
    found = objections([*generated, *mutated], program="optimum")
    assert found[: len(generated)] == [None] * len(generated)
    assert None not in found[len(generated) :]


def test_opt_at_f16_writes_the_same_tokens_on_both(write_folder: WriteFolder, tmp_path: Path) -> None:
    rows = compare(made(write_folder, tmp_path, batch=1, dtype="f16"))
    assert len(rows) == len(PROMPTS)
    assert [row.verdict for row in rows if not row.equal] == []
    assert all(row.tokens > 20 for row in rows)


@pytest.mark.parametrize(("dtype", "batch"), [("f32", 10), ("f16", 5)])
def test_a_llama_writes_the_same_tokens_on_both(
    write_folder: WriteFolder, tmp_path: Path, dtype: str, batch: int
) -> None:
    if standins.repository(SMOLLM2).own() is None:
        pytest.skip("SmolLM2 is not here: `inf2lab fetch smollm2-135m` (93 MB)")
    options = {"dtype": dtype, "model_id": SMOLLM2, "tensor_parallel_degree": 1}
    rows = compare(made(write_folder, tmp_path, batch=batch, length=36, **options))
    assert [row.verdict for row in rows if not row.equal] == []


def test_at_bf16_every_flip_is_rounding(write_folder: WriteFolder, tmp_path: Path) -> None:
    rows = compare(made(write_folder, tmp_path, batch=2, dtype="bf16"))
    assert [row.verdict for row in rows if not row.equal and not row.is_rounding] == []


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads of vLLM wait for each other where other work has the cores. `served` has one for each core."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")


@pytest.fixture(autouse=True)
def nothing_left(logs: Path) -> Iterator[None]:
    """A test ends what it has started: no process, none of the engine's."""
    yield
    assert left_over() == []


@dataclass(frozen=True)
class Served:
    """A migrated folder and the real vLLM that serves it."""

    migration: Migration
    server: ModelServer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """OPT at f32, whose old handler takes two prompts."""
    place = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INF2LAB_LOGS", str(place / "logs"))
        old = ModelFolder(place / "opt13b")
        old.path.mkdir()
        (old.path / "model.py").write_text(written_handler())
        stated = BASE | {"option.batch_size": 2, "option.tensor_parallel_degree": 8}
        (old.path / "serving.properties").write_text("".join(f"{key}={value}\n" for key, value in stated.items()))
        migration = migrate(old.path, to="vllm-nxdi", files=asks(place, 2))
        migration.write(place / "out")
        settings = replace(Settings(), port=ports.free_port(1))
        server = Server.start(settings, place / "out", report=lambda line: None)
    yield Served(migration, server)
    family = family_of(server)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INF2LAB_LOGS", str(place / "logs"))
        server.stop()
        assert left_over() == []
    assert not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    shutil.rmtree(place, ignore_errors=True)


def family_of(server: ModelServer) -> list[psutil.Process]:
    """Whoever listens on the server's port, with the processes below it."""
    (owner,) = {
        connection.pid
        for connection in psutil.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == server.settings.port
    }
    front = psutil.Process(owner)
    return [front, *front.children(recursive=True)]


def test_opt_at_f32_writes_the_same_tokens_on_both(served: Served) -> None:
    rows = compare(served.migration, successor=served.server)
    assert len(rows) == len(PROMPTS)
    assert [row.verdict for row in rows if not row.equal] == []
    assert all(row.tokens > 20 for row in rows)


def test_the_article_s_request_is_answered_in_the_article_s_shape(served: Served) -> None:
    texts = served.server.endpoint.generate(PROMPTS[:2], seq_length=40)
    assert all(map(str.startswith, texts, PROMPTS))
    answer = served.server.endpoint.send(
        {"inputs": PROMPTS[0], "parameters": {"max_new_tokens": 5, "do_sample": False}}
    )
    assert list(answer.json()[0]) == ["generated_text"]


def test_the_answer_has_the_old_length(served: Served) -> None:
    """`seq_length` counted the longest prompt and the answer, and no text ended before."""
    with requests.Session() as session:
        session.trust_env = False
        ids = [
            session.post(f"{served.server.url}/tokenize", json={"prompt": text}).json()["count"] for text in PROMPTS[:2]
        ]
        texts = served.server.endpoint.generate(PROMPTS[:2], seq_length=60)
        both = [session.post(f"{served.server.url}/tokenize", json={"prompt": text}).json()["count"] for text in texts]
    # A text cut into tokens anew may need one less than it was written in.
    assert [abs(count - (60 - max(ids)) - own) <= 2 for count, own in zip(both, ids, strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"text": ["a"], "seq_length": 1}, 424, "leaves no room"),
        ({"inputs": "a", "parameters": {"max_new_tokens": 5000}}, 424, "max_tokens"),
        ({"inputs": "a", "parameters": {"temperature": -1}}, 424, "temperature"),
    ],
)
def test_what_vllm_refuses_comes_in_the_old_form(served: Served, body: object, status: int, said: str) -> None:
    answer = served.server.endpoint.send(body)
    assert (answer.status, json.loads(answer.text)["code"]) == (status, status)
    assert said in answer.error


def test_a_load_is_put_on_it_as_on_the_old_one(served: Served) -> None:
    target = measure.Target.of(served.server, output_tokens=4)
    assert (target.kind, target.rows, target.lane) == ("article", 2, "rehearsal")
    assert target.tokens is not None
    results = measure.sweep(target, measure.Load(clients=1, requests=4), [1, 2])
    assert [(result.errors, len(result.good)) for result in results] == [({}, 4), ({}, 8)]
    assert {len(post.prompts) for post in target.requests(seed=0, count=3)} == {2}


def test_a_stream_comes_through_the_bridge_in_the_old_lines(served: Served) -> None:
    parameters = {"max_new_tokens": 6, "do_sample": False}
    body = {"inputs": PROMPTS[:2], "parameters": parameters}
    (whole, other) = served.server.endpoint.send(body).json()
    with requests.Session() as session:
        session.trust_env = False
        url = f"{served.server.url}/predictions/opt13b"
        with session.post(url, json=body | {"stream": True}, stream=True) as answer:
            lines = [json.loads(line)["outputs"] for line in answer.iter_lines()]
    assert answer.headers["content-type"] == "application/jsonlines"
    assert len(lines) >= 6, "piece by piece"
    texts = ["".join(pieces) for pieces in zip(*lines, strict=True)]
    assert [PROMPTS[0] + texts[0], PROMPTS[1] + texts[1]] == [whole["generated_text"], other["generated_text"]]


def test_the_network_is_off(served: Served) -> None:
    """All of this file passes with loopback alone; elsewhere this is skipped, and `tools/offline.sh` has said why."""
    if set(psutil.net_if_addrs()) != {"lo"}:
        pytest.skip("the network is on: this kernel lets no user make a network of their own")
    with pytest.raises(OSError, match="unreachable"), socket.create_connection(("192.0.2.1", 9), timeout=5):
        pass


def test_it_tells_nobody_what_it_runs_on(served: Served) -> None:
    """vLLM writes its usage statistics to a file before it sends them: there is none."""
    front = family_of(served.server)[0].environ()
    assert (front["VLLM_NO_USAGE_STATS"], front["DO_NOT_TRACK"]) == ("1", "1")
    assert not list(Path(front["VLLM_CONFIG_ROOT"]).rglob("usage_stats.json"))


def test_no_socket_of_it_leaves_loopback(served: Served) -> None:
    family = family_of(served.server)
    if platform.machine() == "x86_64":
        assert len(family) == 2, "the front, and the engine, a fork of it: what they import is imported once"
    assert any("VLLM::" in one.name() or "VLLM::" in " ".join(one.cmdline()) for one in family)
    connections = [connection for one in family for connection in one.net_connections("inet")]
    assert psutil.CONN_LISTEN in {one.status for one in connections}
    ends = {end.ip.removeprefix("::ffff:") for one in connections for end in (one.laddr, one.raddr) if end}
    assert ends == {"127.0.0.1"}
