"""A model of the hub under its own name, served as itself: its own rules, its own words, no word of a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

from inf2lab import LabError, ModelFolder, Server, Settings, paths
from inf2lab.serving import stop_everything
from inf2lab.weights import standins

NAME = "facebook/opt-125m"
OPTIONS = {
    "engine": "Python",
    "option.entryPoint": "djl_python.transformers_neuronx",
    "option.model_id": NAME,
    "option.tensor_parallel_degree": 2,
    "option.batch_size": 2,
    "option.n_positions": 128,
    "option.dtype": "fp16",
}


@pytest.fixture
def cache_with_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own that shares DJL's worker, which need not be fetched again."""
    worker = paths.cache() / "worker"
    worker.mkdir(exist_ok=True)
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "worker").symlink_to(worker)
    monkeypatch.setenv("INF2LAB_CACHE", str(folder))
    return folder


@pytest.fixture
def fetched(cache_with_worker: Path) -> standins.StandIn:
    """What `inf2lab fetch facebook/opt-125m` leaves, with a smaller OPT in its place: 128 positions, 4 heads."""

    def fill(folder: Path) -> None:
        words = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, **{f"w{i}": i for i in range(4, 100)}}
        raw = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
        raw.pre_tokenizer = pre_tokenizers.Whitespace()
        special = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
        names = ["input_ids", "attention_mask"]
        PreTrainedTokenizerFast(tokenizer_object=raw, model_input_names=names, **special).save_pretrained(folder)
        config = OPTConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            ffn_dim=64,
            vocab_size=100,
            max_position_embeddings=128,
            word_embed_proj_dim=32,
        )
        OPTForCausalLM(config).save_pretrained(folder)

    place = standins.repository(NAME)
    place.write("0" * 40, fill)
    place.point("own", "0" * 40)
    return standins.prepare(NAME)


@pytest.fixture
def settings(free_port: int) -> Iterator[Settings]:
    yield Settings(model_id=NAME, port=free_port)
    stop_everything(patience_s=5)


@pytest.mark.thorough
def test_it_answers_for_itself(fetched: standins.StandIn, settings: Settings, write_folder) -> None:
    folder: ModelFolder = write_folder("opt", OPTIONS)
    said: list[str] = []
    server = Server.start(settings, folder.path, report=said.append)
    assert not any("is played by" in line or "stand-in weights" in line for line in [*said, *server.logs(500)])
    answer = server.endpoint.send({"inputs": ["w5 w6", "w7 w8"], "parameters": {"max_new_tokens": 8}})
    assert answer.ok, answer.error
    assert [row["generated_text"][:5] for row in answer.json()] == ["w5 w6", "w7 w8"]
    assert fetched.tokenizer().encode("w5 w6").ids == [5, 6]


@pytest.mark.thorough
def test_its_own_rules_hold(fetched: standins.StandIn, settings: Settings, write_folder) -> None:
    """The catalog's opt-125m has 2048 positions; these weights have 128, and no stand-in's key says otherwise."""
    folder = write_folder("opt", OPTIONS | {"option.n_positions": 256})
    with pytest.raises(LabError, match="cannot be larger than the position embedding's context size 128"):
        Server.start(settings, folder.path, report=lambda line: None)
