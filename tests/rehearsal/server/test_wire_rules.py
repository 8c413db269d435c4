"""Each rule's neighbourhood, generated, beside a reading of the rule's text one letter at a time."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from rehearsal.server.api.answers import Answers
from rehearsal.server.errors import ApiError
from rehearsal.server.wire.forms import form_fields
from rehearsal.server.wire.multipart import Boundary, multipart_parts
from rehearsal.server.wire.requests import Request
from rehearsal.server.workers.codec import Reply

many = settings(max_examples=150, deadline=None)
ODD = st.text(st.sampled_from("ab =&;+%4C3zé\t\r\n#?"), max_size=12)


def outcome(function, *args):
    """The result, or the class and the message of the error."""
    try:
        return function(*args)
    except ApiError as error:
        return error.java_type, error.message


class BrokenEscapeError(Exception):
    """Where a %-escape is none."""


def unescaped(text, *, plus=True):
    """The text without its escapes, bytes collected until something else comes."""
    made, waiting, at = "", b"", 0
    while at < len(text):
        letter = text[at]
        if letter == "%":
            code = text[at + 1 : at + 3]
            if not re.fullmatch("[0-9a-fA-F]{2}", code):
                raise BrokenEscapeError(at)
            waiting += bytes([int(code, 16)])
            at += 3
            continue
        made += waiting.decode("utf-8", "replace") + (" " if letter == "+" and plus else letter)
        waiting, at = b"", at + 1
    return made + waiting.decode("utf-8", "replace")


def asked_for(target):
    """The pairs of a query, in the order in which they stand."""
    path, mark, query = re.match(r"([^?#]*)(\??)([^#]*)", target, re.DOTALL).groups()
    pairs, at = [], len(path) + 1
    for item in re.split("[&;]", query if mark else ""):
        name = item.lstrip("=")
        start = at + len(item) - len(name)
        at += len(item) + 1
        if not name:
            continue
        key, _, value = name.partition("=")
        for part, place in ((key, start), (value, start + len(key) + 1)):
            try:
                unescaped(part)
            except BrokenEscapeError as broken:
                index = place + broken.args[0]
                if index + 3 > place + len(part):
                    text = f"unterminated escape sequence at index {index} of: {target}"
                else:
                    text = f"invalid hex byte '{target[index + 1 : index + 3]}' at index {index + 1} of '{target}'"
                return "IllegalArgumentException", text
        pairs.append((unescaped(key), unescaped(value)))
    return pairs


@many
@given(ODD, ODD, st.booleans())
def test_queries(path, query, has_query):
    target = "/" + re.sub("[?#%]", "", path) + ("?" + query if has_query else "#" + query)
    expected = asked_for(target)
    got = outcome(lambda: Request("GET", target, []).query)
    if isinstance(expected, list):  # the values of one name stand together
        assert sorted(got) == sorted(expected)
        request = Request("GET", target, [])
        for key, _ in expected:
            first = next(value for name, value in expected if name == key)
            assert request.parameter(key) == (first or None)
    else:
        assert got == expected


def filled_in(body):
    """The fields of a form: a key to `=` or `&`, then a value to `&` or the end of its line."""
    fields, key, value = [], b"", None
    for at, byte in enumerate(body):
        letter = bytes([byte])
        if value is None:
            if letter == b"=":
                name = cleaned(key)
                if isinstance(name, tuple):
                    return name
                key, value = b"", b""
            elif letter == b"&":
                if key:
                    name = cleaned(key)
                    if isinstance(name, tuple):
                        return name
                    fields.append((name, b""))
                key = b""
            else:
                key += letter
            continue
        if letter not in (b"&", b"\r", b"\n"):
            value += letter
            continue
        if letter == b"\r" and body[at + 1 : at + 2] not in (b"\n", b""):
            return "ErrorDataDecoderException", "Bad end of line"  # before its value is read
        field = value_of(value)
        if isinstance(field, tuple):
            return field
        fields.append((name, field))
        value = None
        if letter != b"&":
            return fields
    if value is not None:
        field = value_of(value)
        if isinstance(field, tuple):
            return field
        fields.append((name, field))
    return fields


def cleaned(key):
    text = key.decode("utf-8", "replace")
    try:
        name = unescaped(text)
    except BrokenEscapeError as broken:
        at = broken.args[0]
        if at + 3 > len(text):
            return "ErrorDataDecoderException", f"unterminated escape sequence at index {at} of: {text}"
        return "ErrorDataDecoderException", f"invalid hex byte '{text[at + 1 : at + 3]}' at index {at + 1} of '{text}'"
    name = re.sub(r"^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+\Z|\n", "", re.sub("[\r\t]", " ", name))
    return name or ("ErrorDataDecoderException", "Param 'name' must not be empty")


def value_of(data):
    made, at = b"", 0
    while at < len(data):
        if data[at : at + 1] == b"%":
            if not re.fullmatch(rb"[0-9a-fA-F]{2}", data[at + 1 : at + 3]):
                shown = data.decode("utf-8", "replace")
                return "ErrorDataDecoderException", f"Invalid hex byte at index '{at}' in string: '{shown}'"
            made += bytes([int(data[at + 1 : at + 3], 16)])
            at += 3
        else:
            made += data[at : at + 1].replace(b"+", b" ")
            at += 1
    return made.decode("utf-8", "replace").encode()


@many
@given(st.lists(ODD, max_size=4).map("&".join), st.sampled_from(["utf-8", "latin-1"]))
def test_forms(text, charset):
    body = text.encode(charset)
    assert outcome(form_fields, body) == filled_in(body)


NAMES = st.text(st.sampled_from('ab ,:=;\t\\é"'), min_size=1, max_size=6)
DATA = st.binary(max_size=6).filter(lambda data: b"X" not in data and not data.endswith(b"\r"))
CHARSETS = st.sampled_from([None, "utf-8", "ISO-8859-1", "us-ascii"])


@many
@given(st.lists(st.tuples(NAMES, DATA, CHARSETS, st.booleans()), max_size=4), st.booleans(), DATA, st.booleans())
def test_multipart(parts, is_closed, before, crlf):
    """Every part that is followed by a delimiter counts, whatever came before the first."""
    line = "\r\n" if crlf else "\n"
    body, expected = before + line.encode(), []
    for number, (name, data, charset, is_file) in enumerate(parts):
        quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        shown = quoted.replace('"', "").translate(str.maketrans(",:=;\t", "     ")).strip()
        shown = shown.strip() or None
        head = f"--X{line}Content-Disposition: form-data; name={quoted}{'; filename=f' if is_file else ''}{line}"
        if charset:
            head += f"content-type: text/plain; Charset={charset}{line}"
        body += (head + line).encode() + data + line.encode()
        is_whole = is_closed or number + 1 < len(parts)
        if shown is None:
            expected = ("ErrorDataDecoderException", "Param 'name' must not be empty")
            break
        if is_whole:
            expected.append((shown, data if is_file else data.decode(charset or "utf-8", "replace").encode()))
    if is_closed and parts:
        body += b"--X--" + line.encode()
    assert outcome(multipart_parts, body, Boundary("--X")) == expected


TOKEN = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


@many
@given(
    st.lists(st.binary(max_size=2), max_size=4),
    st.booleans(),
    st.sampled_from(["", "0", "1", "2", "3", "5", "-1", "-2", "x", "+1", "01"]),
    st.sampled_from([-1, 0, 1, 2, 3, 9]),
)
def test_polls(pieces, has_ended, tail, limit):
    """The pieces from `tail` on, at most `limit`, and a token unless the last one of a stream is among them."""
    stored = Answers()
    stored.put(TOKEN, Reply(207, "so", {"h": "v"}))
    for piece in pieces:
        stored.add(TOKEN, piece)
    if has_ended:
        stored.end(TOKEN)
    got = outcome(stored.get, TOKEN + tail, limit)
    if tail == "x":
        assert got == ("BadRequestException", 'For input string: "x"')
        return
    start = int(tail or "0")
    end = len(pieces) if limit < 0 or start + limit < -1 else min(start + limit, len(pieces))
    if start < 0 and start < end:
        assert got == ("BadRequestException", f"Index {start} out of bounds for length {len(pieces)}")
        return
    token = None if has_ended and end == len(pieces) else f"{TOKEN}{end}"
    assert (got.code, got.contents) == (
        207 if start == 0 else 200,
        [(None, b"".join(pieces[max(start, 0) : max(end, 0)]))],
    )
    assert got.properties.get("h") == ("v" if start == 0 else None)
    assert got.properties.get("x-next-token") == token
