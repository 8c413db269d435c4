"""serving.properties as Java reads it, with the line of every key: comments, continuations, escapes, duplicates."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

import javaproperties

from inf2lab.errors import FolderError
from inf2lab.files import write_file

FILE_NAME = "serving.properties"
OPTION = "option."
_UTF_16 = ("\u00ff\u00fe", "\u00fe\u00ff")  # its mark, read as Latin-1
IS_UTF_16 = "the file is UTF-16, of which Java reads no key"
MAKE_UTF_8 = "Save it as UTF-8 without a byte order mark; in PowerShell write it with `Set-Content -Encoding ascii`."
_LINE_END = re.compile(r"\r\n|\r|\n")
_BAD_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u(?![0-9A-Fa-f]{4})")
# Leading blanks, key, separator, value: Java's rules for one line.
_PARTS = re.compile(r"([ \t\f]*)((?:\\.|[^\\ \t\f:=])*)([ \t\f]*[:=]?[ \t\f]*)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Edit:
    """A safe fix: lines `first` to `last` of serving.properties become `text` (no line ends; empty deletes)."""

    first: int
    last: int
    text: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One key and its value, on lines `line` to `last`; `source` is the text of those lines without the last end.

    `file` is another one where a variable of the container gives the value, and `variable` its name.
    """

    key: str
    value: str
    line: int
    last: int
    source: str
    file: str = FILE_NAME
    variable: str = ""

    @property
    def written(self) -> str:
        """The key as it stands in its file."""
        return self.variable or self.key

    @property
    def name(self) -> str:
        """The key without `option.`."""
        return self.key.removeprefix(OPTION)

    @property
    def is_option(self) -> bool:
        """Whether the key begins with `option.`."""
        return self.key.startswith(OPTION)

    @property
    def number(self) -> int | None:
        """The value as a Java int, or None."""
        text = self.value.strip()
        if not re.fullmatch(r"[+-]?[0-9]{1,10}", text):
            return None
        return int(text) if -(2**31) <= int(text) < 2**31 else None

    def with_key(self, key: str) -> Edit:
        """The edit that gives the value another key; blanks and separator stay."""
        before, _, separator, value = self._parts()
        return Edit(self.line, self.last, (f"{before}{key}{separator or '='}{value}",))

    def with_value(self, value: str) -> Edit:
        """The edit that gives the key another value, of letters that need no escape."""
        before, key, separator, _ = self._parts()
        return Edit(self.line, self.last, (f"{before}{key}{separator or '='}{value}",))

    def removed(self) -> Edit:
        """The edit that removes the line."""
        return Edit(self.line, self.last, ())

    def _parts(self) -> tuple[str | None, ...]:
        joined = re.sub(r"\\(?:\r\n|\r|\n)[ \t\f]*", "", self.source)
        match = _PARTS.fullmatch(joined)
        return match.groups() if match else ("", self.key, "=", self.value)


@dataclass(frozen=True)
class Properties:
    """A parsed file: `entries` in order, comments as (line, text), and lines whose \\u escape Java refuses.

    `given` stands in the container's environment, and counts where the file does not say the key.
    """

    entries: tuple[Entry, ...] = ()
    comments: tuple[tuple[int, str], ...] = ()
    bad_escapes: tuple[int, ...] = ()
    lines: tuple[str, ...] = field(default=(), repr=False)
    given: tuple[Entry, ...] = ()

    @property
    def utf_16(self) -> bool:
        """Whether the file is UTF-16, as PowerShell's `>` writes it."""
        return bool(self.lines) and self.lines[0].startswith(_UTF_16)

    @property
    def bad_bytes(self) -> Iterator[int]:
        """The lines with bytes that are no UTF-8: DJL reads the file once more as that, and the load ends."""
        for number, line in enumerate(self.lines, 1):
            try:
                line.encode("latin-1", "ignore").decode()
            except UnicodeDecodeError:
                yield number

    def last(self, *keys: str) -> Entry | None:
        """The entry that counts for the first of `keys` that is set: the last one with that key."""
        return next((self._last[key] for key in keys if key in self._last), None)

    @cached_property
    def _last(self) -> Mapping[str, Entry]:
        return {entry.key: entry for entry in (*reversed(self.given), *self.entries)}

    def effective(self, *, given: bool = True) -> Iterator[Entry]:
        """The entries whose value counts, in file order; with `given` those of the environment after them."""
        return iter(self._effective if given else self._effective_of_file)

    @cached_property
    def _effective_of_file(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if self._last[entry.key] is entry)

    @cached_property
    def _effective(self) -> tuple[Entry, ...]:
        return (*self._effective_of_file, *(entry for entry in self.given if self._last[entry.key] is entry))

    def values(self) -> dict[str, str]:
        """Return every key's value, in the order in which the keys first stand."""
        return {entry.key: entry.value for entry in self.entries}


@lru_cache(4)  # a command asks the same file several times
def parse_properties(text: str, file: str = FILE_NAME) -> Properties:
    """Return what Java's Properties.load makes of the text of `file`; never raises."""
    if text[:2] in _UTF_16:  # what it means is judged; Java reads none of it
        whole = text.encode("latin-1", "replace").decode("utf-16", "replace")
        return replace(parse_properties(whole, file), lines=tuple(_LINE_END.split(text)))
    lines = _LINE_END.split(text)
    entries, comments, bad = [], [], []
    line, refused = 1, _BAD_ESCAPE.search(text)
    # What Java refuses is read as plain text here, so that the other lines are still judged.
    for element in javaproperties.parse(_BAD_ESCAPE.sub(r"\1\\\\u", text)):
        source = element.source
        trimmed = source[:-2] if source.endswith("\r\n") else source[:-1] if source.endswith(("\r", "\n")) else source
        last = line + _ends(trimmed)
        if isinstance(element, javaproperties.KeyValue):
            entries.append(Entry(element.key, element.value, line, last, trimmed, file))
            if refused:
                bad += [number for number in range(line, last + 1) if _BAD_ESCAPE.search(lines[number - 1])]
        elif isinstance(element, javaproperties.Comment):
            comments.append((line, trimmed.strip()))
        line += _ends(source)
    return Properties(tuple(entries), tuple(comments), tuple(bad), tuple(lines))


def _ends(text: str) -> int:
    """Return the line ends in a text: \\r\\n is one."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def load_properties(path: Path) -> Properties:
    """Return a parsed properties file; raises FolderError if it cannot be read, or Java would not."""
    try:
        found = parse_properties(path.read_bytes().decode("latin-1"))
    except OSError as error:
        raise FolderError(path, f"cannot be read ({error.strerror}); notebooks 03 and 04 write one") from error
    if found.utf_16:
        raise FolderError(path, f"{IS_UTF_16}. {MAKE_UTF_8}")
    if found.bad_escapes:
        raise FolderError(path, f"line {found.bad_escapes[0]}: write \\uXXXX with four hexadecimal digits, or \\\\u")
    if bad := next(found.bad_bytes, None):
        raise FolderError(
            path, f"line {bad}: bytes that are no UTF-8, which DJL refuses; write \\uXXXX for such letters"
        )
    return found


def read_properties(path: Path | str) -> dict[str, str]:
    """Return the keys and values of a properties file, in file order; raises FolderError if it cannot be read."""
    return load_properties(Path(path)).values()


def write_properties(path: Path | str, values: Mapping[str, object]) -> Path:
    """Write `values` as a properties file, whole or not at all; same input, same bytes. Returns the path."""
    text = properties_text(values).encode("latin-1")
    return write_file(Path(path), text, mode=0o644)  # the container reads it as another user


def properties_text(values: Mapping[str, object]) -> str:
    """Return `values` as the text of a properties file, which reads back as the same."""
    return "".join(f"{javaproperties.join_key_value(key, str(value))}\n" for key, value in values.items())
