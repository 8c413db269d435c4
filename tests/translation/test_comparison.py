"""What a translation may not lose, add or break is found; a good translation is let through."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import pytest

import catalogs
import comparison

GOOD = [
    ("OPT-13B has 13 billion weights.", "OPT-13B には130億個の重みがあります。"),
    ("7 million rows, 1,300 a second", "毎秒1,300行、全部で700万行です。"),
    ("Two of three fit; it takes twelve seconds.", "3つのうち2つが入り、12秒かかります。"),
    ("Use `tensor_parallel_degree` 2.", "`tensor_parallel_degree` は2にします。"),
    ("It holds 16 GiB, 8.7 ms a step.", "容量は16 GiB で、1ステップに8.7 ms かかります。"),
    ("**Predict.** Which one?", "**予想**: どれでしょうか？"),
    ("See [the glossary](../docs/glossary.md#token).", "[用語集](../docs/glossary.md#token)を見てください。"),
    ("| a | b |", "| あ | い |"),
    ("- one\n- two", "- 1つ目\n- 2つ目"),
    ("<summary>Answer</summary>", "<summary>解答</summary>"),
    ("Inferentia2 (a chip)", "Inferentia2 (チップ) です。"),
    ("It costs $0.76 an hour, 50% less.", "1時間 $0.76 で、50% 安くなります。"),
    ("Since April 2023 and 2025-09-16", "2023年4月と2025年9月16日から"),
    ("a million tokens, 7.4 M parameters", "100万トークン、740万パラメータ"),
    ("an eighth, a tenth, the ninety-ninth, fifty times", "8分の1、10分の1、99番目、50倍"),
    ("half a second, half an hour", "0.5秒、30分"),
    ("a hundredth, a thousandth", "100分の1、1000分の1"),
    ("call `make\nmigrate-env`", "`make migrate-env` を呼び出します"),
    ("the paper", "論文"),
    ("from 0.25 on, port 8080", "0.25から、ポート8080"),
    ("[03 Serve](03_serve.ipynb) comes before", "[03 サーバー](03_serve.ipynb) のあとに"),
    ("one of `a`, `b` and the batch", "`a`・`b`・バッチのいずれか"),
    ("the 2,048 tokens of 12 chips", "12チップで2,048トークン"),
    ("> four digits are missing", "> four digits are missing"),
    ("[TEN404] is the compiler's own.", "[TEN404] はコンパイラ自身のエラーです。"),
]


@pytest.mark.parametrize(("english", "japanese"), GOOD)
def test_a_good_translation_has_no_problem(english: str, japanese: str) -> None:
    assert not comparison.problems(english, japanese, "ja")


BAD = [
    ("It takes 12 seconds.", "13秒かかります。", "number lost: 12"),
    ("It takes a while.", "15秒かかります。", "number added: 15"),
    ("It takes 2,048 tokens.", "2048トークンかかります。", "number lost: 2,048"),
    ("13 billion weights", "13億個の重み", "number lost: 13"),
    ("16 GiB", "16 GB", "units lost: GiB"),
    ("Set `batch_size`.", "バッチサイズを決めます。", "code lost: batch_size"),
    ("Set it.", "`batch_size` を決めます。", "code added: batch_size"),
    ("```\nmake run\n```", "```\nmake test\n```", "code lost: ```"),
    ("[a](b.md)", "[a](c.md)", "links' targets lost: b.md"),
    ("[a](b.md)", "a です。", "links' targets lost: b.md"),
    ("## One", "# 一", "headings lost: ##"),
    ("- one\n- two", "- 一と二", "list items lost: -"),
    ("| a | b |", "| あ い |", "tables' columns lost: 3"),
    ("<details>x</details>", "<details>x", "tags lost: </details>"),
    ("See **this**.", "これは**「これ」。**です。", "emphasis that Markdown does not see"),
    ("a word", "ＡＢＣの語", "full-width letters"),
    ("a word (b)", "語（b）", "full-width brackets"),
    ("a word", "語,です", "half-width punctuation"),
    ("the NeuronCore is", "これはNeuronCore です。", "no blank between Japanese and a Latin word"),
    ("`x` is", "これは`x` です。", "no blank between Japanese and code"),
    ("two chips", "チップは 2 個です。", "a blank between Japanese and a number"),
    ("a chip (b)", "チップ(英語)です。", "no blank outside a bracket"),
    ("One line.", "一つの\n文です。", "a line broken inside a sentence"),
    ("the head", "注意ヘッドです。", "the word is アテンションヘッド"),
]


@pytest.mark.parametrize(("english", "japanese", "problem"), BAD)
def test_a_bad_translation_is_named(english: str, japanese: str, problem: str) -> None:
    assert any(problem in one for one in comparison.problems(english, japanese, "ja"))


def without(pattern: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, "", text, count=1, flags=re.M)


# Something that may happen to any text while it is edited.
DAMAGE = {
    "a number": without(r"(?<![\w.,`#/=-])\d\d+(?:[.,]\d+)*(?![\w.,`%-]*[`\])/])"),
    "a code span": without(r"(?<!`)`[^`\n]+`(?!`)"),
    "a link": lambda text: re.sub(r"\]\(([^)]+)\)", r"](other-\1)", text, count=1),
    "a heading": without(r"^#"),
    "a list item": without(r"^- "),
    "a column": without(r" \|$"),
    "a tag": without(r"</\w+>"),
}


@pytest.mark.parametrize("source", catalogs.sources(), ids=lambda path: str(path.relative_to(catalogs.ROOT)))
def test_whatever_a_real_translation_loses_is_found(source) -> None:
    """Tried on the texts that stand there, several of each file."""
    entries = catalogs.read_catalog(catalogs.catalog_path(source, "ja"))
    texts = [(message.text, entry.translation) for message, entry in entries.items() if "```" not in message.text]
    for kind, damage in DAMAGE.items():
        damaged = ((english, before, damage(before)) for english, before in texts)
        for english, before, after in itertools.islice(filter(lambda one: is_lost(kind, *one), damaged), 5):
            assert list(comparison.differences(english, after)), f"{kind} lost unseen:\n{before}\n{after}"


def is_lost(kind: str, english: str, before: str, after: str) -> bool:
    """Tell whether a damage shows; a number that the English has as a word may stand several times."""
    as_a_word = kind == "a number" and re.search(r"(?i)\b(?:ten|eleven|twelve|million)", english)
    return before != after and not as_a_word
