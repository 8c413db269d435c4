"""Prompts: a data file, lengths from a distribution, counted by the model's own tokenizer, the same for a seed."""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path

import pytest

from inf2lab.errors import MeasureError, SettingsError
from inf2lab.measure import Target, Tokens
from inf2lab.measure.prompts import PROMPTS, Lengths, draw_prompts, read_prompts, tokens_of


@pytest.fixture(scope="module")
def tokens(root: Path) -> Tokens:
    return Tokens(root / "models" / "tiny-opt")


@pytest.mark.parametrize("text", ["", "0", "-5", "9-3", "long", "4~", "3.5"])
def test_lengths_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="16-64"):
        Lengths.parse(text)


def test_lengths_are_drawn_from_what_was_asked_for() -> None:
    rng = random.Random(0)
    assert {Lengths.parse("file").draw(rng) for _ in range(9)} == {0}
    assert {Lengths.parse("12").draw(rng) for _ in range(9)} == {12}
    assert {Lengths.parse("3-5").draw(rng) for _ in range(200)} == {3, 4, 5}
    normal = [Lengths.parse("40~8").draw(rng) for _ in range(2000)]
    assert sum(normal) / len(normal) == pytest.approx(40, rel=0.03)
    assert 500 < sum(abs(value - 40) > 8 for value in normal) < 650  # 29 % of a rounded normal
    assert min(Lengths.parse("2~50").draw(rng) for _ in range(200)) == 1


def test_the_shipped_prompts_are_many_and_differ() -> None:
    prompts = read_prompts()
    assert len(prompts) == len(set(prompts)) >= 40
    assert not [prompt for prompt in prompts if prompt.startswith("#")]


@pytest.mark.parametrize("content", [None, "", "# only a comment\n\n", b"\xff\xfe"])
def test_a_file_without_prompts_is_refused(tmp_path: Path, content: str | bytes | None) -> None:
    path = tmp_path / "prompts.txt"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(MeasureError, match=r"prompts\.txt"):
        read_prompts(path)


@pytest.mark.parametrize("wanted", [1, 7, 64, 300])
def test_prompts_are_cut_to_exactly_the_length(tokens: Tokens, wanted: int) -> None:
    drawn = draw_prompts(read_prompts(), Lengths.parse(str(wanted)), tokens, rows=3, rng=random.Random(wanted))
    assert tokens.count(drawn) == [wanted] * 3


def test_the_rows_of_a_request_have_one_length(tokens: Tokens) -> None:
    target = Target(url="http://127.0.0.1:1", rows=4, tokens=tokens, lengths="4-30")
    counts = [request.prompt_tokens for request in target.requests(0, 12)]
    assert all(len(set(of_one)) == 1 for of_one in counts)
    assert len({of_one[0] for of_one in counts}) > 4


def test_requests_are_those_of_the_seed_however_many_there_are(tokens: Tokens) -> None:
    target = Target(url="http://127.0.0.1:1", tokens=tokens, lengths="4-30")
    assert target.requests(5, 8) == target.requests(5, 20)[:8]
    assert target.requests(5, 8) != target.requests(6, 8)


def test_the_articles_length_counts_the_prompt_and_what_begins_it(tokens: Tokens) -> None:
    target = Target(url="http://127.0.0.1:1", rows=2, tokens=tokens, lengths="10", output_tokens=20)
    body = json.loads(target.requests(0, 1)[0].body)
    assert body["seq_length"] == 1 + 10 + 20
    assert len(body["text"]) == 2


def test_without_a_tokenizer_nothing_is_counted_and_no_length_can_be_had() -> None:
    target = Target(url="http://127.0.0.1:1", output_tokens=20)
    (request,) = target.requests(0, 1)
    assert request.prompt_tokens is None
    assert json.loads(request.body)["seq_length"] == 20
    with pytest.raises(MeasureError, match="tokenizer"):
        Target(url="http://127.0.0.1:1", lengths="10").requests(0, 1)


def test_tokens_are_the_models_own(tokens: Tokens, root: Path) -> None:
    from transformers import AutoTokenizer

    texts = list(read_prompts(PROMPTS))[:10]
    ids = AutoTokenizer.from_pretrained(root / "models" / "tiny-opt")(texts)["input_ids"]
    assert tokens.count(texts) == [len(row) - 1 for row in ids]  # less the one that begins every text
    assert pickle.loads(pickle.dumps(tokens)).count(texts) == tokens.count(texts)


def test_a_tokenizer_of_two_files_counts_as_well(tokens: Tokens, root: Path, tmp_path: Path) -> None:
    """facebook/opt-13b has vocab.json and merges.txt, and no tokenizer.json."""
    for name in ("vocab.json", "merges.txt", "config.json", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / name).write_bytes((root / "models" / "tiny-opt" / name).read_bytes())
    old = Tokens(tmp_path)
    assert old.count(["Describes the volume."]) == tokens.count(["Describes the volume."])
    assert old.ends("Describes the volume.") == tokens.ends("Describes the volume.")


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="nowhere"):
        Tokens(tmp_path / "nowhere").count(["a"])


def test_a_rehearsal_counts_with_its_stand_in(cache: Path) -> None:
    found = tokens_of("facebook/opt-13b", "rehearsal")
    assert found is not None
    assert found.count(["Deletes the volume."]) != [0]
    assert tokens_of("facebook/opt-13b", "inf2") is None
    assert tokens_of("nobody/nothing", "rehearsal") is None


def test_on_the_chip_tokens_are_counted_by_the_folders_own_model_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were counted with the stand-in's tokenizer, and the answer's record named it as the speaker."""
    monkeypatch.setattr("inf2lab.paths.container_cache", lambda: tmp_path)
    assert tokens_of("facebook/opt-13b", "inf2") is None
    repository = tmp_path / "huggingface" / "hub" / "models--facebook--opt-13b"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    found = tokens_of("facebook/opt-13b", "inf2")
    assert found is not None
    assert found.path == snapshot
