"""The split format on disk (facts, section 3)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel
from transformers_neuronx.module import sanitize_file_name, save_pretrained_split, save_split


def test_layout_on_disk(opt_reference: PreTrainedModel, tmp_path: Path) -> None:
    save_pretrained_split(opt_reference, tmp_path)
    weights = tmp_path / "pytorch_model.bin"
    assert weights.is_dir()
    text = (weights / "key_to_filename.json").read_text()
    files = json.loads(text)
    assert text == json.dumps(files, indent=2)
    assert set(files) == set(opt_reference.state_dict())
    assert {path.name for path in weights.iterdir()} == {"key_to_filename.json", *files.values()}
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "opt"
    assert (tmp_path / "generation_config.json").is_file()


def test_each_file_is_one_bare_tensor_named_by_index_and_key(opt_reference: PreTrainedModel, tmp_path: Path) -> None:
    save_pretrained_split(opt_reference, tmp_path)
    files = json.loads((tmp_path / "pytorch_model.bin" / "key_to_filename.json").read_text())
    for index, (key, name) in enumerate(files.items()):
        assert name == f"p{index}.{key}"
        tensor = torch.load(tmp_path / "pytorch_model.bin" / name, weights_only=True)
        torch.testing.assert_close(tensor, opt_reference.state_dict()[key])


def test_it_writes_what_the_model_itself_would_write(reference: PreTrainedModel, tmp_path: Path) -> None:
    save_pretrained_split(reference, tmp_path / "ours")
    theirs = tmp_path / "theirs"
    reference.save_pretrained(theirs, save_function=save_split, max_shard_size="10000GB", safe_serialization=False)
    texts = sorted(path.relative_to(theirs) for path in theirs.rglob("*.json"))
    assert texts == sorted(path.relative_to(tmp_path / "ours") for path in (tmp_path / "ours").rglob("*.json"))
    for name in texts:
        assert (tmp_path / "ours" / name).read_text() == (theirs / name).read_text()


def test_dtypes_are_kept_as_the_model_holds_them(opt_reference: PreTrainedModel, tmp_path: Path) -> None:
    opt_reference.model.decoder.layers[0].fc1.half()
    save_pretrained_split(opt_reference, tmp_path)
    weights = tmp_path / "pytorch_model.bin"
    files = json.loads((weights / "key_to_filename.json").read_text())
    layer = "model.decoder.layers.{}.fc1.weight"
    assert torch.load(weights / files[layer.format(0)], weights_only=True).dtype == torch.float16
    assert torch.load(weights / files[layer.format(1)], weights_only=True).dtype == torch.float32


def test_a_view_does_not_drag_its_storage_along(tmp_path: Path) -> None:
    save_split({"row": torch.zeros(1000, 1000)[0]}, tmp_path / "w")
    assert (tmp_path / "w" / "p0.row").stat().st_size < 10_000


def test_saving_again_replaces_the_old_weights(tmp_path: Path) -> None:
    save_split({"old": torch.ones(2)}, tmp_path / "w")
    save_split({"new": torch.ones(2)}, tmp_path / "w")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w"]
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == ["key_to_filename.json", "p0.new"]


def test_an_interrupted_save_leaves_no_half_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def save_once(tensor: torch.Tensor, path: Path) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", save_once)
    with pytest.raises(KeyboardInterrupt):
        save_split({"a": torch.ones(2), "b": torch.ones(2)}, tmp_path / "w")
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("name", "clean"), [(" a b ", "a_b"), ("x/y:z", "xyz"), ("p0.a-b_c.weight", "p0.a-b_c.weight")]
)
def test_file_names(name: str, clean: str) -> None:
    assert sanitize_file_name(name) == clean


@pytest.mark.parametrize("name", ["", "  ", ".", "..", "//"])
def test_names_that_leave_nothing(name: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        sanitize_file_name(name)
