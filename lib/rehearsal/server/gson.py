"""JSON as Gson writes and reads it: the library by which DJLServing does both."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from rehearsal.server.errors import ApiError
from rehearsal.server.java import as_int, parse_boolean, parse_int, utf16_size, without_halves

# Gson writes these as \u escapes, so that JSON may stand inside HTML.
HTML_CHARS = {ord(c): f"\\u{ord(c):04x}" for c in "'<>&=\u2028\u2029"}


def pretty(value: object) -> str:
    """`value` as Gson's pretty printer writes it; keys whose value is None are left out by the caller."""
    return json.dumps(value, indent=2, ensure_ascii=False).translate(HTML_CHARS)


def texts(text: str, *names: str) -> dict[str, str]:
    """The members of an object that have a text. Raises ApiError or EmptyError where there is no object."""
    reader, found = Reader(text), dict[str, str | None]()
    for name in reader.members():
        if name in names:
            found[name] = reader.text()
        else:
            reader.skip()
    return {name: value for name, value in found.items() if value is not None}


def whole_number(text: str) -> int:
    """A number as `getAsInt` gives it, without its fraction. Raises ApiError for a text that is none."""
    return as_int(int(float(text))) if NUMBER.fullmatch(text) and not text.isdigit() else parse_int(text)


class Token(NamedTuple):
    """The beginning of a value: its kind in Gson's words, and what is known of its text."""

    kind: str
    text: str = ""


ENDS = "/\\;#={}[]:, \t\f\r\n"  # a text without quotes
NULL = Token("NULL")
BLANK, LINE = re.compile(r"[ \r\t\n]*"), re.compile(r"[^\n\r]*")
BARE = re.compile(rf"[^{re.escape(ENDS)}]*")
PLAIN = {quote: re.compile(rf"[^{quote}\\]*") for quote in "\"'"}  # of a quoted text
WINDOW = 2**16  # characters that one search looks at: others run in between
KEYWORD = re.compile(r"(?:true|false|null)", re.ASCII | re.IGNORECASE)
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
DOUBLE = re.compile(r"[+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFdD]?)")
HEX_DOUBLE = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+[fFdD]?")
ESCAPES = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"} | {char: char for char in "\n'\"\\/"}


class Reader:
    """Reads one object, member by member, with all that Gson forgives; whatever it does not is a 500 in its words."""

    def __init__(self, text: str) -> None:
        self._text = text.removeprefix("\ufeff")
        self._pos = 0
        self._path: list[str] = []

    def members(self) -> Iterator[str]:
        """The names of the only object, each of whose values the caller takes. Raises EmptyError for no object."""
        for prefix in (")]}'\n", ""):  # the first is against scripts
            if not self._next(at_end=""):
                raise EmptyError
            self._pos -= 1
            if self._text.startswith(prefix, self._pos):
                self._pos += len(prefix)
        token = self._value()
        if token is NULL:
            raise EmptyError
        if token.kind != "BEGIN_OBJECT":
            raise self._unlike("BEGIN_OBJECT", token)
        self._path.append("")
        first = True
        while (name := self._name(first)) is not None:
            self._path[-1] = name
            yield name
            first = False
        self._path.pop()
        self._run(BLANK)
        if self._pos < len(self._text):
            self._pos += 1
            raise self._syntax("Use JsonReader.setLenient(true) to accept malformed JSON")

    def string(self) -> str | None:
        """The value as a text, also of a number or a boolean."""
        token = self._member()
        if token.kind == "BOOLEAN":
            return token.text
        return None if token is NULL else self._string(token, "a string")

    def boolean(self) -> bool | None:
        """The value as a boolean; a text is one, too."""
        token = self._member()
        if token.kind not in ("STRING", "BOOLEAN", "NULL"):
            raise self._unlike("a boolean", token)
        return None if token is NULL else parse_boolean(token.text or self._string(token, ""))

    def integer(self) -> int | None:
        """The value as an int; a text and a fraction of 0 are one, too."""
        token = self._member()
        if token is NULL:
            return None
        try:
            text = self._string(token, "an int")
        except ApiError as error:  # of an escape
            raise _syntax(str(error.message)) from error
        with contextlib.suppress(ApiError):
            return parse_int(text)
        trimmed = text.strip("".join(map(chr, range(33))))
        value = _double(trimmed)
        if not (value.is_integer() and -(2**31) <= value < 2**31):
            raise _syntax(f"Expected an int but was {text}{self._where()}")
        return int(value)

    def text(self) -> str | None:
        """The value as `getAsString` gives it; None for null, an object, an array of none or of several."""
        start = self._pos
        if (text := self._only_text()) is None:
            self._pos = start
            self.skip()
        return text

    def _only_text(self) -> str | None:
        token, depth = self._member(), 0
        while token.kind == "BEGIN_ARRAY":
            token, depth = self._element(True) or NULL, depth + 1
        if token.kind in ("NULL", "BEGIN_OBJECT"):
            return None
        text = token.text if token.kind == "BOOLEAN" else self._string(token, "")
        return None if any(self._element(False) for _ in range(depth)) else text

    def skip(self) -> None:
        """Passes over a value of any shape."""
        token, depth = self._member(), len(self._path)
        empty: list[bool] = []  # of each open array or object
        while True:
            if token.kind in ("BEGIN_ARRAY", "BEGIN_OBJECT"):
                self._path.append("[0]" if token.kind == "BEGIN_ARRAY" else "")
                empty.append(True)
            elif token.kind in ("STRING", "NUMBER"):
                self._string(token, "")
            following: Token | None = None
            while empty and following is None:
                following = self._element(empty[-1]) if self._path[-1] else self._inner_member(empty[-1])
                empty[-1] = False
                if following is None:
                    empty.pop()
                    self._path.pop()
            if following is None or len(self._path) == depth:
                return
            token = following

    def _name(self, first: bool) -> str | None:
        """The next name of an object, or None at its end."""
        if not first:
            char = self._next()
            if char == "}":
                return None
            if char not in ",;":
                raise self._syntax("Unterminated object")
        char = self._next()
        if char == "}" and first:
            return None
        if char in "\"'":
            return self._quoted(char)
        if char == "}":
            raise self._syntax("Expected name")
        self._pos -= 1
        if char in ENDS:
            raise self._syntax("Expected name")
        return self._run(BARE)

    def _member(self) -> Token:
        """The beginning of the value after a name."""
        char = self._next()
        if char == "=" and self._text.startswith(">", self._pos):
            self._pos += 1
        elif char not in ":=":
            raise self._syntax("Expected ':'")
        return self._value()

    def _inner_member(self, first: bool) -> Token | None:
        return None if self._name(first) is None else self._member()

    def _element(self, first: bool) -> Token | None:
        """The beginning of the next value of an array, or None at its end; nothing between commas is null."""
        if not first:
            char = self._next()
            if char == "]":
                return None
            if char not in ",;":
                raise self._syntax("Unterminated array")
        char = self._next()
        if char == "]" and first:
            return None
        self._pos -= 1
        return NULL if char in "],;" else self._value()

    def _value(self) -> Token:
        char = self._next()
        if char in "];,":
            raise self._syntax("Unexpected value")
        if char in "\"'[{":
            return Token({"[": "BEGIN_ARRAY", "{": "BEGIN_OBJECT"}.get(char, "STRING"))
        self._pos -= 1
        start, bare = self._pos, self._run(BARE)
        if KEYWORD.fullmatch(bare):
            return NULL if bare.lower() == "null" else Token("BOOLEAN", bare.lower())
        is_number = NUMBER.fullmatch(bare)
        if not is_number or not _is_long(bare):
            self._pos = start
        if not bare:
            raise self._syntax("Expected value")
        return Token("NUMBER", bare) if is_number else Token("STRING")

    def _string(self, token: Token, wanted: str) -> str:
        """The text of a value that has begun."""
        if token.kind == "NUMBER":
            if self._text.startswith(token.text, self._pos):
                self._pos += len(token.text)
            return token.text
        if token.kind != "STRING":
            raise self._unlike(wanted, token)
        before = self._text[self._pos - 1 : self._pos]
        return self._quoted(before) if before and before in "\"'" else self._run(BARE)

    def _run(self, pattern: re.Pattern[str]) -> str:
        """What a pattern takes, which is passed over."""
        start = self._pos
        while (match := pattern.match(self._text, self._pos, self._pos + WINDOW)) and match.end() > self._pos:
            self._pos = match.end()
        return self._text[start : self._pos]

    def _quoted(self, quote: str) -> str:
        """The text up to a quote, which is passed over."""
        parts: list[str] = []
        while True:
            parts.append(self._run(PLAIN[quote]))
            char = self._text[self._pos : self._pos + 1]
            if not char:
                raise self._syntax("Unterminated string")
            self._pos += 1
            if char == quote:
                return without_halves("".join(parts))
            parts.append(self._escaped())

    def _escaped(self) -> str:
        char = self._text[self._pos : self._pos + 1]
        self._pos += 1
        if char == "u" and len(digits := self._text[self._pos : self._pos + 4]) == 4:
            if not re.fullmatch("[0-9a-fA-F]{4}", digits):
                raise ApiError(500, "NumberFormatException", f"\\u{digits}")
            self._pos += 4
            return chr(int(digits, 16))
        if char in ("", "u"):
            self._pos -= not char
            raise self._syntax("Unterminated escape sequence")
        if char not in ESCAPES:
            raise self._syntax("Invalid escape sequence")
        return ESCAPES[char]

    def _next(self, at_end: str | None = None) -> str:
        """The next character that is neither blank nor comment, passed over; `at_end` where there is none."""
        self._run(BLANK)
        while self._text.startswith(("#", "//", "/*"), self._pos):
            self._pass_comment()
            self._run(BLANK)
        if self._pos == len(self._text):
            if at_end is None:
                raise self._syntax("End of input")
            return at_end
        self._pos += 1
        return self._text[self._pos - 1]

    def _pass_comment(self) -> None:
        if not self._text.startswith("/*", self._pos):
            self._run(LINE)
            return
        end = self._text.find("*/", self._pos + 2)
        self._pos = end + 2 if end >= 0 else max(self._pos + 2, len(self._text) - 1)
        if end < 0:
            raise self._syntax("Unterminated comment")

    def _unlike(self, wanted: str, token: Token) -> ApiError:
        return self._syntax(f"Expected {wanted} but was {token.kind}")

    def _syntax(self, why: str) -> ApiError:
        return _syntax(f"{why}{self._where()}")

    def _where(self) -> str:
        line = self._text.count("\n", 0, self._pos) + 1
        begin = self._text.rfind("\n", 0, self._pos)
        column = utf16_size(self._text[begin + 1 : self._pos]) + 1
        path = "".join(part if part.startswith("[0]") else f".{part}" for part in self._path)
        return f" at line {line} column {column} path ${path}"


def _is_long(number: str) -> bool:
    digits = number.lstrip("-")
    return digits.isdigit() and len(digits) < 20 and number != "-0" and -(2**63) <= int(number) < 2**63


def _double(text: str) -> float:
    """A text as Java reads a double. Raises the error of one that is none."""
    if HEX_DOUBLE.fullmatch(text):
        with contextlib.suppress(OverflowError):
            return float.fromhex(text.rstrip("fFdD"))
        return math.inf
    if not DOUBLE.fullmatch(text):
        raise _syntax(f'For input string: "{text}"' if text else "empty String")
    return float(text.rstrip("fFdD"))


class EmptyError(Exception):
    """The text holds nothing, or null."""


def _syntax(message: str) -> ApiError:
    return ApiError(500, "JsonSyntaxException", message)
