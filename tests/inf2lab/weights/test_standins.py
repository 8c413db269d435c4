"""inf2lab.weights.standins: a large model's name leads, offline, to a small model that carries the large one's size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from inf2lab.errors import StandInError
from inf2lab.weights import standins
from neuron_rules import STANDS_FOR, ModelDims, rule_dims

CONFIG = {
    "model_type": "opt",
    "architectures": ["OPTForCausalLM"],
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "ffn_dim": 128,
    "vocab_size": 260,
    "max_position_embeddings": 2048,
    "word_embed_proj_dim": 32,
    "pad_token_id": 1,
    "bos_token_id": 2,
    "eos_token_id": 2,
}

# What a handler does with the name in serving.properties, in a process of its own as in a worker.
RESOLVE = """
import json, sys
from transformers import AutoConfig, AutoTokenizer
found = {}
for name in sys.argv[1:]:
    config, tokenizer = AutoConfig.from_pretrained(name), AutoTokenizer.from_pretrained(name)
    found[name] = [config.to_dict(), tokenizer("ab")["input_ids"]]
print(json.dumps(found))
"""


def write_model(folder: Path, *, weights: bytes = b"weights") -> Path:
    """Write a small OPT: a configuration, a tokenizer of single bytes, and bytes in the place of weights."""
    folder.mkdir(parents=True, exist_ok=True)
    alphabet = {symbol: number for number, symbol in enumerate(pre_tokenizers.ByteLevel.alphabet(), 4)}
    tokenizer = Tokenizer(models.BPE({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, **alphabet}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(weights)
    return folder


@pytest.fixture
def weights(clone: Path, cache: Path) -> Path:
    """models/tiny-opt of an empty clone, with an empty cache."""
    return write_model(clone / "models" / "tiny-opt")


def listed(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with when it was written and its inode: equal means untouched."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


def config_of(standin: standins.StandIn) -> dict[str, object]:
    return json.loads((standin.snapshot / "config.json").read_text())


def test_both_names_resolve_offline_and_only_the_large_one_is_stood_in_for(weights: Path) -> None:
    names = ["facebook/opt-13b", "tiny-opt"]
    for name in names:
        standins.prepare(name)
    # the clone itself must not be found: a worker's current folder is the model folder
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", RESOLVE, *names],
        env=os.environ | standins.worker_environment() | {"USE_TORCH": "0", "HTTPS_PROXY": "http://127.0.0.1:9"},
        cwd=weights.parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    large, small = found["facebook/opt-13b"][0], found["tiny-opt"][0]
    assert large["hidden_size"] == small["hidden_size"] == 32
    assert large[STANDS_FOR]["name"] == "facebook/opt-13b"
    assert STANDS_FOR not in small
    assert found["facebook/opt-13b"][1] == found["tiny-opt"][1]
    assert len(found["tiny-opt"][1]) == 2


def test_the_snapshot_has_the_hubs_layout(weights: Path, cache: Path) -> None:
    standin = standins.prepare("facebook/opt-13b")
    repository = cache / "stand-ins" / "hub" / "models--facebook--opt-13b"
    revision = (repository / "refs" / "main").read_text()
    assert len(revision) == 40
    assert standin.snapshot == repository / "snapshots" / revision
    assert {path.name for path in standin.snapshot.iterdir()} == {path.name for path in weights.iterdir()}
    assert (standin.snapshot / "model.safetensors").read_bytes() == b"weights"


def test_the_configuration_carries_the_named_models_sizes(weights: Path) -> None:
    config = config_of(standins.prepare("facebook/opt-13b"))
    assert config[STANDS_FOR] == {
        "name": "facebook/opt-13b",
        "hidden_size": 5120,
        "num_hidden_layers": 40,
        "num_attention_heads": 40,
        "ffn_dim": 20480,
        "vocab_size": 50272,
        "max_position_embeddings": 2048,
    }
    assert {key: value for key, value in config.items() if key != STANDS_FOR} == CONFIG


def test_the_rules_apply_to_the_named_model_and_the_weights_are_counted(weights: Path) -> None:
    standin = standins.prepare("facebook/opt-13b")
    assert rule_dims(config_of(standin)).heads == 40
    assert (standin.model_id, standin.played_by) == ("facebook/opt-13b", "tiny-opt")
    assert standin.parameters == ModelDims.from_config(CONFIG).parameters < 1e6


def test_a_model_under_its_own_name_stands_for_itself(weights: Path) -> None:
    standin = standins.prepare("tiny-opt")
    assert standin.played_by == "tiny-opt"
    assert config_of(standin) == CONFIG


def test_a_second_prepare_writes_nothing(weights: Path, cache: Path) -> None:
    first = standins.prepare("facebook/opt-13b")
    before = listed(cache)
    assert standins.prepare("facebook/opt-13b") == first
    assert listed(cache) == before


def test_changed_weights_make_a_new_revision_and_the_name_follows(weights: Path) -> None:
    before = standins.prepare("facebook/opt-13b")
    write_model(weights, weights=b"trained longer")
    after = standins.prepare("facebook/opt-13b")
    assert after.snapshot.name != before.snapshot.name
    assert (before.snapshot / "model.safetensors").read_bytes() == b"weights"
    assert (after.snapshot / "model.safetensors").read_bytes() == b"trained longer"
    assert (after.snapshot.parents[1] / "refs" / "main").read_text() == after.snapshot.name


def test_two_names_have_two_snapshots(weights: Path) -> None:
    one, other = standins.prepare("facebook/opt-13b"), standins.prepare("facebook/opt-1.3b")
    assert one.snapshot.name != other.snapshot.name
    assert config_of(other)[STANDS_FOR]["hidden_size"] == 2048


def test_folders_beside_the_files_are_left_out(weights: Path) -> None:
    (weights / "checkpoints").mkdir()
    standin = standins.prepare("facebook/opt-13b")
    assert not (standin.snapshot / "checkpoints").exists()


def test_what_another_run_has_written_meanwhile_is_kept(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = standins.prepare("facebook/opt-13b")
    before = listed(first.snapshot)
    monkeypatch.setattr(standins.Path, "is_dir", _no_then_yes(first.snapshot))
    assert standins.prepare("facebook/opt-13b") == first
    assert listed(first.snapshot) == before
    assert [path.name for path in first.snapshot.parent.iterdir()] == [first.snapshot.name]


def _no_then_yes(snapshot: Path):
    """`Path.is_dir` as a run sees it that is overtaken between looking and writing."""
    real, asked = Path.is_dir, []

    def is_dir(path: Path) -> bool:
        if path == snapshot and not asked:
            asked.append(path)
            return False
        return real(path)

    return is_dir


def test_a_failed_copy_leaves_no_snapshot(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(standins.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        standins.prepare("facebook/opt-13b")
    assert list(standins.hub_home().rglob("*.*")) == []


@pytest.mark.parametrize("name", ["acme/llm-7b", "nobody/model"])
def test_an_unknown_model_is_answered_with_the_known_ones(weights: Path, name: str) -> None:
    with pytest.raises(StandInError) as caught:
        standins.prepare(name)
    assert f"{name}: the rehearsal does not know this model; use one of tiny-opt, " in str(caught.value)
    assert "facebook/opt-13b" in str(caught.value)


def test_missing_weights_are_got_back_with_git(clone: Path, cache: Path) -> None:
    with pytest.raises(StandInError, match=r"models/tiny-opt is incomplete: .*git checkout models/tiny-opt"):
        standins.prepare("facebook/opt-13b")


def test_a_worker_never_asks_the_network(cache: Path) -> None:
    environment = standins.worker_environment()
    assert environment["HF_HOME"] == str(cache / "stand-ins")
    assert environment["HF_HUB_OFFLINE"] == "1"


def test_the_model_that_ships_can_stand_in(root: Path, cache: Path) -> None:
    if not (root / "models" / "tiny-opt" / "config.json").is_file():
        pytest.skip("models/tiny-opt is not trained yet")
    standin = standins.prepare("facebook/opt-13b")
    assert 5e6 <= standin.parameters <= 8e6
    assert config_of(standin)["max_position_embeddings"] == 2048


def test_an_architecture_without_small_weights_is_named(clone: Path, cache: Path) -> None:
    with pytest.raises(StandInError, match="no small GPT-2 weights"):
        standins.prepare("gpt2")
