"""Multipart bodies as Netty's decoder reads them, edge by edge."""

from __future__ import annotations

import pytest

from rehearsal.server.errors import ApiError
from rehearsal.server.wire.multipart import Boundary, boundary, multipart_parts
from rehearsal.server.workers.codec import BLOCK, whole

FORM = 'Content-Disposition: form-data; name="n"'
X = boundary("multipart/form-data; boundary=X")


def body(*lines: str, end: str = "\r\n") -> bytes:
    return end.join(lines).encode()


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (body("--X", FORM, "", "v", "--X--", ""), [("n", b"v")]),
        (body("--X", FORM, "", "v", "--X--", "", end="\n"), [("n", b"v")]),
        (body("--X", FORM, "", "v", "--X", FORM, "", "w", ""), [("n", b"v")]),
        (body("hello", "--X", FORM, "", "v", "--X--"), [("n", b"v")]),
        (body("--X ", FORM, "", "v", "--X--"), []),
        (body("--X", FORM, "", "v--X--"), []),
        (body("--X", FORM, "", "--X--"), [("n", b"")]),
        (body("--X", FORM, "", "a--X", "--X--"), [("n", b"a--X")]),
        (body("--X", "content-disposition:form-data;NAME=n", "", "v", "--X--"), [("n", b"v")]),
        (body("--X", 'Content-Disposition: form-data; name="a;b\\"c"', "", "v", "--X--"), [("a b\\c", b"v")]),
        (body("--X", 'Content-Disposition: form-data; name="a:b,c=d"', "", "v", "--X--"), [("a b c d", b"v")]),
        (body("--X", FORM, "Content-Type: text/plain; name=m", "", "v", "--X--"), [("m", b"v")]),
        (body("--X", FORM, "Content-Length: 1", "", "vv", "--X--"), [("n", b"vv")]),
        (body("--X", FORM, "X-Other", "", "v", "--X--"), [("n", b"v")]),
        (body("--X--", "--X", FORM, "", "v", "--X--"), []),
        (b"", []),
        (b"\r\n\r\n", []),
        (b"--X", []),
    ],
)
def test_parts(data, parts):
    assert multipart_parts(data, X) == parts


def test_a_part_of_latin_1_is_sent_on_as_utf_8():
    data = body("--X", FORM, "Content-Type: text/plain; charset=ISO-8859-1", "", "") + b"\xe9\r\n--X--"
    assert multipart_parts(data, X) == [("n", "é".encode())]


def test_the_bytes_of_a_file_stay():
    data = body("--X", f"{FORM}; filename=f", "Content-Type: text/plain; charset=ISO-8859-1", "", "") + b"\xe9\r\n--X--"
    assert multipart_parts(data, X) == [("n", b"\xe9")]


def test_parts_in_a_part_have_its_name():
    inner = (
        "--Y",
        "Content-Disposition: file; filename=f",
        "",
        "1",
        "--Y",
        "Content-Disposition: attachment; filename=g",
    )
    data = body("--X", FORM, "Content-Type: multipart/mixed; boundary=Y", "", *inner, "", "2", "--Y--")
    assert multipart_parts(data + body("", "--X", FORM, "", "v", "--X--"), X) == [("n", b"1"), ("n", b"2"), ("n", b"v")]


NULL = 'Attribute.getValue()" because "nameAttribute" is null'
DECODER, BOUNDS = "ErrorDataDecoderException", "ArrayIndexOutOfBoundsException"


@pytest.mark.parametrize(
    ("head", "java_type", "message"),
    [
        ((), DECODER, NULL),
        (("Content-Disposition: form-data; x=n",), DECODER, NULL),
        (("Content-Disposition: attachment; name=n",), DECODER, NULL),
        (("Content-Disposition: form-data; name=",), DECODER, "Param 'name' must not be empty"),
        (('Content-Disposition: form-data; name=" "',), DECODER, "Param 'name' must not be empty"),
        (("Content-Disposition: form-data; =n",), DECODER, "Param 'name' must not be empty"),
        (("Content-Disposition: form-data;", " name=n"), BOUNDS, "Index 1 out of bounds for length 1"),
        (("Content-Disposition: form-data; name",), BOUNDS, "Index 1 out of bounds for length 1"),
        (("Content-Disposition: ,",), BOUNDS, "Index 1 out of bounds for length 1"),
        ((f"{FORM}; filename*=nope",), DECODER, "Index 2 out of bounds for length 1"),
        ((f"{FORM}; filename*=utf-8'en",), DECODER, "Index 2 out of bounds for length 2"),
        ((f"{FORM}; filename*=klingon''f",), DECODER, "klingon"),
        ((f"{FORM}; filename*=utf-8''%zz",), DECODER, "invalid hex byte 'zz' at index 1 of '%zz'"),
        ((FORM, "Content-Type: text/plain; charset=klingon"), DECODER, "klingon"),
        ((FORM, "Content-Type: text/plain; charset=latin-1"), DECODER, "latin-1"),
        ((FORM, "Content-Type: text/plain; charset=utf_8"), DECODER, "utf_8"),
        ((FORM, "Content-Type: text/plain; charset=rot13"), DECODER, "rot13"),
        ((FORM, "Content-Type: text/plain; charset=a b"), "IllegalCharsetNameException", "a b"),
        ((FORM, "Content-Type: text/plain; charset"), DECODER, '"field" is null'),
        ((FORM, "Content-Type: multipart/mixed"), BOUNDS, "Index 2 out of bounds for length 2"),
        ((f"{FORM}; filename=f", "Content-Transfer-Encoding: Base64"), DECODER, "TransferEncoding Unknown: base64"),
        ((f"{FORM}; filename=f", "Content-Length: 1"), DECODER, "Out of size: 2 > 1"),
    ],
)
def test_what_ends_in_an_error(head, java_type, message):
    with pytest.raises(ApiError) as caught:
        multipart_parts(body("--X", *head, "", "vv", "--X--"), X)
    error = caught.value
    assert (error.status, error.java_type) == (500, java_type)
    assert str(error.message).endswith(message)


@pytest.mark.parametrize(
    ("parameters", "java_type", "message"),
    [
        ("boundary", DECODER, "Needs a boundary value"),
        ("boundary=", "StringIndexOutOfBoundsException", "String index out of range: 0"),
        ('boundary="', "StringIndexOutOfBoundsException", "begin 1, end 0, length 1"),
        ("boundary=X; charset=klingon", "UnsupportedCharsetException", "klingon"),
        ("boundary=X; charset=", DECODER, ""),
    ],
)
def test_a_boundary_that_cannot_be_used(parameters, java_type, message):
    with pytest.raises(ApiError) as caught:
        boundary(f"multipart/form-data; {parameters}")
    assert (caught.value.status, caught.value.java_type, caught.value.message) == (500, java_type, message)


def test_more_parts_than_a_message_holds_are_refused_before_they_are_built():
    with pytest.raises(ApiError, match="32767"):
        multipart_parts(b"--X\r\nContent-Disposition: form-data; name=n\r\n\r\n\r\n" * 32_769, X)


def test_a_head_without_an_end_is_refused_before_it_is_read():
    with pytest.raises(ApiError, match="65536"):
        multipart_parts(b"--X\r\n" * 20_000, X)


@pytest.mark.parametrize("shift", range(-6, 3))
@pytest.mark.parametrize("extra", ["", '; filename="f"'])
def test_a_delimiter_is_found_wherever_a_large_body_is_cut(shift, extra):
    start = f'--X\r\nContent-Disposition: form-data; name="a"{extra}\r\n\r\n'.encode()
    data = b"\n--" * ((2 * BLOCK + shift - len(start)) // 3) + b"y" * ((2 * BLOCK + shift - len(start)) % 3)
    ((name, found),) = multipart_parts(start + data + b"\r\n--X--\r\n", Boundary("--X"))
    assert (name, whole(found)) == ("a", data)
    assert isinstance(found, list), "a large part is not joined"


@pytest.mark.parametrize("size", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])
def test_any_number_of_blanks_is_passed_over(size):
    data = body("--X", 'Content-Disposition: form-data; name="a"', "", "1", "--X--")
    assert multipart_parts(b" " * size + data, Boundary("--X")) == [("a", b"1")]


@pytest.mark.parametrize("name", ["latin1", "LATIN1", "l1", "ISO8859_1", "8859_1", "cp819", "windows-1252"])
def test_a_charset_has_the_names_that_java_knows(name):
    data = body("--X", FORM, f"Content-Type: text/plain; charset={name}", "", "") + b"\xe9\r\n--X--"
    assert multipart_parts(data, X) == [("n", "\u00e9".encode())]


@pytest.mark.parametrize("name", ["utf-16", "UTF_16", "unicode", "utf-32be"])
def test_in_a_charset_of_two_bytes_no_delimiter_is_found(name):
    """As it is looked for in that charset, too."""
    data = body("--X", FORM, f"Content-Type: text/plain; charset={name}", "", "v", "--X--")
    assert multipart_parts(data, X) == []
