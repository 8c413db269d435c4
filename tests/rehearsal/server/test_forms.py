"""Form bodies as Netty's decoder reads them, edge by edge."""

from __future__ import annotations

import pytest

from rehearsal.server.errors import ApiError
from rehearsal.server.wire.escapes import decode_between
from rehearsal.server.wire.forms import form_fields
from rehearsal.server.wire.multipart import boundary
from rehearsal.server.wire.requests import Request
from rehearsal.server.workers.codec import whole


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"a=1&b=two+x%21", [("a", b"1"), ("b", b"two x!")]),
        (b"a=&b=", [("a", b""), ("b", b"")]),
        (b"a&b=1", [("a", b""), ("b", b"1")]),
        (b"a=1&b", [("a", b"1")]),
        (b"a=1=2", [("a", b"1=2")]),
        (b"a=1&a=2", [("a", b"1"), ("a", b"2")]),
        (b"a=1\r\nb=2", [("a", b"1")]),
        (b"a=1\nb=2", [("a", b"1")]),
        (b"a=1&\r\n", [("a", b"1")]),
        (b'{"seq_length": 8}', []),
        (b'{"q": "a&b"}', [('{"q": "a', b"")]),
        (b'{\n"q": "a=b"}', [('{"q": "a', b'b"}')]),
        (b"k=%C3%A4&%C3%A4=\xc3\xa4", [("k", "ä".encode()), ("ä", "ä".encode())]),
        (b"k=\xff", [("k", "\ufffd".encode())]),
        (b"", []),
        (b'" a "=1&\ta\r\nb\n=2', [('" a "', b"1"), ("a b", b"2")]),
        (b"&&a=1&&", [("a", b"1")]),
        (b"a=1\r", [("a", b"1")]),
    ],
)
def test_fields(body, fields):
    assert form_fields(body) == fields


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"a=%zz", "Invalid hex byte at index '0' in string: '%zz'"),
        (b"a=b%4", "Invalid hex byte at index '1' in string: 'b%4'"),
        (b"a%2=1", "unterminated escape sequence at index 1 of: a%2"),
        (b"%zz&", "invalid hex byte 'zz' at index 1 of '%zz'"),
        (b"a=1\rb", "Bad end of line"),
        (b"a=%\rb", "Bad end of line"),
        (b"=b", "Param 'name' must not be empty"),
        (b"+=b", "Param 'name' must not be empty"),
        (b"%20&", "Param 'name' must not be empty"),
    ],
)
def test_a_broken_escape_is_the_decoders_error(body, message):
    with pytest.raises(ApiError) as caught:
        form_fields(body)
    error = caught.value
    assert (error.status, error.java_type, error.message) == (500, "ErrorDataDecoderException", message)


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ("multipart/form-data; boundary=BB", "--BB"),
        ('multipart/form-data; boundary="B B"', "--B B"),
        ("multipart/form-data;charset=utf-8; Boundary=BB", "--BB"),
        ("multipart/form-data; boundary=a=b", "--a=b"),
        ("multipart/form-data; a=1; b=2; boundary=BB", None),
        ("multipart/form-data", None),
        ("multipart/mixed; boundary=BB", None),
        ("Multipart/Form-Data; boundary=BB", None),
        ("application/json", None),
        ("", None),
    ],
)
def test_boundaries(content_type, found):
    named = boundary(content_type)
    assert (named and named.delimiter) == found


@pytest.mark.parametrize("parameter", ["boundary", "boundary="])
def test_a_boundary_without_a_value_is_refused(parameter):
    with pytest.raises(ApiError) as caught:
        boundary(f"multipart/form-data; {parameter}")
    assert caught.value.status == 500


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("a=1;b=2&c", [("a", "1"), ("b", "2"), ("c", "")]),
        ("=x", [("x", "")]),
        ("a==b&&a=c", [("a", "=b"), ("a", "c")]),
        ("a=1&b=2&a=3", [("a", "1"), ("a", "3"), ("b", "2")]),
        ("a=%C3%A4+%2B", [("a", "ä +")]),
        ("", []),
    ],
)
def test_queries(query, pairs):
    assert Request("GET", f"/x?{query}", []).query == pairs


def test_more_fields_than_a_message_holds_are_refused_before_they_are_built():
    with pytest.raises(ApiError, match="32767"):
        form_fields(b"a&" * 32_768)
    assert len(form_fields(b"a&" * 32_767)) == 32_767


def test_long_values_are_read_in_pieces_that_cut_no_escape():
    text = "a%C3%A4%" + "41" + "é" * 9
    for shift in range(4):
        value = ("x" * shift + text * 30_000).encode()
        read = ("x" * shift + "aäA" + "é" * 9).replace("x" * shift, "", 1)
        ((name, data),) = form_fields(b"a=" + value)
        assert (name, whole(data)) == ("a", ("x" * shift + read * 30_000).encode())
        assert isinstance(data, list), "a large value is not joined"
    assert form_fields(b"&" * 1_000_000 + b"a=\xff") == [("a", "\ufffd".encode())]


def test_a_plus_in_a_path_stays():
    assert decode_between("/a+b%20c", 0, 8, plus=False) == "/a+b c"
