"""inf2lab.language: what a reader sees beside the prose, in each language of the program, and English as it was."""

from __future__ import annotations

import html
import json
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib.text import Text

import draw_pictures
import page_files
from inf2lab import LabError, Settings, pictures, plan, reveal
from inf2lab.aws import path_table
from inf2lab.folder.article import write_article
from inf2lab.language import languages, spoken, translated, translated_html, translations
from inf2lab.lint import RULES, Target, annotated, lint
from inf2lab.measure import figures, report
from inf2lab.pictures import letters
from inf2lab.planning import plan_for

from .measure.conftest import result_of

ROOT = Path(__file__).resolve().parents[2]
OTHERS = languages()[1:]
ENGLISH = re.compile(r"(?<![\w./-])[a-z]{2,} (?:[a-z]{2,}|[0-9.]+)(?![\w./-])")
CITED = re.compile(r"transformers(?:-neuronx)? [\d.]+|aws-neuron-s\w+ .*?(?=。|$)|[\w. -]+ README: [^。]*")
TAG = re.compile(r"<[^>]*>")
PRINTED = re.compile(r"<pre.*?</pre>", re.DOTALL)
COMPOSED = ("You said nothing", " begins with vLLM", " error ", " warning ", " note ")  # of an f-string's parts
PLANS = {
    "a model of later packages": lambda: plan_for("mistralai/Mistral-7B-v0.1"),
    "the article's": lambda: plan(Settings()),
    "some copies": lambda: plan(Settings(copies=3, tensor_parallel_degree=8)),
    "a row too many": lambda: plan(Settings(batch_size=3)),
    "padded heads": lambda: plan(Settings(tensor_parallel_degree=24)),
    "no such degree": lambda: plan_for("opt-13b", tensor_parallel_degree=3),
    "old rules": lambda: plan_for("opt-13b", tensor_parallel_degree=24, profile="seed-0.21"),
    "a small host": lambda: plan_for("opt-13b", tensor_parallel_degree=2, instance="inf2.xlarge"),
    "a new model": lambda: (
        plan_for("Qwen/Qwen3-8B", tensor_parallel_degree=8) if False else plan_for("mistral-7b-v0.1")
    ),
    "a later release": lambda: plan_for("llama-2-70b-hf", tensor_parallel_degree=16, profile="djl-0.29"),
    "too many positions": lambda: plan_for("opt-1.3b", n_positions=4096),
    "a torus": lambda: plan_for("bloom", instance="trn1.32xlarge", tensor_parallel_degree=32),
    "devices apart": lambda: plan_for("opt-13b", tensor_parallel_degree=8, devices="0,10,2,4,6,8,1,11"),
    "devices in a row": lambda: plan_for("opt-13b", tensor_parallel_degree=4, devices="0,1"),
    "no price": lambda: plan_for("gpt2", instance="trn1n.32xlarge"),
}


def words(page: str) -> list[str]:
    """The texts between a page's tags."""
    return [html.unescape(text) for text in TAG.split(page) if text.strip()]


def tags(page: str) -> list[str]:
    """The tags of a page without those of code, which stands where the language wants it."""
    return [tag for tag in TAG.findall(page) if "code" not in tag]


def left_in_english(texts: list[str]) -> list[str]:
    """Texts with two English words, or a word and a number, beside each other; titles of sources stay as they are."""
    return [text for text in texts if ENGLISH.search(CITED.sub("", text))]


def places(message: str) -> list[str]:
    """The names of what is filled in."""
    return sorted(name for _, name, *_ in string.Formatter().parse(message) if name is not None)


@pytest.mark.parametrize("language", OTHERS)
def test_each_translation_has_the_places_of_its_message(language: str) -> None:
    for message, translation in translations(language).items():
        assert places(message) == places(translation), message
        assert len(set(places(message))) == len(places(message)), message


def test_a_message_still_stands_in_the_program() -> None:
    """A sentence that was changed where it is made is not found any more, and its translation would be lost."""
    text = " ".join([*COMPOSED, *(file.read_text(encoding="utf-8") for file in speaking())])
    said = re.sub(r'"\s*\n\s*f?"', "", text).replace("\\n", " ")  # a string may go on in the next line
    for message in translations("ja"):
        for letters_, *_ in string.Formatter().parse(message):
            pieces = (piece.strip() for piece in re.split(r"[;:,.()`\d\n✗▲•]", letters_))
            assert not [piece for piece in pieces if re.search("[a-z]{2}", piece) and piece not in said], message


def speaking() -> Iterator[Path]:
    """The files whose words a reader may see in a notebook."""
    for folder in ("lib/inf2lab", "lib/neuron_rules", "notebooks/source"):
        yield from (ROOT / folder).rglob("*.py")
    yield from (ROOT / "lib/inf2lab/catalog").glob("*.json")
    yield from (ROOT / "lib/inf2lab").rglob("*.html")


def test_an_unknown_language_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INF2LAB_LANGUAGE", "tlh")
    with pytest.raises(LabError, match=r"INF2LAB_LANGUAGE=tlh: the program speaks en, ja; set one of them"):
        spoken()


def test_english_is_what_it_was() -> None:
    page = path_table()._repr_html_()
    assert translated_html(page, "en") is page
    assert "what bills there" in page
    assert "You said 3. It is 2." in reveal(3, 2)._repr_html_()


def test_a_text_that_nobody_translated_stays_english() -> None:
    assert translated("a sentence of tomorrow", "ja") == "a sentence of tomorrow"


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("name", PLANS)
def test_a_plan_has_the_same_cells_and_no_english_word(name: str, language: str) -> None:
    english = PLANS[name]()._repr_html_()
    page = translated_html(english, language)
    assert tags(page.replace("white-space:nowrap; ", "")) == tags(english)
    assert left_in_english(words(page)) == []
    assert translated_html(page, language) == page  # as inside an answer, which is translated as a whole


@pytest.mark.parametrize("language", OTHERS)
def test_no_table_and_no_answer_of_a_notebook_stays_english(language: str) -> None:
    """What the program printed, and the names that a notebook's own code gives, stay as they are."""
    pages = [page for file in sorted(ROOT.glob("notebooks/**/*.ipynb")) for page in tables(file)]
    said = [text for page in pages for text in words(PRINTED.sub("", translated_html(page, language)))]
    assert left_in_english([text.partition(" の正解")[2] or text for text in said]) == []


def tables(file: Path) -> Iterator[str]:
    """Every output of a notebook that is HTML."""
    outputs = (output for cell in json.loads(file.read_text())["cells"] for output in cell.get("outputs", ()))
    yield from ("".join(output["data"]["text/html"]) for output in outputs if "text/html" in output.get("data", {}))


@pytest.mark.parametrize("language", OTHERS)
def test_a_loads_page_is_told_in_the_language(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures.Picture, "savefig", lambda self, file, **how: None)  # its words are read
    loads = [result_of([100] * 10, clients=1), result_of([105, 110, 300] * 7, clients=2)]
    page = translated_html(report.page(loads, plan=plan(Settings())), language)
    assert f'<html lang="{language}">' in page
    captions = re.compile(r"<style>.*?</style>|<figcaption>.*?</figcaption>", re.DOTALL)
    assert left_in_english(words(captions.sub("", page))) == []
    for figure in (figures.latencies(loads), figures.throughput(loads), figures.chip_rates(plan(Settings()), loads)):
        assert left_in_english([translated(figure.alt, language)]) == []


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("code", RULES)
def test_what_a_rule_finds_is_told_in_the_language(code: str, language: str) -> None:
    rule = RULES[code]
    found = [*rule.EXPECT, *(text for one in getattr(rule, "MORE", ()) for text in one.expect)]
    told = [translated(text.partition(" ")[2], language) for text in found] + [translated(rule.CURE, language)]
    assert left_in_english([re.sub(r"`[^`]*`", "", text) for text in told]) == []
    assert all(re.search(r"[\u3040-\u30ff]", text) for text in told)


@pytest.mark.parametrize("language", OTHERS)
def test_an_annotated_file_keeps_its_code(language: str, tmp_path: Path) -> None:
    english = annotated(lint(write_article("built-in", tmp_path), Target("seed-0.21")))._repr_html_()
    page = translated_html(english, language)
    code = re.compile(r"<tr><td>\d+</td>.*?</tr>")
    assert code.findall(page) == code.findall(english)
    assert "直し方: <code>djl_python.transformer-neuronx</code> と書きます" in page


@pytest.mark.parametrize("language", OTHERS)
def test_numbers_of_a_table_stay(language: str) -> None:
    english = path_table()._repr_html_()
    page = translated_html(english, language)
    assert left_in_english(words(page)) == []
    assert re.findall(r"\d+\.\d+", page) == re.findall(r"\d+\.\d+", english)


def test_an_answer_is_judged_in_the_readers_language(monkeypatch: pytest.MonkeyPatch) -> None:
    english = reveal({"a": 3}, {"a": 2, "b": "legal"}, "legal", why="seq_length counts the prompt, too.")
    before = english._repr_html_()
    monkeypatch.setenv("INF2LAB_LANGUAGE", "ja")
    page = english._repr_html_()
    assert page == translated_html(before, "ja")
    assert words(page) == [
        "2問中0問正解",
        "✗ a の予想: 3、正解: 2",
        "✗ b の予想: まだありません、正解: legal",  # what a reader was asked for is not translated
        "seq_length にはプロンプトのトークンも含まれます。",
        "legal",  # nor what the notebook's own code says
    ]


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("name", draw_pictures.DRAWN)
def test_a_picture_has_all_its_words_in_the_language(name: str, language: str) -> None:
    svg = page_files.picture_file(name, language).read_text(encoding="utf-8")  # another test draws it
    said = [html.unescape(text) for text in re.findall(r"<(?:text|title)[^>]*>([^<]+)<", svg)]
    logged = {text for leaves in pictures.symptom_tree.TREE.values() for text, _ in leaves}
    assert left_in_english([text for text in said if text not in logged and text != said[0]]) == []
    assert translated(draw_pictures.DRAWN[name]().alt, language) == said[0]


def drawn_words(picture: pictures.Picture) -> list[str]:
    picture.to_png()
    return [text.get_text() for text in picture.findobj(Text) if text.get_text().strip()]


def test_without_a_font_a_picture_is_english_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INF2LAB_LANGUAGE", "ja")
    monkeypatch.setitem(letters.FONTS, "ja", ("No Such Font",))
    picture = pictures.lanes()
    assert {pictures.two_lanes.WORDS["folder"], letters.NO_LETTERS.format(language="ja")} <= set(drawn_words(picture))
    assert repr(picture).endswith("(図の言葉は英語: このマシンに言語 `ja` のフォントが見つからない)]")


@pytest.mark.filterwarnings("ignore:Glyph")
def test_with_a_font_a_picture_has_the_readers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INF2LAB_LANGUAGE", "ja")
    monkeypatch.setitem(letters.FONTS, "ja", ("No Such Font", "DejaVu Serif"))  # its Japanese letters are empty boxes
    picture = pictures.load_timeline()
    assert left_in_english(drawn_words(picture)) == []
    assert "イメージを取得" in drawn_words(picture)  # a tick's
    assert {tuple(text.get_fontfamily()) for text in picture.findobj(Text)} == {("DejaVu Serif", "DejaVu Sans")}


def test_english_needs_no_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters.font_manager, "get_font_names", lambda: pytest.fail("looked for a font"))
    assert drawn_words(pictures.lanes())
