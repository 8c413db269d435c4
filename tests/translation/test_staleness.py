"""A translation counts only while its English text stands letter by letter: what a change of one sentence does."""

from __future__ import annotations

from pathlib import Path

import pytest

import catalogs
import translate
from catalogs import Entry, Message

LANGUAGE = catalogs.languages()[0]
SOURCES = catalogs.sources()


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch):
    """A function that changes one message of every source, as if its English file had been edited."""

    def change(find, put) -> None:
        told = catalogs.messages
        monkeypatch.setattr(
            translate, "messages", lambda source: (put(m) if find(m) else m for m in told(source)), raising=True
        )

    return change


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(catalogs.ROOT)))
def test_one_changed_sentence_makes_exactly_its_message_stale(source: Path, changed) -> None:
    of_source = list(catalogs.messages(source))
    one = max(of_source, key=lambda message: len(message.text))
    edited = Message(f"{one.text}\nOne more sentence.", one.context)
    changed(lambda message: message == one, lambda message: edited)
    found = list(translate.todo(source, LANGUAGE))
    assert len(found) == 1
    assert "the English text has changed" in found[0]
    assert "One more sentence." in found[0]
    assert catalogs.read_catalog(catalogs.catalog_path(source, LANGUAGE))[one].translation.splitlines()[0] in found[0]


def test_a_new_message_asks_for_a_translation_and_a_removed_one_is_named(changed) -> None:
    source = SOURCES[0]
    first, second, *_ = catalogs.messages(source)
    changed(lambda message: message == first, lambda message: Message("Something else entirely", "nb00-c99"))
    found = "\n".join(translate.todo(source, LANGUAGE))
    assert "no translation of\n    | Something else entirely" in found
    assert "nothing has this text any more" in found
    assert second.text not in found


def entry(text: str, *, stale: bool = False, before: str = "") -> Entry:
    return Entry(text, stale=stale, before=before)


def test_a_changed_cell_keeps_its_translation_until_somebody_has_looked() -> None:
    old = {Message("Old text.", "c1"): entry("旧"), Message("Other.", "c2"): entry("他")}
    new = [Message("Quite another text.", "c1"), Message("Other.", "c2")]
    made = catalogs.merged(new, old)
    assert made == {new[0]: entry("旧", stale=True, before="Old text."), new[1]: entry("他")}
    # A second change before anybody looked: the text that was translated stays.
    again = catalogs.merged([Message("A third.", "c1"), new[1]], made)
    assert again[Message("A third.", "c1")] == entry("旧", stale=True, before="Old text.")


def test_a_changed_line_of_a_page_finds_the_nearest() -> None:
    old = {Message("The server waits for 2 seconds."): entry("2秒"), Message("Quite unlike."): entry("別")}
    made = catalogs.merged([Message("The server waits for 3 seconds."), Message("Zzz")], old)
    assert list(made.values()) == [entry("2秒", stale=True, before="The server waits for 2 seconds."), entry("")]


@pytest.mark.parametrize(
    "text", ['"quoted" and \\back', "two\nlines\n", "tab\there", "日本語 `x`", "  indented", "a long text " * 30]
)
def test_a_catalogue_gives_back_what_was_written(tmp_path: Path, text: str) -> None:
    entries = {
        Message(text, "c1"): entry(f"訳 {text}"),
        Message(text): entry(f"訳 {text}", stale=True, before=f"before {text}"),
        Message(f"{text} empty"): entry(""),
    }
    catalogs.write_catalog(tmp_path / "one.po", entries, "ja")
    assert catalogs.read_catalog(tmp_path / "one.po") == entries
    first = (tmp_path / "one.po").read_bytes()
    catalogs.write_catalog(tmp_path / "one.po", catalogs.read_catalog(tmp_path / "one.po"), "ja")
    assert (tmp_path / "one.po").read_bytes() == first
