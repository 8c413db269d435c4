"""The model that ships: OPT's conventions, its size, every position trained, and text that does not loop."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from tokenizers import Tokenizer

torch.set_num_threads(1)  # the other cores have other tests
MODELS = Path(__file__).resolve().parents[2] / "models"
FOLDER = MODELS / "tiny-opt"


def script(name: str) -> ModuleType:
    """A script of models/ as a module."""
    spec = importlib.util.spec_from_file_location(name, MODELS / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def describe() -> ModuleType:
    return script("describe_tiny_opt")


@pytest.fixture(scope="module")
def loaded(describe: ModuleType):
    return describe.load()


def test_the_committed_weights_stay_small():
    files = list(FOLDER.glob("*.safetensors"))
    assert sum(file.stat().st_size for file in files) <= 16 * 2**20
    assert files


def test_dimensions_are_those_the_tutorial_names(loaded):
    config = loaded[0].config
    assert (config.num_attention_heads, config.max_position_embeddings) == (8, 2048)
    assert config.torch_dtype == torch.float16
    assert 5e6 <= sum(p.numel() for p in loaded[0].parameters()) <= 8e6


def test_tokenizer_keeps_the_conventions_of_opt(loaded):
    tokenizer = loaded[1]
    ids = tokenizer.encode("Deletes a volume.")
    assert ids[0] == 2
    assert tokenizer.pad_token_id == 1
    assert tokenizer.eos_token_id == 2
    assert tokenizer.decode(ids, skip_special_tokens=True) == "Deletes a volume."


def test_the_two_prompts_of_the_article_have_one_length(loaded, describe):
    assert {len(loaded[1].encode(prompt)) for prompt in describe.PROMPTS} == {9}


def test_late_positions_are_trained_like_early_ones():
    bands = json.loads((FOLDER / "training.json").read_text())["held_out_loss_by_position"]
    assert bands["1500-2048"] <= 1.10 * bands["100-500"]
    assert bands["1500-2048"] >= 0.90 * bands["100-500"]


@pytest.mark.thorough
def test_recorded_losses_are_what_the_weights_give(loaded, describe):
    """2048 tokens of the held-out texts, through Hugging Face's own OPT instead of the training script's."""
    train = script("train_tiny_opt")
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))  # the script would train it anew, for minutes
    streams, _ = train.encode(train.services(), tokenizer, held_out=True)
    facts = json.loads((FOLDER / "training.json").read_text())
    rows = train.held_out_rows(streams, train.Shape().max_position_embeddings, facts["seed"] + 1)
    assert rows[:, 1:].numel() == facts["held_out_tokens"]
    bands = [(0, 2048), (100, 500), (1500, 2048)]
    whole, early, late = describe.loss_by_position(loaded[0], rows[:1], bands)
    assert whole == pytest.approx(facts["held_out_loss"], rel=0.1)
    assert early == pytest.approx(facts["held_out_loss_by_position"]["100-500"], rel=0.15)
    assert late == pytest.approx(facts["held_out_loss_by_position"]["1500-2048"], rel=0.15)


def test_three_samples_do_not_repeat_themselves(loaded, describe):
    rows = describe.samples(*loaded, describe.PROMPTS[1], 3, 60, seed=0)
    assert all(describe.most_repeated(row) <= 3 for row in rows)


@pytest.mark.thorough
def test_nine_of_ten_samples_do_not_repeat_themselves(loaded, describe):
    rows = describe.samples(*loaded, describe.PROMPTS[1], 10, 300, seed=0)
    assert sum(describe.most_repeated(row) <= 3 for row in rows) >= 9


def test_most_repeated_counts_runs(describe):
    assert describe.most_repeated([1, 2, 3, 4, 5, 6] * 4) == 4
    assert describe.most_repeated(list(range(20))) == 1
